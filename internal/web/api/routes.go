package api

import (
	"net/http"
	"slices"

	"latchkey"
)

// Tags group the routes in the description.
const (
	tagLinks        = "Links"
	tagAccounts     = "Accounts"
	tagProviderApps = "Provider apps"
	tagMail         = "Login emails"
	tagEvents       = "Events"
	tagWebhooks     = "Webhooks"
	tagSignIns      = "Sign-ins"
	tagOpenID       = "OpenID Connect"
	tagBranding     = "Branding"
	tagApplication  = "Application"
)

// routes is everything the API serves.
func (a *API) routes() []route {
	return append(a.linkRoutes(), a.otherRoutes()...)
}

func (a *API) linkRoutes() []route {
	create := route{
		method: http.MethodPost, path: "/hosted/accounts/link", permission: latchkey.PermLinks, creating: true, handle: a.createLink,
		audited: auditCounted, action: "create_link",
		doc: doc{
			id: "createHostedLink", tag: tagLinks, summary: "Make a link",
			text: "Make a one-time link and send your end user to its `url`. The wizard there asks for everything the provider needs, " +
				"and brings the end user back. Make a fresh link for every click: links are cheap, and end after an hour unless you say otherwise.",
			request: linkRequest{}, examples: linkExamples(),
			answers: []docAnswer{{status: http.StatusCreated, text: "The link. Its url is shown here only.", body: hostedAuthURL{}, example: exampleHostedAuthURL()}},
			errors:  []int{http.StatusNotFound, http.StatusConflict},
		},
	}
	alias := create
	alias.path = "/links"
	alias.doc.id = "createLink"
	alias.doc.summary = "Make a link (short path)"
	alias.doc.text = "The same as `POST /v1/hosted/accounts/link`."
	return []route{
		create,
		{
			method: http.MethodPost, path: "/authentication/form", permission: latchkey.PermLinks, creating: true, handle: a.createForm,
			audited: auditCounted, action: "create_link",
			doc: doc{
				id: "createAuthenticationForm", tag: tagLinks, summary: "Make a link to the mailbox form",
				text: "Make a one-time link for connecting a mailbox. The end user comes back to `redirectUrl` with `account` and `state` " +
					"(`new` or `existing`) in its query. The same link can be read as `GET /v1/links/{id}`.",
				request: formRequest{}, examples: formExamples(),
				answers: []docAnswer{{status: http.StatusOK, text: "Where to send the end user.", body: formURL{}, example: exampleFormURL()}},
				errors:  []int{http.StatusConflict},
			},
		},
		alias,
		{
			method: http.MethodGet, path: "/links", permission: latchkey.PermLinks, handle: a.listLinks,
			doc: doc{
				id: "listLinks", tag: tagLinks, summary: "List links", text: "Links of the application, newest first.",
				params: append([]param{
					{name: "status", text: "Links in this state only.", enum: []any{"created", "in_progress", "completed", "failed", "canceled", "expired"}},
					{name: "name", text: "Links of this name only: your own id for your user.", max: maxLinkName},
				}, pageParams()...),
				answers: []docAnswer{{status: http.StatusOK, text: "A page of links.", body: linkList{}}},
			},
		},
		{
			method: http.MethodGet, path: "/links/{id}", permission: latchkey.PermLinks, handle: a.getLink,
			doc: doc{
				id: "getLink", tag: tagLinks, summary: "Read a link",
				text:    "Where the link stands, the account that came of it, and what happened step by step: enough to poll, where webhooks cannot reach you.",
				params:  []param{linkIDParam()},
				answers: []docAnswer{{status: http.StatusOK, text: "The link with its events.", body: link{}}},
				errors:  []int{http.StatusNotFound},
			},
		},
		{
			method: http.MethodPost, path: "/links/{id}/expire", permission: latchkey.PermLinks, handle: a.expireLink,
			doc: doc{
				id: "expireLink", tag: tagLinks, summary: "End a link now",
				text:    "The link stops working at once, also for an end user who is in the middle of it. A completed link stays completed: 409.",
				params:  []param{linkIDParam()},
				answers: []docAnswer{{status: http.StatusOK, text: "The link, expired.", body: link{}}},
				errors:  []int{http.StatusNotFound, http.StatusConflict},
			},
		},
	}
}

