// Package latchkey holds the nouns of the product and the rules that need nothing but them:
// typed ids, states, and pure transitions between states. It imports the standard library and
// internal/errs only, touches no network and no clock, and is imported by everything else.
//
//	Application  a customer's product: its keys, links, accounts and settings
//	Link         a one-time URL that the application hands to its end user
//	Flow         one browser's run through a link: durable and versioned
//	Account      a connected mailbox or profile, with a status that tells the truth
//	Event        something that happened, as the application is told of it
//	Delivery     one event (or notification) on its way to one URL
package latchkey
