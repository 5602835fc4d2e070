// Package app is the composition root: the one place that knows every part of the house and puts
// them together, and the command line. Nothing imports it but cmd/latchkey.
package app
