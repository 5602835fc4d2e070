package senderproof

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/i18n"
	"latchkey/internal/mailer"
	"latchkey/internal/web"
	"latchkey/internal/web/ui"
)

//go:embed texts/*.json
var texts embed.FS

//go:embed page.html
var layout string

// Path is where a token's page is, without the host.
func Path(token string) string { return "/senders/" + token }

// Texts are the page's words, one file a language.
func Texts() fs.FS {
	sub, err := fs.Sub(texts, "texts")
	if err != nil {
		panic(err) // the folder is embedded above: a missing one does not compile
	}
	return sub
}

// Proofs asks and answers.
type Proofs interface {
	Proof(ctx context.Context, token string) (mailer.Proof, error)
	Prove(ctx context.Context, token string) (mailer.Proof, error)
}

// Config is what a Page needs; all of it.
type Config struct {
	Proofs Proofs
	// Origin is the base URL's scheme and host.
	Origin string
	Theme  func(context.Context, latchkey.Application) ui.Theme
	Now    func() time.Time
	Log    *slog.Logger
}

// Page serves the question.
type Page struct {
	cfg     Config
	catalog *i18n.Catalog
	page    *template.Template
	css     string
	foot    *ui.Foot
	unknown *web.Limiter
}

// Guesses of one address: a token has 256 bits, so that this only spares the database.
const (
	guessesPerSecond = 1
	guessBurst       = 20
	maxToken         = 128
)

// New makes a Page.
func New(cfg Config) (*Page, error) {
	catalog, err := i18n.Load(Texts())
	if err != nil {
		return nil, fmt.Errorf("senderproof: %w", err)
	}
	page, err := template.New("page").Funcs(template.FuncMap{"say": say}).Parse(layout)
	if err != nil {
		return nil, fmt.Errorf("senderproof: %w", err)
	}
	assets, err := ui.NewAssets()
	if err != nil {
		return nil, err
	}
	foot, err := ui.NewFoot()
	if err != nil {
		return nil, err
	}
	return &Page{
		cfg: cfg, catalog: catalog, page: page, css: assets.PageCSS(""), foot: foot,
		unknown: web.NewLimiter(web.Limit{PerSecond: guessesPerSecond, Burst: guessBurst}, cfg.Now),
	}, nil
}

// say isolates what is not ours (HTML §4.5.26): an address in Latin letters does not turn an Arabic
// sentence around.
func say(parts []i18n.Part) template.HTML {
	var b strings.Builder
	for _, p := range parts {
		if p.Data {
			b.WriteString("<b><bdi>" + template.HTMLEscapeString(p.Text) + "</bdi></b>")
		} else {
			b.WriteString(template.HTMLEscapeString(p.Text))
		}
	}
	return template.HTML(b.String()) //nolint:gosec // every word was escaped above
}

// Register adds the routes.
func (p *Page) Register(mux *http.ServeMux) error {
	guard, err := web.SameOrigin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.fail(w, r, errs.New(errs.Forbidden, errs.CodeCrossOrigin, "The answer came from another site."))
	}), p.cfg.Origin)
	if err != nil {
		return err
	}
	mux.Handle("/senders/{token}", guard(http.HandlerFunc(p.serve)))
	return nil
}

func (p *Page) serve(w http.ResponseWriter, r *http.Request) {
	token := r.PathValue("token")
	if len(token) > maxToken {
		p.fail(w, r, errs.New(errs.Gone, errs.CodeProofExpired, "There is no such link."))
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		proof, err := p.cfg.Proofs.Proof(r.Context(), token)
		if err != nil {
			p.fail(w, r, err)
			return
		}
		p.show(w, r, proof)
	case http.MethodPost:
		if _, err := p.cfg.Proofs.Prove(r.Context(), token); err != nil {
			p.fail(w, r, err)
			return
		}
		ui.PageHeaders(w.Header())
		http.Redirect(w, r, Path(token), http.StatusSeeOther) // the token was ours
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		p.fail(w, r, errs.New(errs.Invalid, errs.CodeMethodNotAllowed, "This page can be read and answered, nothing else."))
	}
}

