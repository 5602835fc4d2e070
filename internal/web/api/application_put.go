package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/applications"
	"latchkey/internal/errs"
)

// applicationChange describes the body of PUT /application; changeApplication reads it.
type applicationChange struct {
	Providers      []string              `json:"providers,omitempty" maxItems:"20" nullable:"true" doc:"What its links may offer. null or an empty list: everything that is set up."`
	AuthServerURL  *string               `json:"auth_server_url,omitempty" maxLength:"2048" doc:"Where your authentication server is: https://, or http:// on your own network. null takes it away."`
	Sender         *string               `json:"sender,omitempty" pattern:"^snd_[0-9a-z]{26}$" doc:"Whom the application's mail comes from: one of its senders whose address has agreed. null: the installation's default sender."`
	ReconnectEmail *reconnectEmailChange `json:"reconnect_email,omitempty" doc:"Whether end users with a notify_email are asked by mail to reconnect an account that only they can mend. Off by default; null: off."`
}

type reconnectEmailChange struct {
	Enabled      bool `json:"enabled"`
	AfterMinutes int  `json:"after_minutes,omitempty" minimum:"0" maximum:"10080" doc:"How long after the account broke. Default: 60."`
}

// readReconnectEmail reads the setting; see reconnectEmailChange. It is nil where it is left out.
func readReconnectEmail(f *fields) *latchkey.ReconnectEmail {
	const name = "reconnect_email"
	if raw, given := f.raw[name]; given && isNull(raw) {
		f.get(name)
		return &latchkey.ReconnectEmail{}
	}
	var v *latchkey.ReconnectEmail
	f.within(name, func(in *fields) {
		if in.get("enabled") == nil {
			in.fail("enabled", errs.CodeRequired, "Say true or false.")
		}
		v = &latchkey.ReconnectEmail{Enabled: in.boolean("enabled", nil), After: applications.DefaultReconnectAfter}
		if n, ok := in.integer("after_minutes", 0, int(applications.MaxReconnectAfter/time.Minute)); ok {
			v.After = time.Duration(n) * time.Minute
		}
	})
	return v
}

// changeApplication answers PUT /application: settings that are left out stay as they are.
func (a *API) changeApplication(ctx context.Context, c *call) (answer, error) {
	if err := newQuery(c).finish(); err != nil {
		return answer{}, err
	}
	f, err := c.object()
	if err != nil {
		return answer{}, err
	}
	var want applications.Settings
	s := strings.TrimSpace(f.str("auth_server_url", text{max: maxURL, emptyAbsent: true}))
	if _, given := f.raw["auth_server_url"]; given {
		want.AuthServerURL = &s
	}
	sender := latchkey.SenderID(strings.TrimSpace(f.str("sender", text{max: maxNameOf, emptyAbsent: true})))
	if _, given := f.raw["sender"]; given {
		want.Sender = &sender
	}
	if _, given := f.raw["providers"]; given {
		want.Providers = &[]latchkey.Provider{}
		for i, s := range f.list("providers", maxProviders, maxNameOf) {
			p, ok := latchkey.ParseProvider(s)
			if !ok {
				f.fail("providers["+strconv.Itoa(i)+"]", errs.CodeInvalidValue, "There is no such provider.")
			}
			*want.Providers = append(*want.Providers, p)
		}
	}
	want.ReconnectEmail = readReconnectEmail(f)
	if err := f.done(); err != nil {
		return answer{}, err
	}
	if c.app, err = a.cfg.Applications.Change(ctx, c.app.ID, want); err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, c.application()}, nil
}
