package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"unicode/utf8"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/providerapps"
)

// createProviderApp answers POST /provider-apps.
func (a *API) createProviderApp(ctx context.Context, c *call) (answer, error) {
	f, err := c.object()
	if err != nil {
		return answer{}, err
	}
	spec := readProviderApp(f)
	if err := f.whole(latchkey.ProviderApp{}, spec); err != nil {
		return answer{}, err
	}
	made, err := a.cfg.ProviderApps.Create(ctx, c.app.ID, spec)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusCreated, a.showProviderApp(c, made)}, nil
}

// listProviderApps answers GET /provider-apps, newest first like every list.
func (a *API) listProviderApps(ctx context.Context, c *call) (answer, error) {
	q := newQuery(c)
	page := q.page("pap_")
	if err := q.finish(); err != nil {
		return answer{}, err
	}
	all, err := a.cfg.ProviderApps.List(ctx, c.app.ID)
	if err != nil {
		return answer{}, err
	}
	all = slices.DeleteFunc(slices.Clone(all), func(x latchkey.ProviderApp) bool {
		return page.Before != "" && string(x.ID) >= page.Before
	})
	slices.Reverse(all)
	all = all[:min(len(all), page.Limit+1)]
	all, cursor := paged(all, page.Limit, func(x latchkey.ProviderApp) string { return string(x.ID) })
	out := providerAppList{Object: "ProviderAppList", Items: make([]providerApp, len(all)), Cursor: cursor}
	for i, x := range all {
		out.Items[i] = a.showProviderApp(c, x)
	}
	return answer{http.StatusOK, out}, nil
}

// providerAppOf finds the provider app that the path names.
func (a *API) providerAppOf(ctx context.Context, c *call) (latchkey.ProviderApp, error) {
	id := c.r.PathValue("id")
	if !idShape(id, "pap_") {
		return latchkey.ProviderApp{}, errs.NotFoundf("provider app")
	}
	return a.cfg.ProviderApps.Get(ctx, c.app.ID, latchkey.ProviderAppID(id))
}

// getProviderApp answers GET /provider-apps/{id}.
func (a *API) getProviderApp(ctx context.Context, c *call) (answer, error) {
	x, err := a.providerAppOf(ctx, c)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, a.showProviderApp(c, x)}, nil
}

// updateProviderApp answers PATCH /provider-apps/{id}.
func (a *API) updateProviderApp(ctx context.Context, c *call) (answer, error) {
	x, err := a.providerAppOf(ctx, c)
	if err != nil {
		return answer{}, err
	}
	f, err := c.object()
	if err != nil {
		return answer{}, err
	}
	spec := readProviderApp(f)
	if err := f.whole(x, spec); err != nil {
		return answer{}, err
	}
	if x, err = a.cfg.ProviderApps.Update(ctx, c.app.ID, x.ID, spec); err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, a.showProviderApp(c, x)}, nil
}

// deleteProviderApp answers DELETE /provider-apps/{id}.
func (a *API) deleteProviderApp(ctx context.Context, c *call) (answer, error) {
	x, err := a.providerAppOf(ctx, c)
	if err != nil {
		return answer{}, err
	}
	if err := a.cfg.ProviderApps.Delete(ctx, c.app.ID, x.ID); err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, providerAppDeleted{Object: "ProviderAppDeleted"}}, nil
}

// verifyProviderApp answers POST /provider-apps/{id}/verify.
func (a *API) verifyProviderApp(ctx context.Context, c *call) (answer, error) {
	x, err := a.providerAppOf(ctx, c)
	if err != nil {
		return answer{}, err
	}
	if err := c.noFields(); err != nil {
		return answer{}, err
	}
	v, err := a.cfg.ProviderApps.Verify(ctx, c.app.ID, x.ID)
	if err != nil {
		return answer{}, err
	}
	out := providerAppVerification{Object: "ProviderAppVerification", OK: v.OK, RedirectURI: a.redirectURI(), Findings: []appFinding{}}
	for _, f := range v.Findings {
		out.Findings = append(out.Findings, appFinding{Code: f.Code, OK: f.OK, Detail: f.Detail})
	}
	return answer{http.StatusOK, out}, nil
}

func (a *API) redirectURI() string { return a.base + "/oauth/callback" }

// whole adds what is wrong with the provider app as a whole to what is wrong with single fields.
func (f *fields) whole(was latchkey.ProviderApp, spec providerapps.Spec) error {
	_, problems := providerapps.Apply(was, spec)
	for _, p := range problems {
		if !f.failed(p.Field) {
			f.problem = append(f.problem, p)
		}
	}
	return f.done()
}

// readProviderApp reads the body of POST and PATCH; see providerAppRequest.
func readProviderApp(f *fields) providerapps.Spec {
	spec := providerapps.Spec{
		Provider:       f.optional("provider", maxNameOf),
		Name:           f.optional("name", providerapps.MaxName),
		ClientID:       f.optional("client_id", providerapps.MaxClientID),
		ClientSecret:   f.pasted("client_secret", providerapps.MaxSecret),
		ServiceAccount: f.pasted("service_account", providerapps.MaxServiceAccount),
		Tenant:         f.optional("tenant", maxHost),
		Cloud:          f.optional("cloud", maxNameOf),
		Domain:         f.optional("domain", maxHost),
		Protocol:       f.optional("protocol", maxNameOf),
		ExtraScopes:    f.optionalList("extra_scopes"),
		SkipScopes:     f.optionalList("skip_scopes"),
	}
	if v := f.get("default"); v != nil {
		yes := f.boolean("default", nil)
		spec.Default = &yes
	}
	return spec
}

// optional reads a string whose absence means something else than its being empty.
func (f *fields) optional(name string, limit int) *string {
	v := f.get(name)
	if v == nil {
		return nil
	}
	s, ok := f.scalar(name, v, limit)
	if !ok {
		return nil
	}
	return &s
}

// pasted reads a secret as it was copied out of a console or a file: with line breaks, or as the JSON
// object that it is.
func (f *fields) pasted(name string, limit int) *string {
	v := f.get(name)
	if v == nil {
		return nil
	}
	s, ok := unquote(v)
	if !ok && v[0] == '{' && json.Valid(v) && name == "service_account" {
		s, ok = string(v), true
	}
	switch {
	case !ok:
		f.fail(name, errs.CodeInvalidType, "This must be a string.")
	case utf8.RuneCountInString(s) > limit:
		f.fail(name, errs.CodeTooLong, "This may have "+strconv.Itoa(limit)+" characters at most.")
	default:
		return &s
	}
	return nil
}

func (f *fields) optionalList(name string) *[]string {
	if v := f.get(name); v == nil {
		return nil
	}
	list := f.list(name, providerapps.MaxScopes, providerapps.MaxScope)
	return &list
}
