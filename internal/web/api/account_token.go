package api

import (
	"context"
	"net/http"
)

// accessToken is a token with which the application calls the provider itself.
type accessToken struct {
	Object      string   `json:"object" enum:"AccessToken"`
	AccessToken string   `json:"access_token"`
	TokenType   string   `json:"token_type"`
	ExpiresAt   *stamp   `json:"expires_at" doc:"When it ends; null where the provider does not say."`
	Scopes      []string `json:"scopes" nullable:"false"`
}

// issueAccessToken answers POST /accounts/{id}/access-token.
func (a *API) issueAccessToken(ctx context.Context, c *call) (answer, error) {
	id, err := c.accountRef()
	if err != nil {
		return answer{}, err
	}
	if err := c.noFields(); err != nil {
		return answer{}, err
	}
	t, err := a.cfg.Accounts.AccessToken(ctx, c.app.ID, id, c.key.ID)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, accessToken{
		Object: "AccessToken", AccessToken: t.Token, TokenType: t.Type, ExpiresAt: optional(&t.ExpiresAt), Scopes: append([]string{}, t.Scopes...),
	}}, nil
}
