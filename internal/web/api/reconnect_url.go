package api

import (
	"context"
	"net/http"
	"time"

	"latchkey"
	"latchkey/internal/hosted"
)

const (
	defaultURLExpiry = 30 * 24 * time.Hour
	maxURLExpiry     = 90 * 24 * time.Hour
)

// reconnectURLRequest describes the body of POST /accounts/{id}/reconnect-url; it may be left out.
type reconnectURLRequest struct {
	ExpiresOn          string            `json:"expiresOn,omitempty" format:"date-time" doc:"When the URL ends: 1 minute to 90 days ahead. Default: 30 days. expires_on is the same."`
	SuccessRedirectURL string            `json:"success_redirect_url,omitempty" format:"uri" doc:"Where the end user goes when the account works again; see the links."`
	FailureRedirectURL string            `json:"failure_redirect_url,omitempty" format:"uri"`
	NotifyURL          string            `json:"notify_url,omitempty" format:"uri" doc:"Told RECONNECTED when the account works again."`
	NotifyFailures     bool              `json:"notify_failures,omitempty"`
	Name               string            `json:"name,omitempty" maxLength:"512" doc:"Your own id for your user; echoed in the notification."`
	AllowServerChange  bool              `json:"allow_server_change,omitempty"`
	Locale             string            `json:"locale,omitempty" doc:"Language of the pages, such as de or pt-BR. Default: the browser's."`
	Metadata           map[string]string `json:"metadata,omitempty" maxProperties:"50" doc:"Up to 50 strings of yours, kept with the account when it is mended."`
	BypassSuccess      bool              `json:"bypass_success_screen,omitempty"`
}

type reconnectURL struct {
	Object    string `json:"object" enum:"ReconnectURL"`
	URL       string `json:"url" doc:"Put this into your email. It is shown here only."`
	ExpiresOn stamp  `json:"expires_on"`
	Test      bool   `json:"test,omitempty"`
}

type reconnectURLDeleted struct {
	Object string `json:"object" enum:"ReconnectURLDeleted"`
}

func (a *API) reconnectURLRoutes() []route {
	return []route{
		{
			method: http.MethodPost, path: "/accounts/{id}/reconnect-url", permission: latchkey.PermLinks, creating: true, handle: a.createReconnectURL,
			doc: doc{
				id: "createReconnectURL", tag: tagAccounts, summary: "Make a reconnect URL",
				text: "A URL that may stand in an email for weeks. Its page says which account broke and why, in the reader's words; its button makes a fresh " +
					"reconnect link and goes there. Opening it changes nothing, so mail scanners do no harm. URLs made before stay good, up to 20 of an account.",
				params: []param{accountIDParam()}, request: reconnectURLRequest{},
				answers: []docAnswer{{status: http.StatusCreated, text: "The URL.", body: reconnectURL{}}},
				errors:  []int{http.StatusNotFound},
			},
		},
		{
			method: http.MethodDelete, path: "/accounts/{id}/reconnect-url", permission: latchkey.PermLinks, handle: a.deleteReconnectURL,
			doc: doc{
				id: "deleteReconnectURL", tag: tagAccounts, summary: "Revoke an account's reconnect URLs",
				text: "All of them end at once. Links that they made already stay what they are.", params: []param{accountIDParam()},
				answers: []docAnswer{{status: http.StatusOK, text: "There is none any more.", body: reconnectURLDeleted{}}},
				errors:  []int{http.StatusNotFound},
			},
		},
	}
}

// createReconnectURL answers POST /accounts/{id}/reconnect-url.
func (a *API) createReconnectURL(ctx context.Context, c *call) (answer, error) {
	id, err := c.accountRef()
	if err != nil {
		return answer{}, err
	}
	f, err := c.object()
	if err != nil {
		return answer{}, err
	}
	spec := hosted.ReconnectURLSpec{Account: id}
	spec.ExpiresAt = a.expiryWithin(f, defaultURLExpiry, maxURLExpiry, "This must lie from 1 minute to 90 days ahead.")
	spec.Name = f.str("name", text{max: maxLinkName, emptyAbsent: f.lenient})
	readEnds(f, &spec.Terms)
	if err := f.done(); err != nil {
		return answer{}, err
	}
	made, err := a.cfg.Links.CreateReconnectURL(ctx, c.app, spec)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusCreated, reconnectURL{
		Object: "ReconnectURL", URL: a.base + "/r/" + made.Token, ExpiresOn: at(made.URL.ExpiresAt), Test: c.app.Test,
	}}, nil
}

// deleteReconnectURL answers DELETE /accounts/{id}/reconnect-url.
func (a *API) deleteReconnectURL(ctx context.Context, c *call) (answer, error) {
	id, err := c.accountRef()
	if err != nil {
		return answer{}, err
	}
	if err := a.cfg.Links.RevokeReconnectURLs(ctx, c.app.ID, id); err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, reconnectURLDeleted{Object: "ReconnectURLDeleted"}}, nil
}