// model is what the template shows.
type model struct {
	Lang, Dir, CSS, ThemeCSS string
	Theme                    ui.Theme
	Under                    template.HTML
	Title                    string
	Mark                     string
	Heading, Lead            []i18n.Part
	Notes                    [][]i18n.Part
	Button, Self             string
}

func (p *Page) speak(r *http.Request) (lang string, say func(key string, args map[string]string) []i18n.Part) {
	lang = p.catalog.Negotiate(r.URL.Query().Get("locale"), r.Header.Get("Accept-Language"))
	return lang, func(key string, args map[string]string) []i18n.Part {
		parts, _ := p.catalog.Parts(lang, key, args)
		return parts
	}
}

func (p *Page) show(w http.ResponseWriter, r *http.Request, proof mailer.Proof) {
	theme := p.cfg.Theme(r.Context(), proof.Application)
	lang, say := p.speak(r)
	args := map[string]string{"app": theme.AppName, "email": proof.Sender.Email, "name": proof.Sender.Name}
	m := model{Theme: theme, ThemeCSS: theme.Stylesheet(), Under: p.foot.HTML(theme, lang), Self: r.URL.EscapedPath()}
	if proof.Done {
		m.Mark, m.Heading, m.Lead = "good", say("done.heading", args), say("done.lead", args)
	} else {
		m.Heading, m.Lead, m.Button = say("ask.heading", args), say("ask.lead", args), plain(say("ask.button", args))
		if proof.Sender.Name != "" {
			m.Notes = append(m.Notes, say("ask.name", args))
		}
		m.Notes = append(m.Notes, say("ask.rule", args), say("ask.ignore", args))
	}
	p.write(w, r, http.StatusOK, lang, m)
}

// fail says why there is no question, without saying more of it than its link did.
func (p *Page) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := errs.As(err)
	if e.Code == errs.CodeProofExpired {
		if limited := p.unknown.Take(web.Bucket(web.InfoOf(r.Context()).Address)); limited != nil {
			e = errs.As(limited)
		}
	}
	status, key := http.StatusInternalServerError, "failed"
	switch {
	case e.Code == errs.CodeProofExpired:
		status, key = http.StatusGone, "gone"
	case e.Code == errs.CodeCrossOrigin:
		status, key = http.StatusForbidden, "cross"
	case e.Code == errs.CodeMethodNotAllowed:
		status, key = http.StatusMethodNotAllowed, "cross"
	case e.Kind == errs.TooMany:
		status, key = http.StatusTooManyRequests, "often"
		w.Header().Set("Retry-After", strconv.Itoa(int(e.RetryAfter.Seconds()+0.999)))
	case e.Kind == errs.Invalid:
		status, key = http.StatusConflict, "login" // it has become somebody's login since
	default:
		p.cfg.Log.ErrorContext(r.Context(), "the proof of a sender failed", slog.String("cause", err.Error()))
	}
	lang, say := p.speak(r)
	p.write(w, r, status, lang, model{Mark: "bad", Heading: say(key+".heading", nil), Lead: say(key+".lead", nil)})
}

func plain(parts []i18n.Part) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.Text)
	}
	return b.String()
}

func (p *Page) write(w http.ResponseWriter, r *http.Request, status int, lang string, m model) {
	m.Lang, m.Dir, m.CSS, m.Title = lang, i18n.Direction(lang), p.css, plain(m.Heading)
	var b bytes.Buffer
	if err := p.page.Execute(&b, m); err != nil {
		p.cfg.Log.ErrorContext(r.Context(), "a page was not rendered", slog.String("cause", err.Error()))
		http.Error(w, "Something went wrong.", http.StatusInternalServerError)
		return
	}
	ui.PageHeaders(w.Header())
	w.Header().Set("Content-Language", lang)
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes()) // a reader that went away wants nothing more
	}
}
