// Package linkedin connects LinkedIn profiles by "Sign in with LinkedIn using OpenID Connect". It
// reads no messages: LinkedIn has no interface for that.
package linkedin