func (a *API) otherRoutes() []route {
	return append(slices.Concat(a.accountRoutes(), []route{a.accessTokenRoute(), a.funnelRoute(), a.auditRoute(), a.historyRoute()}, a.reconnectURLRoutes(), a.providerAppRoutes(), a.senderRoutes(), a.mailRoutes(), a.webhookRoutes(), a.deliveryRoutes(), a.signInRoutes(), a.oidcRoutes(), a.brandingRoutes()), []route{
		{
			method: http.MethodGet, path: "/events", permission: latchkey.PermWebhooks, handle: a.listEvents,
			doc: doc{
				id: "listEvents", tag: tagEvents, summary: "List events",
				text: "Everything that happened, oldest first. Keep the id of the last event that you have seen, and ask for what came after it.",
				params: append([]param{
					{name: "after", text: "The id of the last event that you have seen.", pattern: "^evt_[0-9a-z]{26}$"},
					{name: "type", text: "Events of this type only, such as account.status_changed.", max: maxNameOf},
				}, pageParams()...),
				answers: []docAnswer{{status: http.StatusOK, text: "A page of events.", body: eventList{}}},
			},
		},
		{
			method: http.MethodGet, path: "/application", handle: a.getApplication,
			doc: doc{
				id: "getApplication", tag: tagApplication, summary: "Read the application",
				text:    "Whose key this is, and what it may do. Any key will do: a quick way to try one.",
				answers: []docAnswer{{status: http.StatusOK, text: "The application.", body: application{}}},
			},
		},
		{
			method: http.MethodPut, path: "/application", permission: latchkey.PermSettings, handle: a.changeApplication,
			doc: doc{
				id: "changeApplication", tag: tagApplication, summary: "Change the application",
				text:    "Settings that you leave out stay as they are; null takes one away.",
				request: applicationChange{}, examples: applicationChangeExamples(),
				answers: []docAnswer{{status: http.StatusOK, text: "The application as it is now.", body: application{}}},
			},
		},
		{
			method: http.MethodPost, path: "/application/rotate-webhook-secret", permission: latchkey.PermSettings, creating: true, handle: a.rotateApplicationSecret,
			doc: doc{
				id: "rotateApplicationSecret", tag: tagApplication, summary: "Get a new secret for notify_url",
				text: "The application's own secret signs what goes to a `notify_url` and to your authentication server. For a day both carry two " +
					"signatures, with the new secret and with the one before. A secret that the configuration names is changed there.",
				answers: []docAnswer{{status: http.StatusOK, text: "The new secret.", body: applicationSecret{}}}, errors: []int{http.StatusConflict},
			},
		},
	}...)
}

