package api

import (
	"context"
	"net/http"
	"time"
)

type application struct {
	Object      string   `json:"object" enum:"Application"`
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Test        bool     `json:"test" doc:"A test application, for ever: MOCK exists only in these."`
	Providers   []string `json:"providers" nullable:"false" doc:"What its links may offer; empty means everything that is set up."`
	Permissions []string `json:"permissions" nullable:"false" doc:"What the key that asked may do."`
	// AuthServerURL is shown: it holds no secret.
	AuthServerURL  *string        `json:"auth_server_url" doc:"Where your authentication server is, which is asked for the credentials of accounts with auth_server."`
	Sender         *string        `json:"sender" doc:"Whom its mail comes from; null: the installation's default sender."`
	ReconnectEmail reconnectEmail `json:"reconnect_email" doc:"Whether end users are asked by mail to reconnect an account that only they can mend."`
	CreatedAt      stamp          `json:"created_at"`
}

// reconnectEmail describes the setting; readReconnectEmail reads it.
type reconnectEmail struct {
	Enabled      bool `json:"enabled"`
	AfterMinutes int  `json:"after_minutes" minimum:"0" maximum:"10080" doc:"How long after the account broke. It is not sent if the account works again before."`
}

type applicationSecret struct {
	Object        string `json:"object" enum:"ApplicationSecret"`
	ApplicationID string `json:"application_id"`
	Secret        string `json:"secret" doc:"The new secret. It is shown here only."`
	OldUntil      stamp  `json:"old_secret_until" doc:"Until then, messages carry signatures of both."`
}

// rotateApplicationSecret answers POST /application/rotate-webhook-secret.
func (a *API) rotateApplicationSecret(ctx context.Context, c *call) (answer, error) {
	if err := newQuery(c).finish(); err != nil {
		return answer{}, err
	}
	if err := c.noFields(); err != nil {
		return answer{}, err
	}
	app, err := a.cfg.Webhooks.RotateApplicationSecret(ctx, c.app.ID)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, applicationSecret{
		Object: "ApplicationSecret", ApplicationID: string(app.ID), Secret: app.WebhookSecret, OldUntil: at(app.OldSecretUntil),
	}}, nil
}

// getApplication answers GET /application: whose key this is.
func (a *API) getApplication(_ context.Context, c *call) (answer, error) {
	if err := newQuery(c).finish(); err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, c.application()}, nil
}

// application is the caller's own, as it is shown.
func (c *call) application() application {
	out := application{
		Object: "Application", ID: string(c.app.ID), Name: c.app.Name, Test: c.app.Test, CreatedAt: at(c.app.CreatedAt),
		AuthServerURL: orNull(c.app.AuthServerURL), Sender: orNull(string(c.app.Sender)),
		ReconnectEmail: reconnectEmail{Enabled: c.app.ReconnectEmail.Enabled, AfterMinutes: int(c.app.ReconnectEmail.After / time.Minute)},
		Providers:      []string{}, Permissions: []string{},
	}
	for _, p := range c.app.Providers {
		out.Providers = append(out.Providers, c.typeName(p))
	}
	for _, p := range c.key.Permissions {
		out.Permissions = append(out.Permissions, string(p))
	}
	return out
}
