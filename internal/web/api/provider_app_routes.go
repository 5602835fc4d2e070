package api

import (
	"net/http"

	"latchkey"
)

func providerAppIDParam() param {
	return param{name: "id", in: "path", text: "The provider app's id.", pattern: "^pap_[0-9a-z]{26}$", example: exampleProviderAppID}
}

func (a *API) providerAppRoutes() []route {
	one := func(text string) []docAnswer {
		return []docAnswer{{status: http.StatusOK, text: text, body: providerApp{}}}
	}
	return []route{
		{
			method: http.MethodPost, path: "/provider-apps", permission: latchkey.PermSettings, creating: true, handle: a.createProviderApp,
			doc: doc{
				id: "createProviderApp", tag: tagProviderApps, summary: "Register a provider app",
				text: "Give us the OAuth client that you registered at a provider. The provider is offered to your end users from then on. " +
					"Register the `redirect_uri` of the answer at the provider, then verify.",
				request: providerAppRequest{}, examples: providerAppExamples(),
				answers: []docAnswer{{status: http.StatusCreated, text: "The provider app.", body: providerApp{}}},
				errors:  []int{http.StatusConflict},
			},
		},
		{
			method: http.MethodGet, path: "/provider-apps", permission: latchkey.PermSettings, handle: a.listProviderApps,
			doc: doc{
				id: "listProviderApps", tag: tagProviderApps, summary: "List provider apps", text: "Provider apps of the application, newest first.",
				params: pageParams(), answers: []docAnswer{{status: http.StatusOK, text: "A page of provider apps.", body: providerAppList{}}},
			},
		},
		{
			method: http.MethodGet, path: "/provider-apps/{id}", permission: latchkey.PermSettings, handle: a.getProviderApp,
			doc: doc{
				id: "getProviderApp", tag: tagProviderApps, summary: "Read a provider app",
				text:   "The provider app, and in `flag` whether the provider refuses it. Its secrets are never shown.",
				params: []param{providerAppIDParam()}, answers: one("The provider app."), errors: []int{http.StatusNotFound},
			},
		},
		{
			method: http.MethodPatch, path: "/provider-apps/{id}", permission: latchkey.PermSettings, handle: a.updateProviderApp,
			doc: doc{
				id: "updateProviderApp", tag: tagProviderApps, summary: "Change a provider app",
				text: "Fields that you leave out stay as they are; an empty text takes one away. A new `client_secret` serves from the next " +
					"request on, and all accounts stay connected. `\"default\": true` takes the place of the default before.",
				params: []param{providerAppIDParam()}, request: providerAppChange{}, examples: providerAppChangeExamples(),
				answers: one("The provider app as it is now."), errors: []int{http.StatusNotFound},
			},
		},
		{
			method: http.MethodDelete, path: "/provider-apps/{id}", permission: latchkey.PermSettings, handle: a.deleteProviderApp,
			doc: doc{
				id: "deleteProviderApp", tag: tagProviderApps, summary: "Forget a provider app",
				text: "Accounts that were connected through it stay until their token ends, but cannot be renewed any more. The oldest " +
					"provider app of the same provider becomes the default, if this was it.",
				params:  []param{providerAppIDParam()},
				answers: []docAnswer{{status: http.StatusOK, text: "It is gone.", body: providerAppDeleted{}}}, errors: []int{http.StatusNotFound},
			},
		},
		{
			method: http.MethodPost, path: "/provider-apps/{id}/verify", permission: latchkey.PermSettings, handle: a.verifyProviderApp,
			doc: doc{
				id: "verifyProviderApp", tag: tagProviderApps, summary: "Verify a provider app",
				text:    "Ask the provider whether the id, the secret, the redirect URI and the permissions are right. Each finding says what to do, and where to click.",
				params:  []param{providerAppIDParam()},
				answers: []docAnswer{{status: http.StatusOK, text: "What was found.", body: providerAppVerification{}}},
				errors:  []int{http.StatusNotFound, http.StatusConflict, http.StatusServiceUnavailable},
			},
		},
	}
}

func (a *API) accessTokenRoute() route {
	return route{
		method: http.MethodPost, path: "/accounts/{id}/access-token", permission: latchkey.PermAccessTokens, handle: a.issueAccessToken,
		audited: auditElsewhere,
		doc: doc{
			id: "issueAccessToken", tag: tagAccounts, summary: "Get an access token",
			text: "A token of the account, with which you call the provider yourself. It lives for five minutes at least, unless the provider " +
				"cannot be reached: ask for one whenever you need it, and keep none. It is renewed here, ahead of its end. " +
				"`Idempotency-Key` has no effect. Each key's use is told by the event `account.access_token_issued`, once a minute at most, with a count.",
			params:  []param{accountIDParam()},
			answers: []docAnswer{{status: http.StatusOK, text: "The token.", body: accessToken{}}},
			errors:  []int{http.StatusNotFound, http.StatusConflict, http.StatusServiceUnavailable},
		},
	}
}
