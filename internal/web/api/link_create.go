package api

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
)

const (
	defaultExpiry = time.Hour
	minExpiry     = time.Minute
	maxExpiry     = 30 * 24 * time.Hour
	maxProviders  = 32
	maxNameOf     = 64 // of a provider or a type
)

// createLink answers POST /links.
func (a *API) createLink(ctx context.Context, c *call) (answer, error) {
	f, err := c.object()
	if err != nil {
		return answer{}, err
	}
	spec, warnings := a.linkSpec(f, c.app)
	if err := f.done(); err != nil {
		return answer{}, err
	}
	spec.KeyID = c.key.ID
	made, err := a.cfg.Links.CreateLink(ctx, c.app, spec)
	if err != nil {
		return answer{}, unknownReconnect(err, spec)
	}
	return answer{http.StatusCreated, hostedAuthURL{
		Object:    "HostedAuthURL",
		URL:       a.base + "/c/" + made.Token,
		ID:        string(made.Link.ID),
		ExpiresOn: at(made.Link.ExpiresAt),
		Warnings:  warnings,
		Test:      made.Link.Test,
	}}, nil
}

// unknownReconnect says which field named an account that is not there: the route itself exists.
func unknownReconnect(err error, spec hosted.LinkSpec) error {
	if spec.Type == latchkey.LinkReconnect && errs.Is(err, errs.CodeNotFound) {
		return errs.NotFoundf("account as reconnect_account names")
	}
	return err
}

// linkSpec reads the body of POST /links; see linkRequest.
func (a *API) linkSpec(f *fields, app latchkey.Application) (hosted.LinkSpec, []warning) {
	spec := hosted.LinkSpec{Dialect: latchkey.DialectLink, Type: linkType(f)}
	t := &spec.Terms
	t.Providers = providers(f, app, spec.Type == latchkey.LinkCreate)
	readTarget(f, &spec)
	spec.ExpiresAt = a.expiryWithin(f, defaultExpiry, maxExpiry, "This must lie from 1 minute to 30 days ahead.")
	spec.Name = f.str("name", text{max: maxLinkName, emptyAbsent: f.lenient})
	readEnds(f, t)
	t.Email = f.email("email")
	t.NotifyEmail = f.notifyEmail()
	t.ExpectedIdentity = f.str("expected_identity", text{max: maxIdentity, trim: true, emptyAbsent: f.lenient})
	spec.Proxy = f.proxy(spec.Type == latchkey.LinkReconnect || proxied(t.Providers))
	f.unsupported("disabled_options", "unilogin", "country", "ip")
	return spec, a.apiURL(f)
}

// readEnds reads what links and the links of reconnect URLs have in common: how they end.
func readEnds(f *fields, t *latchkey.LinkTerms) {
	t.SuccessURL = f.webURL("success_redirect_url", false)
	t.FailureURL = f.webURL("failure_redirect_url", false)
	t.NotifyURL = f.webURL("notify_url", false)
	t.NotifyFailures = f.boolean("notify_failures", nil)
	t.AllowServerChange = f.boolean("allow_server_change", nil)
	t.Locale = f.locale()
	t.Metadata = f.flatMap("metadata", maxMetadata, maxMetadataKey, maxMetadataValue)
	t.BypassSuccess = f.boolean("bypass_success_screen", nil)
}

func linkType(f *fields) latchkey.LinkType {
	switch s := f.str("type", text{max: maxNameOf, emptyAbsent: f.lenient}); latchkey.LinkType(s) {
	case "", latchkey.LinkCreate:
		return latchkey.LinkCreate
	case latchkey.LinkReconnect:
		return latchkey.LinkReconnect
	}
	f.fail("type", errs.CodeInvalidValue, "This must be create or reconnect.")
	return ""
}

// readTarget reads which account the link is about: one to be made, or one to be mended.
func readTarget(f *fields, spec *hosted.LinkSpec) {
	spec.Reconnect = f.accountRef("reconnect_account", spec.Type == latchkey.LinkReconnect)
	spec.Terms.ExternalID = f.externalID("account_id", false)
	if spec.Type == latchkey.LinkCreate && spec.Reconnect != "" {
		f.fail("reconnect_account", errs.CodeInvalidValue, "This goes with type reconnect only.")
	}
	if spec.Type == latchkey.LinkReconnect && spec.Terms.ExternalID != "" {
		f.fail("account_id", errs.CodeInvalidValue, "This names an account to be made. To mend one, name it in reconnect_account.")
	}
}

// expiryWithin reads when something ends, under either of the names that callers use.
func (a *API) expiryWithin(f *fields, usual, most time.Duration, bounds string) time.Time {
	now := a.now()
	at, given := f.instant("expiresOn", false)
	name := "expiresOn"
	if other, ok := f.instant("expires_on", false); ok {
		if given {
			f.fail("expires_on", errs.CodeInvalidValue, "This is the same as expiresOn. Send one of them.")
			return now
		}
		at, given, name = other, true, "expires_on"
	}
	if !given {
		return now.Add(usual)
	}
	at = at.Truncate(time.Millisecond)
	if at.Before(now.Add(minExpiry)) || at.After(now.Add(most)) {
		f.fail(name, errs.CodeOutOfRange, bounds)
	}
	return at
}

// providers reads what the end user may choose from.
func providers(f *fields, app latchkey.Application, required bool) []string {
	given := f.raw["providers"] != nil && !isNull(f.raw["providers"])
	before := len(f.problem)
	list := f.list("providers", maxProviders, maxNameOf)
	if len(list) == 0 {
		switch {
		case len(f.problem) > before:
		case given:
			f.fail("providers", errs.CodeRequired, "Name at least one provider, or \"*\" for all.")
		case required:
			f.fail("providers", errs.CodeRequired, "Name a provider, a list of them, or \"*\" for all.")
		}
		return nil
	}
	out := make([]string, 0, len(list))
	for i, s := range list {
		at := "providers[" + strconv.Itoa(i) + "]"
		if len(list) == 1 {
			at = "providers"
		}
		p, ok := latchkey.ParseProviderWish(s)
		switch {
		case !ok:
			f.fail(at, errs.CodeInvalidValue, "This is not a provider. There are LINKEDIN, WHATSAPP, INSTAGRAM, TELEGRAM, GOOGLE, MICROSOFT, IMAP and \"*\".")
		case p == string(latchkey.Mock) && !app.Test:
			f.fail(at, errs.CodeInvalidValue, "MOCK exists in test applications only.")
		case !slices.Contains(out, p):
			out = append(out, p)
		}
	}
	return out
}

// apiURL reads the API that the caller believes to call. Links are always ours, so another host
// only earns a warning.
func (a *API) apiURL(f *fields) []warning {
	s := f.webURL("api_url", false)
	if s == "" {
		return []warning{}
	}
	u, err := url.Parse(s)
	if err != nil || strings.EqualFold(u.Host, a.cfg.BaseURL.Host) {
		return []warning{}
	}
	return []warning{{
		Code:    "foreign_api_url",
		Message: "api_url names another host than this server (" + a.cfg.BaseURL.Host + "). The link works here all the same.",
	}}
}
