package oauthflow

import (
	"context"
	"net/url"
	"strconv"

	"latchkey/internal/connector"
)

// Grant asks the token endpoint for a token of another grant type, with no person in it: a signed
// assertion (RFC 7523) or the client's own credentials (RFC 6749 §4.4).
func (f *Flow) Grant(ctx context.Context, app connector.App, kind string, form url.Values) (Secret, error) {
	where, err := f.endpoints(ctx, app)
	if err != nil {
		return Secret{}, err
	}
	a, err := f.http.PostForm(ctx, where.Token, form)
	if err != nil {
		return Secret{}, err
	}
	var t struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   any    `json:"expires_in"`
		Scope       string `json:"scope"`
	}
	if a.Status != 200 {
		return Secret{}, fromBody(a.Status, a.Body)
	}
	if err := a.JSON(&t); err != nil {
		return Secret{}, err
	}
	if t.AccessToken == "" || len(t.AccessToken) > maxToken {
		return Secret{}, errTokenType
	}
	now := f.Now()
	return Secret{
		Kind: kind, AccessToken: t.AccessToken, TokenType: "Bearer", IssuedAt: now, ExpiresAt: now.Add(life(seconds(t.ExpiresIn))), Scope: t.Scope,
	}, nil
}

// TokenEndpoint is where tokens come from.
func (f *Flow) TokenEndpoint(ctx context.Context, app connector.App) (string, error) {
	e, err := f.endpoints(ctx, app)
	return e.Token, err
}

// seconds reads a number that may be a string.
func seconds(v any) int64 {
	switch n := v.(type) {
	case string:
		i, _ := strconv.ParseInt(n, 10, 64)
		return i
	case interface{ Int64() (int64, error) }:
		i, _ := n.Int64()
		return i
	}
	return 0
}
