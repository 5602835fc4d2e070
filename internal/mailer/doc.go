// Package mailer sends mail for applications through their own mail hosts: login codes, proofs that a
// sender's address is its own, invitations. It owns senders, the words of mails, the outbox and the
// lanes on which it is worked off. It must not know what a sign-in, an operator or a page is: it is
// handed a kind of mail and the values that fill it, inside the transaction of what they belong to.
//
//	Queue   renders a mail and writes it to the outbox, in the caller's transaction
//	Wake    tells the worker, after the commit
//	Run     is the worker: one lane a sender, so that nobody waits for another's mail host
//
// A mail:
//
//	queued ──250──▶ accepted          its text is erased
//	   │ ▲
//	   │ └─ 4xx, network, refused login: again within its lifetime
//	   ├──5xx──▶ failed               or queued again for the default sender, where that is allowed
//	   ├──lifetime over──▶ expired    a code that has ended is not sent
//	   └──withheld───────▶ failed     one that must not leave goes through its lane all the same
//
// A lane claims mails in batches, for a minute: one statement serves many, and what a process that was
// killed had claimed waits that long. No mail is begun so late that it could outlive its claim.
//
// A mail may reach its host twice (a connection that broke after the text was taken); it then has the
// same Message-ID, and most mailboxes show it once.
package mailer
