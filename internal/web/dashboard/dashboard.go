package dashboard

import (
	"context"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/i18n"
	"latchkey/internal/web"
	"latchkey/internal/web/ui"
)

//go:embed texts/*.json texts/*/*.json
var texts embed.FS

//go:embed templates/*.html
var templates embed.FS

// root is where every page lies.
const root = "/dashboard"

// Config is what the dashboard needs.
type Config struct {
	BaseURL *url.URL
	Now     func() time.Time
	Log     *slog.Logger

	Operators Operators
	// Codes is nil where the installation has no default sender.
	Codes        Codes
	Applications Applications
	Links        Links
	Accounts     Accounts
	Webhooks     Webhooks
	ProviderApps ProviderApps
	Senders      Senders
	Mails        Mails
	SignIns      SignIns
	OpenID       OpenID
	Branding     Branding
	// Preview renders the first page of an application's links as the reader of a language sees it, held
	// to a scheme.
	Preview func(ctx context.Context, app latchkey.Application, lang, scheme string) ([]byte, error)
	Funnel  Funnel
	Trail   Trail
	Audit   AuditLog

	// StrangerLimit bounds, for each address, what can be sent without being signed in.
	StrangerLimit web.Limit
}

// Dashboard serves the pages.
type Dashboard struct {
	cfg       Config
	base      string
	secure    bool
	words     *i18n.Catalog
	pages     *template.Template
	assets    paths
	guard     func(http.Handler) http.Handler
	strangers *web.Limiter
	replays   *web.Limiter
	counts    *counts
}

type paths struct{ CSS, Own, JS, Passkey, Branding string }

// New makes the dashboard. It fails where a text or template is broken, or a route says no role.
func New(cfg Config) (*Dashboard, error) {
	d := &Dashboard{
		cfg: cfg, base: strings.TrimSuffix(cfg.BaseURL.String(), "/"), secure: cfg.BaseURL.Scheme == "https",
		strangers: web.NewLimiter(cfg.StrangerLimit, cfg.Now), replays: newReplays(cfg.Now),
		counts: &counts{accounts: cfg.Accounts, now: cfg.Now, log: cfg.Log, apps: map[latchkey.ApplicationID]counted{}},
	}
	var words []fs.FS
	for _, folder := range []string{"texts", "texts/mail", "texts/signin", "texts/branding"} {
		sub, err := fs.Sub(texts, folder)
		if err != nil {
			return nil, err
		}
		words = append(words, sub)
	}
	var err error
	if d.words, err = i18n.Load(words...); err != nil {
		return nil, err
	}
	a, err := ui.NewAssets()
	if err != nil {
		return nil, err
	}
	d.assets = paths{CSS: a.URL("page.css"), Own: a.URL("dashboard.css"), JS: a.URL("page.js"), Passkey: a.URL("passkey.js"), Branding: a.URL("branding.js")}
	d.pages, err = template.New("").Funcs(template.FuncMap{"t": func(key string) string { return d.say(key) }}).ParseFS(templates, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("dashboard: %w", err)
	}
	for _, rt := range d.routes() {
		if rt.access == accessUndeclared {
			return nil, fmt.Errorf("dashboard: %s %s declares no role", rt.method, rt.path)
		}
	}
	d.guard, err = web.SameOrigin(http.HandlerFunc(d.crossOrigin), cfg.BaseURL.Scheme+"://"+cfg.BaseURL.Host)
	return d, err
}

// Register adds the routes.
func (d *Dashboard) Register(mux *http.ServeMux) {
	for _, rt := range d.routes() {
		mux.Handle(rt.method+" "+root+rt.path, d.guard(d.serve(rt)))
	}
	unknown := route{access: accessSignedIn, handle: func(*call) (answer, error) { return answer{}, noPage() }}
	mux.Handle(root+"/", d.guard(d.serve(unknown)))
}

// say returns a text. What the catalog lacks shows as its key in brackets; a test finds it.
func (d *Dashboard) say(key string, args ...string) string {
	values := map[string]string{}
	for i := 0; i+1 < len(args); i += 2 {
		values[args[i]] = args[i+1]
	}
	if s, ok := d.words.Text(i18n.Fallback, key, values); ok {
		return s
	}
	return "⟦" + key + "⟧"
}

// sayOr is say for codes that others make: an unknown one is shown as it is.
func (d *Dashboard) sayOr(key, otherwise string) string {
	if s, ok := d.words.Text(i18n.Fallback, key, nil); ok {
		return s
	}
	return otherwise
}

// plural is say for a text with a number in it.
func (d *Dashboard) plural(key string, n int64) string {
	s, ok := d.words.Plural(i18n.Fallback, key, int(min(n, 1<<30)), map[string]string{"n": number(n)})
	if !ok {
		return "⟦" + key + "⟧"
	}
	return s
}

func (d *Dashboard) now() time.Time { return d.cfg.Now().UTC().Truncate(time.Millisecond) }
