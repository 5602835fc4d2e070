package api

import (
	"context"
	"net/http"

	"latchkey"
)

func signInIDParam() param {
	return param{name: "id", in: "path", text: "The sign-in's id.", pattern: "^sin_[0-9a-z]{26}$", example: exampleSignInID}
}

func oidcClientIDParam() param {
	return param{name: "id", in: "path", text: "The client's id.", pattern: "^cli_[0-9a-z]{26}$", example: exampleOIDCClientID}
}

func (a *API) signInRoutes() []route {
	sent := []docAnswer{{status: http.StatusAccepted, text: "The sign-in. The mail is on its way.", body: signIn{}}}
	return []route{
		{
			method: http.MethodPost, path: "/signins", permission: latchkey.PermSignins, creating: true, handle: a.createSignIn,
			doc: doc{
				id: "createSignIn", tag: tagSignIns, summary: "Begin a sign-in",
				text: "Send a mail with a six-digit code and a link. The answer is the same for every address, also for one that may not " +
					"sign in: nobody learns from it who is known. Keep the id with your end user's browser, and nowhere else.",
				request: signInRequest{}, examples: signInExamples(), answers: sent, errors: []int{http.StatusConflict},
			},
		},
		{
			method: http.MethodPost, path: "/signins/{id}/verify", permission: latchkey.PermSignins, handle: a.verifySignIn,
			doc: doc{
				id: "verifySignIn", tag: tagSignIns, summary: "Verify a code",
				text: "Send what your end user typed, or the `code` with which the browser came back to `redirect_uri`. Each mail's code is looked at " +
					"five times; then 429 `errors/too_many_tries`, also for the right one. A code works once. Before you take a code from a " +
					"redirect, see that this browser is the one that you keep `signin_id` for: that is what makes a stolen link worthless.",
				params: []param{signInIDParam()}, request: signInVerification{}, examples: map[string]any{"code": members{"code": "417033"}},
				answers: []docAnswer{{status: http.StatusOK, text: "Who it is.", body: signedIn{}}},
				errors:  []int{http.StatusNotFound, http.StatusConflict, http.StatusGone},
			},
		},
		{
			method: http.MethodPost, path: "/signins/{id}/resend", permission: latchkey.PermSignins, handle: a.resendSignIn,
			doc: doc{
				id: "resendSignIn", tag: tagSignIns, summary: "Send another mail",
				text:    "A new code and link; those of the mail before stay good as well, until their own end. Not within 30 seconds (425), and five mails at most.",
				params:  []param{signInIDParam()},
				answers: sent, errors: []int{http.StatusNotFound, http.StatusConflict, http.StatusGone, http.StatusTooEarly},
			},
		},
		{
			method: http.MethodGet, path: "/signin-settings", permission: latchkey.PermSettings, handle: a.getSignInSettings,
			doc: doc{
				id: "getSignInSettings", tag: tagSignIns, summary: "Read the settings", text: "The settings, and where the hosted page and the OpenID provider are.",
				answers: []docAnswer{{status: http.StatusOK, text: "The settings.", body: signInSettings{}}},
			},
		},
		{
			method: http.MethodPut, path: "/signin-settings", permission: latchkey.PermSettings, handle: a.putSignInSettings,
			doc: doc{
				id: "putSignInSettings", tag: tagSignIns, summary: "Change the settings", text: "What you leave out goes back to its default.",
				request: signInSettingsRequest{}, examples: map[string]any{"page": members{"redirect_uris": []any{"https://app.acme.io/signed-in"}}},
				answers: []docAnswer{{status: http.StatusOK, text: "The settings as they are now.", body: signInSettings{}}},
			},
		},
		{
			method: http.MethodGet, path: "/signin-rules", permission: latchkey.PermSettings, handle: a.listRules,
			doc: doc{
				id: "listSignInRules", tag: tagSignIns, summary: "List who may sign in", text: "The entries of one list, in their own order.",
				params:  append([]param{{name: "list", text: "Which list.", enum: []any{"allow", "block"}}}, pageParams()...),
				answers: []docAnswer{{status: http.StatusOK, text: "A page of entries.", body: signInRuleList{}}},
			},
		},
		ruleRoute("/signin-rules", "addSignInRules", "Add to a list",
			"Put entries on the allow or the block list: 2,000 at once, 20,000 in all. With an allow list only who is on it may sign in; who is on both is "+
				"blocked. Who may not gets the same answer as everybody, and no mail.", a.changeRules(func(ctx context.Context, app latchkey.ApplicationID, l latchkey.SignInList, patterns []string) (int, error) {
				return a.cfg.SignIns.AddRules(ctx, app, l, patterns)
			})),
		ruleRoute("/signin-rules/delete", "deleteSignInRules", "Take off a list", "Entries that are not on the list are passed over.",
			a.changeRules(func(ctx context.Context, app latchkey.ApplicationID, l latchkey.SignInList, patterns []string) (int, error) {
				return a.cfg.SignIns.DeleteRules(ctx, app, l, patterns)
			})),
	}
}

