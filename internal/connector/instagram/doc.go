// Package instagram connects professional Instagram accounts by the Instagram API with Instagram
// Login, which is like OAuth and keeps to none of its answers: there is no id token, no refresh token
// and no PKCE; a short token is exchanged for one of sixty days, which is renewed before it ends.
package instagram
