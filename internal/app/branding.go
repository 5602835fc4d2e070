package app

import (
	"context"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"latchkey"
	"latchkey/internal/branding"
	"latchkey/internal/i18n"
	"latchkey/internal/web/ui"
	"latchkey/internal/web/wizard"
)

// newBranding makes what looks after how applications' pages look.
func (in *installation) newBranding() (*branding.Service, error) {
	words, err := i18n.Load(wizard.Texts())
	if err != nil {
		return nil, err
	}
	return branding.New(branding.Config{
		Store: in.store, BaseURL: strings.TrimSuffix(in.cfg.BaseURL, "/"), Languages: words.Languages(), Now: in.now, Log: in.log,
	}), nil
}

// themes dress applications' pages, and for the zero application the installation's own. Equal
// brandings have the same Look, so that themes can be compared.
func (in *installation) themes(base *url.URL) func(context.Context, latchkey.Application) ui.Theme {
	return func(ctx context.Context, app latchkey.Application) ui.Theme { return in.theme(ctx, app, base) }
}

func (in *installation) theme(ctx context.Context, app latchkey.Application, base *url.URL) ui.Theme {
	l := in.brands.Look(ctx, app.ID)
	t := ui.Theme{
		AppName: in.readerName(ctx, in.store, app, base), LogoURL: l.Logo, LogoDarkURL: l.LogoDark,
		Brand: l.Palette.Accent, BrandInk: l.Palette.Ink, BrandDark: l.Palette.AccentDark, BrandDarkInk: l.Palette.InkDark,
		HeaderHTML: template.HTML(l.Header), // branding cleaned it, when it was set and when it was read
		Privacy:    l.Links.Privacy, Terms: l.Links.Terms, Support: l.Links.Support,
	}
	if l.Radius >= 0 {
		t.Radius = strconv.Itoa(l.Radius)
	}
	if l.HasTexts() {
		t.Words = l
	}
	return t
}

// uploads tells which requests carry pictures: those of the API and of the dashboard that set branding.
// Both read the body of nobody whom they do not know.
func uploads(r *http.Request) bool {
	switch r.Method {
	case http.MethodPut:
		return strings.HasSuffix(r.URL.Path, "/branding")
	case http.MethodPost:
		return strings.HasSuffix(r.URL.Path, "/branding/images")
	}
	return false
}

// previewFunc renders the first page of an application's links.
type previewFunc = func(ctx context.Context, app latchkey.Application, lang, scheme string) ([]byte, error)
