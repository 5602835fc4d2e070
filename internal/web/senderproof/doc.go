// Package senderproof is the page on which the owner of a sender's address agrees that mail comes
// from it. It knows the question and its answer, and nothing of mail hosts.
//
//	GET  /senders/{token}   the question; it changes nothing, so that scanners of mail may open it
//	POST /senders/{token}   yes
package senderproof
