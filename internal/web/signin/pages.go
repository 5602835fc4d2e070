package signin

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/i18n"
	"latchkey/internal/signin"
	"latchkey/internal/web"
	"latchkey/internal/web/ui"
)

//go:embed texts/*.json
var texts embed.FS

//go:embed templates/layout.html
var layout string

// Texts are the words of the pages, one file a language.
func Texts() fs.FS {
	sub, err := fs.Sub(texts, "texts")
	if err != nil {
		panic(err) // the folder is embedded above: a missing one does not compile
	}
	return sub
}

// SignIns is what the pages need of the service.
type SignIns interface {
	Begin(ctx context.Context, r signin.Request) (latchkey.SignIn, error)
	Resend(ctx context.Context, app latchkey.ApplicationID, id latchkey.SignInID, by signin.By) (latchkey.SignIn, error)
	Verify(ctx context.Context, app latchkey.ApplicationID, id latchkey.SignInID, code string, by signin.By) (latchkey.SignIn, error)
	Look(ctx context.Context, id latchkey.SignInID, browser string) (latchkey.SignIn, error)
	Open(ctx context.Context, link, browser string) (signin.Opened, error)
	Consume(ctx context.Context, link, browser string) (latchkey.SignIn, error)
	Redirect(v latchkey.SignIn) string
	Redeem(ctx context.Context, app latchkey.ApplicationID, grant string, by signin.By) (latchkey.SignIn, error)
	Remember(v latchkey.SignIn, words string) string
	Settings(ctx context.Context, app latchkey.ApplicationID) (signin.Settings, error)
}

// Config is what Pages need.
type Config struct {
	SignIns  SignIns
	Provider Provider
	// Application finds an application; the zero id is never asked for.
	Application func(ctx context.Context, id latchkey.ApplicationID) (latchkey.Application, error)
	// Theme dresses an application's pages, and for the zero application the installation's own.
	Theme func(context.Context, latchkey.Application) ui.Theme
	// BaseURL is where end users reach us. Its scheme decides the attributes of cookies.
	BaseURL string
	Now     func() time.Time
	Log     *slog.Logger
}

// Pages serve sign-ins.
type Pages struct {
	cfg    Config
	secure bool
	assets *ui.Assets
	foot   *ui.Foot
	js     string
	words  *i18n.Catalog
	layout *template.Template
	guard  func(http.Handler) http.Handler
}

// New makes Pages.
func New(cfg Config) (*Pages, error) {
	base, err := url.Parse(cfg.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("web/signin: the base URL: %w", err)
	}
	assets, err := ui.NewAssets()
	if err != nil {
		return nil, err
	}
	p := &Pages{cfg: cfg, secure: base.Scheme == "https", assets: assets, js: assets.URL("page.js")}
	if p.foot, err = ui.NewFoot(); err != nil {
		return nil, err
	}
	if p.words, err = i18n.Load(Texts()); err != nil {
		return nil, err
	}
	if p.layout, err = template.New("").Funcs(template.FuncMap{"say": ui.Say}).Parse(layout); err != nil {
		return nil, fmt.Errorf("web/signin: %w", err)
	}
	p.guard, err = web.SameOrigin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.fail(w, r, latchkey.Application{}, errs.New(errs.Forbidden, errs.CodeCrossOrigin, "This request came from another site."))
	}), base.Scheme+"://"+base.Host)
	return p, err
}

// Register adds the routes. The stylesheet and the script are the wizard's, which serves them.
func (p *Pages) Register(mux *http.ServeMux) {
	mux.Handle("/signin", p.guard(http.HandlerFunc(p.start)))
	mux.Handle("/signin/{id}", p.guard(http.HandlerFunc(p.signIn)))
	mux.Handle("/signin/link/{token}", p.guard(http.HandlerFunc(p.link)))
	p.registerOIDC(mux)
}

// view is all that the layout needs, said already in the reader's language.
type view struct {
	Lang, Dir, DocTitle string
	CSS, JS, ThemeCSS   string
	Theme               ui.Theme
	Under               template.HTML
	Test, Busy          string
	Self, Step          string
	// Mark is the sign above the heading: "good", "bad" or none.
	Mark          string
	Heading, Lead []i18n.Part
	Note          []i18n.Part
	Level         string
	Field         *field
	Action        string
	Submit        string
	// Code is shown, to be typed elsewhere.
	Code, Copy, Copied string
	Resend             *resend
	Away, Back         *way
	Go                 string
	Fine               [][]i18n.Part
}

