package wizard

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
	"latchkey/internal/i18n"
	"latchkey/internal/web"
	"latchkey/internal/web/ui"
)

//go:embed texts/*.json
var texts embed.FS

// Engine is what the pages need of the flow engine.
type Engine interface {
	View(ctx context.Context, token string, cookies func(name string) string) (hosted.View, error)
	Answer(ctx context.Context, token string, cookies func(name string) string, a hosted.Answer) (hosted.View, error)
	Reconnecting(ctx context.Context, token string) (hosted.Reconnecting, error)
	Reconnect(ctx context.Context, token, address string) (hosted.CreatedLink, error)
	Return(ctx context.Context, state string, values map[string]string, cookies func(name string) string) (hosted.Returned, error)
}

// Config is what a Wizard needs. Engine, BaseURL, Now and Log are required.
type Config struct {
	Engine Engine
	// Connectors give the words, icons and names of their providers.
	Connectors []connector.Descriptor
	// Catalog replaces the wizard's own texts; see Texts.
	Catalog *i18n.Catalog
	// BaseURL is where end users reach us. Its scheme decides the attributes of cookies.
	BaseURL string
	// Theme dresses an application's pages; nil shows its name on ours.
	Theme func(context.Context, latchkey.Application) ui.Theme
	// Problem answers JSON clients with an error; nil means web.WriteProblem.
	Problem func(http.ResponseWriter, *http.Request, error)
	// Address tells who asks, for limits; nil takes what the edge found out.
	Address func(*http.Request) string
	Now     func() time.Time
	Log     *slog.Logger
}

// Wizard serves the pages of links.
type Wizard struct {
	cfg    Config
	site   string
	secure bool
	assets *ui.Assets
	foot   *ui.Foot
	pages  map[string]*template.Template
	// words has the texts as each provider's connector extends them; "" has the shared ones.
	words map[latchkey.Provider]*i18n.Catalog
	icons map[latchkey.Provider]template.HTML
	guard func(http.Handler) http.Handler
	paths pagePaths
	first firstPages
}

// Texts are the wizard's own words, one file a language.
func Texts() fs.FS {
	sub, err := fs.Sub(texts, "texts")
	if err != nil {
		panic(err) // the folder is embedded above: a missing one does not compile
	}
	return sub
}

// New makes a Wizard. It fails where a template or a connector's texts are broken.
func New(cfg Config) (*Wizard, error) {
	base, err := url.Parse(cfg.BaseURL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, errors.New("wizard: the base URL is not an http(s) URL")
	}
	z := &Wizard{
		cfg: cfg, site: base.Hostname(), secure: base.Scheme == "https",
		words: map[latchkey.Provider]*i18n.Catalog{}, icons: map[latchkey.Provider]template.HTML{},
	}
	if z.assets, err = ui.NewAssets(); err != nil {
		return nil, err
	}
	if z.foot, err = ui.NewFoot(); err != nil {
		return nil, err
	}
	z.paths = pagePaths{js: z.assets.URL("page.js")}
	if z.pages, err = parsePages(); err != nil {
		return nil, err
	}
	if err := z.loadWords(); err != nil {
		return nil, err
	}
	if z.cfg.Problem == nil {
		z.cfg.Problem = web.WriteProblem
	}
	if z.cfg.Address == nil {
		z.cfg.Address = func(r *http.Request) string { return web.Bucket(web.InfoOf(r.Context()).Address) }
	}
	z.guard, err = web.SameOrigin(http.HandlerFunc(z.crossOrigin), base.Scheme+"://"+base.Host)
	return z, err
}

// loadWords gives each connector its own view of the texts: what two of them call by the same key
// does not mix.
func (z *Wizard) loadWords() error {
	shared := z.cfg.Catalog
	if shared == nil {
		var err error
		if shared, err = i18n.Load(Texts()); err != nil {
			return err
		}
	}
	z.words[""] = shared
	for _, d := range z.cfg.Connectors {
		own := shared
		if d.Texts != nil {
			var err error
			if own, err = shared.Extend(d.Texts); err != nil {
				return fmt.Errorf("wizard: texts of %s: %w", d.Provider, err)
			}
		}
		z.words[d.Provider] = own
		z.icons[d.Provider] = template.HTML(d.Icon) //nolint:gosec // a file of the connector's own folder
	}
	return nil
}

// Register adds the routes.
func (z *Wizard) Register(mux *http.ServeMux) {
	page := z.guard(http.HandlerFunc(z.page))
	mux.Handle("/c/{token}", page)
	mux.Handle("/accounts/new", page)
	mux.Handle("/r/{token}", z.guard(http.HandlerFunc(z.reconnect)))
	mux.Handle("/c/{token}/flow", z.guard(http.HandlerFunc(z.flow)))
	mux.HandleFunc("GET /oauth/callback", z.callback)
	z.assets.Register(mux)
}

// crossOrigin answers an answer that another site made a browser send.
func (z *Wizard) crossOrigin(w http.ResponseWriter, r *http.Request) {
	err := errs.New(errs.Forbidden, errs.CodeCrossOrigin, "This request came from another site. Open the page itself and try again there.")
	if wantsJSON(r) {
		z.cfg.Problem(w, r, err)
		return
	}
	z.fail(w, r, err)
}
