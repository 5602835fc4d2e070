package api

import (
	"context"
	"net/http"
	"slices"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/signin"
)

// createOIDCClient answers POST /oidc-clients.
func (a *API) createOIDCClient(ctx context.Context, c *call) (answer, error) {
	spec, err := readOIDCClient(c, latchkey.OIDCClient{Algorithm: signin.AlgRS256})
	if err != nil {
		return answer{}, err
	}
	made, err := a.cfg.OpenID.CreateClient(ctx, c.app.ID, spec)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusCreated, a.showOIDCClient(c, made.Client, made.Secret.Reveal())}, nil
}

// readOIDCClient reads the body of POST and PATCH and says all that is wrong with what would come of it.
func readOIDCClient(c *call, was latchkey.OIDCClient) (signin.ClientSpec, error) {
	f, err := c.object()
	if err != nil {
		return signin.ClientSpec{}, err
	}
	spec := signin.ClientSpec{
		Name: f.optional("name", signin.MaxClientName), Algorithm: f.optional("id_token_signed_response_alg", maxNameOf),
		RedirectURIs: f.uriList("redirect_uris"), PostLogoutURIs: f.uriList("post_logout_redirect_uris"),
	}
	if f.get("public") != nil {
		yes := f.boolean("public", nil)
		spec.Public = &yes
		if was.ID == "" {
			was.Public = yes
		}
	}
	for _, p := range signin.ApplyClient(&was, spec) {
		if !f.failed(p.Field) {
			f.problem = append(f.problem, p)
		}
	}
	return spec, f.done()
}

func (f *fields) uriList(name string) *[]string {
	if v := f.get(name); v == nil {
		return nil
	}
	list := f.list(name, maxURIs, signin.MaxURI)
	return &list
}

// oidcClientOf finds the client that the path names.
func (a *API) oidcClientOf(ctx context.Context, c *call) (latchkey.OIDCClient, error) {
	id := c.r.PathValue("id")
	if !idShape(id, "cli_") {
		return latchkey.OIDCClient{}, errs.NotFoundf("client")
	}
	return a.cfg.OpenID.Client(ctx, c.app.ID, latchkey.OIDCClientID(id))
}

// listOIDCClients answers GET /oidc-clients, newest first like every list.
func (a *API) listOIDCClients(ctx context.Context, c *call) (answer, error) {
	q := newQuery(c)
	page := q.page("cli_")
	if err := q.finish(); err != nil {
		return answer{}, err
	}
	all, err := a.cfg.OpenID.Clients(ctx, c.app.ID)
	if err != nil {
		return answer{}, err
	}
	all = slices.DeleteFunc(all, func(x latchkey.OIDCClient) bool { return page.Before != "" && string(x.ID) >= page.Before })
	slices.Reverse(all)
	all, cursor := paged(all[:min(len(all), page.Limit+1)], page.Limit, func(x latchkey.OIDCClient) string { return string(x.ID) })
	out := oidcClientList{Object: "OIDCClientList", Items: make([]oidcClient, len(all)), Cursor: cursor}
	for i, x := range all {
		out.Items[i] = a.showOIDCClient(c, x, "")
	}
	return answer{http.StatusOK, out}, nil
}

// getOIDCClient answers GET /oidc-clients/{id}.
func (a *API) getOIDCClient(ctx context.Context, c *call) (answer, error) {
	x, err := a.oidcClientOf(ctx, c)
	return answer{http.StatusOK, a.showOIDCClient(c, x, "")}, err
}

// updateOIDCClient answers PATCH /oidc-clients/{id}.
func (a *API) updateOIDCClient(ctx context.Context, c *call) (answer, error) {
	x, err := a.oidcClientOf(ctx, c)
	if err != nil {
		return answer{}, err
	}
	spec, err := readOIDCClient(c, x)
	if err != nil {
		return answer{}, err
	}
	x, err = a.cfg.OpenID.UpdateClient(ctx, c.app.ID, x.ID, spec)
	return answer{http.StatusOK, a.showOIDCClient(c, x, "")}, err
}

// rotateOIDCSecret answers POST /oidc-clients/{id}/rotate-secret.
func (a *API) rotateOIDCSecret(ctx context.Context, c *call) (answer, error) {
	x, err := a.oidcClientOf(ctx, c)
	if err != nil {
		return answer{}, err
	}
	if err := c.noFields(); err != nil {
		return answer{}, err
	}
	made, err := a.cfg.OpenID.RotateClientSecret(ctx, c.app.ID, x.ID)
	return answer{http.StatusOK, a.showOIDCClient(c, made.Client, made.Secret.Reveal())}, err
}

// deleteOIDCClient answers DELETE /oidc-clients/{id}.
func (a *API) deleteOIDCClient(ctx context.Context, c *call) (answer, error) {
	x, err := a.oidcClientOf(ctx, c)
	if err != nil {
		return answer{}, err
	}
	err = a.cfg.OpenID.DeleteClient(ctx, c.app.ID, x.ID)
	return answer{http.StatusOK, oidcClientDeleted{Object: "OIDCClientDeleted"}}, err
}

func (a *API) showOIDCClient(c *call, x latchkey.OIDCClient, secret string) oidcClient {
	return oidcClient{
		Object: "OIDCClient", ID: string(x.ID), ClientID: string(x.ID), Name: x.Name, Public: x.Public, RedirectURIs: append([]string{}, x.RedirectURIs...),
		PostLogoutURIs: append([]string{}, x.PostLogoutURIs...), Algorithm: x.Algorithm, Issuer: a.cfg.OpenID.Issuer(c.app.ID),
		CreatedAt: at(x.CreatedAt), UpdatedAt: at(x.UpdatedAt), Secret: secret, Test: c.app.Test,
	}
}

// listSigningKeys answers GET /signing-keys.
func (a *API) listSigningKeys(ctx context.Context, c *call) (answer, error) {
	all, err := a.cfg.OpenID.SigningKeys(ctx, c.app.ID)
	out := signingKeyList{Object: "SigningKeyList", Items: []signingKey{}}
	for _, k := range all {
		out.Items = append(out.Items, signingKey{KeyID: k.KeyID, Algorithm: k.Algorithm, ActiveAt: at(k.ActiveAt), CreatedAt: at(k.CreatedAt)})
	}
	return answer{http.StatusOK, out}, err
}

// rotateSigningKeys answers POST /signing-keys/rotate.
func (a *API) rotateSigningKeys(ctx context.Context, c *call) (answer, error) {
	f, err := c.object()
	if err != nil {
		return answer{}, err
	}
	atOnce := f.boolean("at_once", nil)
	if err := f.done(); err != nil {
		return answer{}, err
	}
	if err := a.cfg.OpenID.RotateKeys(ctx, c.app.ID, atOnce); err != nil {
		return answer{}, err
	}
	return a.listSigningKeys(ctx, c)
}