func ruleRoute(path, id, summary, text string, handle func(ctx context.Context, c *call) (answer, error)) route {
	return route{
		method: http.MethodPost, path: path, permission: latchkey.PermSettings, handle: handle,
		doc: doc{
			id: id, tag: tagSignIns, summary: summary, text: text, request: signInRules{},
			examples: map[string]any{"domain": members{"list": "allow", "patterns": []any{"*@acme.io", "ada@lovelace.org"}}},
			answers:  []docAnswer{{status: http.StatusOK, text: "How many entries were changed.", body: signInRulesChanged{}}}, errors: []int{http.StatusConflict},
		},
	}
}

func (a *API) oidcRoutes() []route {
	one := func(text string) []docAnswer {
		return []docAnswer{{status: http.StatusOK, text: text, body: oidcClient{}}}
	}
	return []route{
		{
			method: http.MethodPost, path: "/oidc-clients", permission: latchkey.PermSettings, creating: true, handle: a.createOIDCClient,
			doc: doc{
				id: "createOIDCClient", tag: tagOpenID, summary: "Register a client",
				text:    "A program of yours that signs people in with any OpenID Connect library. Give the library `issuer`, `client_id` and `client_secret`.",
				request: oidcClientRequest{}, examples: oidcClientExamples(),
				answers: []docAnswer{{status: http.StatusCreated, text: "The client. Its secret is shown here only.", body: oidcClient{}}},
			},
		},
		{
			method: http.MethodGet, path: "/oidc-clients", permission: latchkey.PermSettings, handle: a.listOIDCClients,
			doc: doc{
				id: "listOIDCClients", tag: tagOpenID, summary: "List clients", text: "Clients of the application, newest first.",
				params: pageParams(), answers: []docAnswer{{status: http.StatusOK, text: "A page of clients.", body: oidcClientList{}}},
			},
		},
		{
			method: http.MethodGet, path: "/oidc-clients/{id}", permission: latchkey.PermSettings, handle: a.getOIDCClient,
			doc: doc{
				id: "getOIDCClient", tag: tagOpenID, summary: "Read a client", text: "The client, without its secret.",
				params: []param{oidcClientIDParam()}, answers: one("The client."), errors: []int{http.StatusNotFound},
			},
		},
		{
			method: http.MethodPatch, path: "/oidc-clients/{id}", permission: latchkey.PermSettings, handle: a.updateOIDCClient,
			doc: doc{
				id: "updateOIDCClient", tag: tagOpenID, summary: "Change a client", text: "Fields that you leave out stay as they are; a list replaces the list before.",
				params: []param{oidcClientIDParam()}, request: OIDCClientFields{}, examples: map[string]any{"name": members{"name": "Web"}},
				answers: one("The client as it is now."), errors: []int{http.StatusNotFound},
			},
		},
		{
			method: http.MethodDelete, path: "/oidc-clients/{id}", permission: latchkey.PermSettings, handle: a.deleteOIDCClient,
			doc: doc{
				id: "deleteOIDCClient", tag: tagOpenID, summary: "Forget a client", text: "It can sign nobody in any more.",
				params:  []param{oidcClientIDParam()},
				answers: []docAnswer{{status: http.StatusOK, text: "It is gone.", body: oidcClientDeleted{}}}, errors: []int{http.StatusNotFound},
			},
		},
		{
			method: http.MethodPost, path: "/oidc-clients/{id}/rotate-secret", permission: latchkey.PermSettings, handle: a.rotateOIDCSecret,
			doc: doc{
				id: "rotateOIDCClientSecret", tag: tagOpenID, summary: "Get a new secret", text: "The old one ends at once.",
				params: []param{oidcClientIDParam()}, answers: one("The client with its new secret, shown here only."),
				errors: []int{http.StatusNotFound, http.StatusConflict},
			},
		},
		{
			method: http.MethodGet, path: "/signing-keys", permission: latchkey.PermSettings, handle: a.listSigningKeys,
			doc: doc{
				id: "listSigningKeys", tag: tagOpenID, summary: "List signing keys", text: "The keys of the JWKS, and when each begins to sign.",
				answers: []docAnswer{{status: http.StatusOK, text: "The keys.", body: signingKeyList{}}},
			},
		},
		{
			method: http.MethodPost, path: "/signing-keys/rotate", permission: latchkey.PermSettings, handle: a.rotateSigningKeys,
			doc: doc{
				id: "rotateSigningKeys", tag: tagOpenID, summary: "Replace the signing keys",
				text:    "New keys are published now and sign in a day; the old ones stay published for a day after that. This happens by itself every 90 days.",
				request: keyRotation{}, examples: map[string]any{"emergency": members{"at_once": true}},
				answers: []docAnswer{{status: http.StatusOK, text: "The keys as they are now.", body: signingKeyList{}}}, errors: []int{http.StatusConflict},
			},
		},
	}
}
