package api

import (
	"net/http"

	"latchkey"
)

func senderIDParam() param {
	return param{name: "id", in: "path", text: "The sender's id.", pattern: "^snd_[0-9a-z]{26}$", example: exampleSenderID}
}

func (a *API) senderRoutes() []route {
	return append(a.senderEditRoutes(), a.senderTryRoutes()...)
}

func (a *API) senderEditRoutes() []route {
	one := func(text string) []docAnswer {
		return []docAnswer{{status: http.StatusOK, text: text, body: sender{}}}
	}
	return []route{
		{
			method: http.MethodPost, path: "/senders", permission: latchkey.PermSettings, creating: true, handle: a.createSender,
			doc: doc{
				id: "createSender", tag: tagMail, summary: "Make a sender",
				text: "Have login emails come from your own address, through your own mail host. The host is tried first (look-up, connection, TLS, login, " +
					"whether it takes mail from the address): what it refuses is not saved, and `errors` says what to do, with `errors/sender_check_failed`. " +
					"Then a mail goes through that host to the address. Whoever reads it opens the link and agrees; nothing else is sent from the address before. " +
					"Choose the sender with `PUT /v1/application`.",
				request: senderRequest{}, examples: senderExamples(),
				answers: []docAnswer{{status: http.StatusCreated, text: "The sender.", body: sender{}}},
				errors:  []int{http.StatusConflict},
			},
		},
		{
			method: http.MethodGet, path: "/senders", permission: latchkey.PermSettings, handle: a.listSenders,
			doc: doc{
				id: "listSenders", tag: tagMail, summary: "List senders", text: "Senders of the application, newest first.",
				params: pageParams(), answers: []docAnswer{{status: http.StatusOK, text: "A page of senders.", body: senderList{}}},
			},
		},
		{
			method: http.MethodGet, path: "/senders/{id}", permission: latchkey.PermSettings, handle: a.getSender,
			doc: doc{
				id: "getSender", tag: tagMail, summary: "Read a sender",
				text:   "The sender, whether its address has agreed, and what is wrong with it. Its secrets are never shown.",
				params: []param{senderIDParam()}, answers: one("The sender."), errors: []int{http.StatusNotFound},
			},
		},
		{
			method: http.MethodPatch, path: "/senders/{id}", permission: latchkey.PermSettings, handle: a.updateSender,
			doc: doc{
				id: "updateSender", tag: tagMail, summary: "Change a sender",
				text: "Fields that you leave out stay as they are. The password is cleared when host, port or username changes, the client secret when client_id " +
					"or tenant_id does: give it again. A change of how mail is sent is tried first, as when a sender is made. With another address, host or login " +
					"the address is asked again, and nothing is sent from it until it agrees: the application's mail comes from the default sender meanwhile.",
				params: []param{senderIDParam()}, request: senderChange{}, examples: senderChangeExamples(),
				answers: one("The sender as it is now."), errors: []int{http.StatusNotFound, http.StatusConflict},
			},
		},
		{
			method: http.MethodDelete, path: "/senders/{id}", permission: latchkey.PermSettings, handle: a.deleteSender,
			doc: doc{
				id: "deleteSender", tag: tagMail, summary: "Forget a sender",
				text:    "The sender that the application uses stays: choose another one first. Mail that waits for it goes through the default sender, if there is one.",
				params:  []param{senderIDParam()},
				answers: []docAnswer{{status: http.StatusOK, text: "It is gone.", body: senderDeleted{}}}, errors: []int{http.StatusNotFound, http.StatusConflict},
			},
		},
	}
}

// senderTryRoutes change nothing of a sender but what is known of it.
func (a *API) senderTryRoutes() []route {
	return []route{
		{
			method: http.MethodPost, path: "/senders/{id}/check", permission: latchkey.PermSettings, handle: a.checkSender,
			doc: doc{
				id: "checkSender", tag: tagMail, summary: "Check a sender",
				text:    "Try the sender on its mail host now, without sending anything. Each finding says what to do.",
				params:  []param{senderIDParam()},
				answers: []docAnswer{{status: http.StatusOK, text: "What was found.", body: senderCheck{}}}, errors: []int{http.StatusNotFound},
			},
		},
		{
			method: http.MethodPost, path: "/senders/{id}/test", permission: latchkey.PermSettings, handle: a.testSender,
			doc: doc{
				id: "testSender", tag: tagMail, summary: "Send a test mail",
				text: "A real mail with words of ours, through the sender. The answer waits up to 15 seconds for what becomes of it; `queued` means that it is " +
					"still tried: read it at `GET /v1/mails/{id}`. Ten an hour for each address.",
				params: []param{senderIDParam()}, request: senderTestRequest{}, examples: map[string]any{"to_me": members{"to": "ada@acme.io"}},
				answers: []docAnswer{{status: http.StatusOK, text: "The mail.", body: sentMail{}}}, errors: []int{http.StatusNotFound, http.StatusConflict},
			},
		},
		{
			method: http.MethodPost, path: "/senders/{id}/proof", permission: latchkey.PermSettings, handle: a.askSender,
			doc: doc{
				id: "askSender", tag: tagMail, summary: "Ask the address again",
				text:   "Send the mail with the link once more. It works for 24 hours; the link before ends. Five an hour for each address.",
				params: []param{senderIDParam()}, request: senderProofRequest{}, examples: map[string]any{"german": members{"locale": "de"}},
				answers: []docAnswer{{status: http.StatusOK, text: "The sender.", body: sender{}}}, errors: []int{http.StatusNotFound, http.StatusConflict},
			},
		},
		{
			method: http.MethodGet, path: "/senders/{id}/setup", permission: latchkey.PermSettings, handle: a.senderSetup,
			doc: doc{
				id: "setUpSender", tag: tagMail, summary: "What to do at the provider",
				text:    "The steps at Microsoft, Google or your mail host, with PowerShell commands that have this sender's values in them.",
				params:  []param{senderIDParam()},
				answers: []docAnswer{{status: http.StatusOK, text: "The steps.", body: senderSetup{}}}, errors: []int{http.StatusNotFound},
			},
		},
		{
			method: http.MethodGet, path: "/senders/{id}/dns", permission: latchkey.PermSettings, handle: a.senderDNS,
			doc: doc{
				id: "readSenderDNS", tag: tagMail, summary: "Look up the domain's records",
				text:    "SPF, DKIM, DMARC and MX of the address's domain as they are now, and what to change so that login emails arrive.",
				params:  []param{senderIDParam()},
				answers: []docAnswer{{status: http.StatusOK, text: "What was found.", body: senderDNS{}}}, errors: []int{http.StatusNotFound},
			},
		},
	}
}
