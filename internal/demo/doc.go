// Package demo is the other side of the product, for people who look at it for the first time: a
// sample application with a "Connect a mailbox" button and a list of what its backend received, and
// the journey that an end user makes, without a browser.
//
// It is an outsider: it knows the installation by its URL and an API key only, and uses nothing of
// the house. What it does is what any integrator does.
package demo