func (a *API) accountRoutes() []route {
	return append(a.checkpointRoutes(), []route{
		{
			method: http.MethodGet, path: "/accounts", permission: latchkey.PermAccounts, handle: a.listAccounts,
			doc: doc{
				id: "listAccounts", tag: tagAccounts, summary: "List accounts", text: "Connected accounts of the application, newest first.",
				params: pageParams(), answers: []docAnswer{{status: http.StatusOK, text: "A page of accounts.", body: accountList{}}},
			},
		},
		{
			method: http.MethodPost, path: "/accounts", permission: latchkey.PermAccounts, creating: true, handle: a.createAccount,
			doc: doc{
				id: "createAccount", tag: tagAccounts, summary: "Connect without the wizard",
				text: "Connect a mailbox whose password you already have. Both logins are tried on the servers before anything is stored, " +
					"so this takes as long as they do. Settings that you leave out are looked up. For GOOGLE, MICROSOFT, LINKEDIN and INSTAGRAM send " +
					"the tokens that you have, given to your provider app: they are tried as well, and renewed from then on. " +
					"What needs the end user (a QR code, a code) answers 202 with a `Checkpoint`, which goes on at `POST /v1/accounts/checkpoint`.",
				request: accountRequest{}, examples: accountExamples(),
				answers: []docAnswer{
					{status: http.StatusAccepted, text: "Somebody has to do or answer something first.", body: checkpoint{}},
					{status: http.StatusCreated, text: "The account is connected.", body: accountCreated{}},
					{status: http.StatusOK, text: "The account was there already, and has the new password.", body: accountCreated{}},
				},
				errors: []int{http.StatusConflict},
			},
		},
		{
			method: http.MethodGet, path: "/accounts/{id}", permission: latchkey.PermAccounts, handle: a.getAccount,
			doc: doc{
				id: "getAccount", tag: tagAccounts, summary: "Read an account", text: "The account and whether it works, as of its last check.",
				params: []param{accountIDParam()}, answers: []docAnswer{{status: http.StatusOK, text: "The account.", body: account{}}},
				errors: []int{http.StatusNotFound},
			},
		},
		{
			method: http.MethodPost, path: "/accounts/{id}", permission: latchkey.PermAccounts, creating: true, handle: a.reconnectAccount,
			doc: doc{
				id: "reconnectAccount", tag: tagAccounts, summary: "Give an account a new password",
				text:   "Mend an account without the wizard. Its id stays. Another mailbox than before is refused with `errors/wrong_account`.",
				params: []param{accountIDParam()}, request: reconnectRequest{}, examples: reconnectExamples(),
				answers: []docAnswer{
					{status: http.StatusOK, text: "The account works again.", body: accountReconnected{}},
					{status: http.StatusAccepted, text: "Somebody has to do or answer something first.", body: checkpoint{}},
				},
				errors: []int{http.StatusNotFound, http.StatusConflict},
			},
		},
		{
			method: http.MethodPatch, path: "/accounts/{id}", permission: latchkey.PermAccounts, handle: a.changeAccount,
			doc: doc{
				id: "changeAccount", tag: tagAccounts, summary: "Change an account",
				text: "Where its end user is asked by mail to reconnect when it breaks, and in which language. What you leave out stays as it is. " +
					"A mail that waits for another address is not sent.",
				params: []param{accountIDParam()}, request: accountChange{}, examples: map[string]any{"notify": members{"notify_email": "ada@example.org", "notify_locale": "de"}},
				answers: []docAnswer{{status: http.StatusOK, text: "The account.", body: account{}}},
				errors:  []int{http.StatusNotFound},
			},
		},
		{
			method: http.MethodDelete, path: "/accounts/{id}", permission: latchkey.PermAccounts, handle: a.deleteAccount,
			doc: doc{
				id: "deleteAccount", tag: tagAccounts, summary: "Forget an account",
				text:   "The account and its credential are erased at once. Where the provider can be told, it is told afterwards; an event says how that went.",
				params: []param{accountIDParam()}, answers: []docAnswer{{status: http.StatusOK, text: "It is gone.", body: accountDeleted{}}},
				errors: []int{http.StatusNotFound},
			},
		},
		{
			method: http.MethodPost, path: "/accounts/{id}/check", permission: latchkey.PermAccounts, handle: a.checkAccount,
			doc: doc{
				id: "checkAccount", tag: tagAccounts, summary: "Check an account now",
				text: "Try the account's credential now, and answer with the account as it then is. A refused password is tried twice before " +
					"CREDENTIALS is said; an outage is CONNECTING. At most one check every few seconds.",
				params: []param{accountIDParam()}, answers: []docAnswer{{status: http.StatusOK, text: "The account.", body: account{}}},
				errors: []int{http.StatusNotFound, http.StatusConflict},
			},
		},
	}...)
}

func (a *API) checkpointRoutes() []route {
	return []route{
		{
			method: http.MethodPost, path: "/accounts/checkpoint", permission: latchkey.PermAccounts, handle: a.answerCheckpoint,
			doc: doc{
				id: "answerCheckpoint", tag: tagAccounts, summary: "Answer a checkpoint",
				text: "Answer what a connection by API asks, or, without an answer, see how it stands: ask again every `poll_ms` while it shows " +
					"a code to be scanned. A wrong answer is 202 again, with `checkpoint.errors`. A try that ended is an error with the code of why.",
				request: checkpointRequest{}, examples: checkpointExamples(),
				answers: []docAnswer{
					{status: http.StatusCreated, text: "The account is connected.", body: accountCreated{}},
					{status: http.StatusOK, text: "The account was there already, or works again.", body: accountConnected{}},
					{status: http.StatusAccepted, text: "What is asked now.", body: checkpoint{}},
				},
				errors: []int{http.StatusNotFound, http.StatusConflict, http.StatusGone},
			},
		},
		{
			method: http.MethodPost, path: "/accounts/checkpoint/resend", permission: latchkey.PermAccounts, handle: a.resendCheckpoint,
			doc: doc{
				id: "resendCheckpoint", tag: tagAccounts, summary: "Have a code sent again",
				text:    "The same as `POST /v1/accounts/checkpoint` with the action resend, in the shape that client libraries know. Before `resend_at`: 425.",
				request: checkpointRef{}, examples: map[string]any{"resend": members{"account_id": exampleAccountID}},
				answers: []docAnswer{{status: http.StatusOK, text: "It was sent, or not: success says which.", body: checkpointResend{}}},
				errors:  []int{http.StatusNotFound, http.StatusConflict, http.StatusTooEarly},
			},
		},
	}
}