type field struct {
	Name, Type, Label, Value, Auto, Mode string
	Max                                  int
	Code                                 bool
	Error                                []i18n.Part
}

type resend struct {
	Label, Clock string
	Left         int
}

type way struct {
	URL   template.URL
	Label string
}

// speaker says things in the reader's language.
type speaker struct {
	cat  *i18n.Catalog
	lang string
	args map[string]string
}

func (s speaker) parts(key string) []i18n.Part {
	parts, _ := s.cat.Parts(s.lang, key, s.args)
	return parts
}

func (s speaker) text(key string) string {
	text, _ := s.cat.Text(s.lang, key, s.args)
	return text
}

func (s speaker) with(pairs ...string) speaker {
	args := map[string]string{}
	for k, v := range s.args {
		args[k] = v
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		args[pairs[i]] = pairs[i+1]
	}
	s.args = args
	return s
}

// page begins a view: who asks, and in which language.
func (p *Pages) page(r *http.Request, app latchkey.Application, wishes ...string) (*view, speaker) {
	wishes = append([]string{r.URL.Query().Get("locale")}, append(wishes, r.Header.Get("Accept-Language"))...)
	theme := p.cfg.Theme(r.Context(), app)
	s := speaker{cat: p.words, lang: p.words.Negotiate(wishes...), args: map[string]string{"app": theme.AppName}}
	v := &view{
		Lang: s.lang, Dir: i18n.Direction(s.lang), CSS: p.assets.PageCSS(theme.Scheme), JS: p.js, ThemeCSS: theme.Stylesheet(), Theme: theme, Under: p.foot.HTML(theme, s.lang),
		Busy: s.text("page.busy"), Self: r.URL.RequestURI(),
	}
	if app.Test {
		v.Test = s.text("page.test")
	}
	return v, s
}

// write renders a page whole before a byte of it is sent.
func (p *Pages) write(w http.ResponseWriter, r *http.Request, status int, v *view, s speaker) {
	title := s.with("title", plain(v.Heading)).text("page.title")
	if v.Level == "bad" || v.Field != nil && v.Field.Error != nil {
		title = s.with("title", title).text("page.title.error")
	}
	v.DocTitle = title
	var b bytes.Buffer
	if err := p.layout.ExecuteTemplate(&b, "layout", v); err != nil {
		p.cfg.Log.ErrorContext(r.Context(), "page not rendered", slog.String("step", v.Step), slog.String("error", err.Error()))
		http.Error(w, "Something went wrong on our side.", http.StatusInternalServerError)
		return
	}
	ui.PageHeaders(w.Header())
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes()) // a reader that went away wants nothing more
	}
}

func plain(parts []i18n.Part) string {
	var b bytes.Buffer
	for _, p := range parts {
		b.WriteString(p.Text)
	}
	return b.String()
}

// fail shows a page for what cannot go on.
func (p *Pages) fail(w http.ResponseWriter, r *http.Request, app latchkey.Application, err error) {
	e := errs.As(err)
	status := web.StatusOf(e)
	if status >= http.StatusInternalServerError && !errors.Is(err, context.Canceled) {
		p.cfg.Log.ErrorContext(r.Context(), "page failed", slog.String("code", string(e.Code)), slog.String("error", err.Error()),
			slog.String("request_id", web.InfoOf(r.Context()).RequestID))
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(e.RetryAfter.Seconds()+0.999)))
	}
	v, s := p.page(r, app)
	kind := errorPage(e, status)
	v.Step, v.Mark, v.Heading, v.Lead = "error."+kind, "bad", s.parts("error."+kind+".title"), s.parts("error."+kind+".text")
	if app.ID == "" {
		// Whose page it would have been is not known.
		v.Theme, v.Under = ui.Theme{}, ""
	}
	p.write(w, r, status, v, s)
}

func errorPage(e *errs.Error, status int) string {
	switch {
	case e.Code == errs.CodeNoSender:
		return "no_sender"
	case len(e.Fields) > 0 && e.Fields[0].Code == errs.CodeInvalidURL:
		return "client"
	case status == http.StatusNotFound || status == http.StatusGone || status == http.StatusConflict:
		return "not_found"
	case status == http.StatusTooManyRequests:
		return "too_many"
	case status == http.StatusForbidden:
		return "cross_origin"
	case status == http.StatusServiceUnavailable:
		return "unavailable"
	case status < http.StatusInternalServerError:
		return "bad_request"
	}
	return "internal"
}

// see answers a POST: what it did is shown by a GET.
func see(w http.ResponseWriter, to string) {
	ui.PageHeaders(w.Header())
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}
