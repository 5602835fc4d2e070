package api

import (
	"context"
	"net/http"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
)

const (
	maxPath  = 1024
	maxPaths = 100
)

// createForm answers POST /authentication/form.
func (a *API) createForm(ctx context.Context, c *call) (answer, error) {
	f, err := c.object()
	if err != nil {
		return answer{}, err
	}
	spec, err := a.formSpec(ctx, f, c.app)
	if err != nil {
		return answer{}, err
	}
	if err := f.done(); err != nil {
		return answer{}, err
	}
	spec.KeyID = c.key.ID
	made, err := a.cfg.Links.CreateLink(ctx, c.app, spec)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, formURL{URL: a.base + "/accounts/new?data=" + made.Token}}, nil
}

// formSpec reads the body of POST /authentication/form; see formRequest.
func (a *API) formSpec(ctx context.Context, f *fields, app latchkey.Application) (hosted.LinkSpec, error) {
	spec := hosted.LinkSpec{
		Type: latchkey.LinkCreate, Dialect: latchkey.DialectForm, ExpiresAt: a.now().Add(defaultExpiry),
	}
	t := &spec.Terms
	t.ExternalID = f.externalID("account", true)
	t.DisplayName = f.str("name", text{max: maxDisplayName, trim: true, emptyAbsent: true})
	t.Email = f.email("email")
	t.SuccessURL = f.webURL("redirectUrl", true)
	t.ExpectedIdentity = f.email("expectedEmail")
	t.Delegated = f.boolean("delegated", map[string]bool{
		"Y": true, "y": true, "true": true, "1": true, "N": false, "n": false, "false": false, "0": false, "": false,
	})
	t.Path = f.list("path", maxPaths, maxPath)
	t.Subconnections = f.list("subconnections", maxPaths, maxDisplayName)
	if at, ok := f.instant("syncFrom", true); ok {
		t.SyncFrom = &at
	}
	if at, ok := f.instant("notifyFrom", true); ok {
		t.NotifyFrom = &at
	}
	t.Providers = []string{latchkey.MailingProviders}
	kind := formType(f)
	switch {
	case kind == "imap":
		t.Providers = []string{string(latchkey.IMAP)}
	case kind != "":
		client, err := a.providerApp(ctx, app.ID, kind)
		switch {
		case errs.Is(err, errs.CodeNotFound):
			f.fail("type", errs.CodeInvalidValue, "There is no such provider app.")
		case err != nil:
			return spec, err
		default:
			t.Providers = []string{string(client.Provider)}
		}
		t.ProviderApp = kind
	}
	return spec, nil
}

// formType reads type, which may also be false for no choice.
func formType(f *fields) string {
	if string(f.raw["type"]) == "false" {
		f.asked = append(f.asked, "type")
		return ""
	}
	s := f.str("type", text{max: maxNameOf, emptyAbsent: true})
	if s != "" && s != "imap" && !idShape(s, "pap_") {
		f.fail("type", errs.CodeInvalidValue, "This must be imap or the id of a provider app (pap_…).")
		return ""
	}
	return s
}

func (a *API) providerApp(ctx context.Context, app latchkey.ApplicationID, id string) (latchkey.ProviderApp, error) {
	if a.cfg.ProviderApps == nil {
		return latchkey.ProviderApp{}, errs.NotFoundf("provider app")
	}
	return a.cfg.ProviderApps.Get(ctx, app, latchkey.ProviderAppID(id))
}
