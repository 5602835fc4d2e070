package api

import (
	"context"
	"net/http"
	"strings"

	"latchkey/internal/applications"
)

// applicationChange describes the body of PUT /application; changeApplication reads it.
type applicationChange struct {
	AuthServerURL *string `json:"auth_server_url,omitempty" maxLength:"2048" doc:"Where your authentication server is: https://, or http:// on your own network. null takes it away."`
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
	if err := f.done(); err != nil {
		return answer{}, err
	}
	if c.app, err = a.cfg.Applications.Change(ctx, c.app.ID, want); err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, c.application()}, nil
}
