package demo

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

//go:embed page
var page embed.FS

// Config is what the sample application knows: of Latchkey its URL, its key and its secret; of the
// mail host what a visitor may type.
type Config struct {
	Listen        string
	Latchkey      Client
	WebhookSecret string
	// TestProvider is the key of a test application, for the button that plays every step.
	TestProvider Client
	TestSecret   string
	Email        string
	Password     string
	// Phones lie on the page; without them no chat provider is offered there.
	Phones []Phone
	Now    func() time.Time
}

// Application is the sample application: a page with a button, and a backend that is notified.
type Application struct {
	cfg   Config
	pages *template.Template
	// phones are those of cfg, by their ids.
	phones map[string]*phone
	ln     net.Listener
	srv    *http.Server

	mu       sync.Mutex
	received []Received
	waiters  []chan struct{}
}

// Received is one notification that the backend took.
type Received struct {
	ID        string
	At        time.Time
	Status    string
	AccountID string
	LinkID    string
	Name      string
	Body      string
	Signed    bool
}

// Start serves the application until Close.
func Start(cfg Config) (*Application, error) {
	pages, err := template.ParseFS(page, "page/*.html")
	if err != nil {
		return nil, err
	}
	ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("the sample application cannot listen on %s: %w", cfg.Listen, err)
	}
	a := &Application{cfg: cfg, pages: pages, ln: ln, phones: map[string]*phone{}}
	for _, p := range cfg.Phones {
		a.phones[p.ID] = &phone{Phone: p}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("POST /connect", a.connect)
	mux.HandleFunc("POST /reconnect", a.reconnect)
	mux.HandleFunc("POST /phones/{id}", a.press)
	mux.HandleFunc("POST /notify", a.notify(cfg.WebhookSecret))
	mux.HandleFunc("POST /notify-test", a.notify(cfg.TestSecret))
	mux.HandleFunc("GET /connected", a.back)
	mux.HandleFunc("GET /not-connected", a.back)
	mux.HandleFunc("GET /live", a.live)
	mux.Handle("GET /page/", http.FileServerFS(page))
	a.srv = &http.Server{Handler: guard(mux), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = a.srv.Serve(ln) }() // it ends with Close
	return a, nil
}

// URL is where the application's page is.
func (a *Application) URL() string { return "http://" + a.ln.Addr().String() }

// Close stops serving.
func (a *Application) Close() error { return a.srv.Close() }

func guard(next http.Handler) http.Handler {
	return http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A name that leads here may be anybody's: their page must not pass for ours.
		if host, _, err := net.SplitHostPort(r.Host); err != nil || host != "localhost" && !net.ParseIP(host).IsLoopback() {
			http.Error(w, "the sample application is for this machine only", http.StatusForbidden)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action *; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	}))
}

type homePage struct {
	Email, Password string
	Notice          string
	Good            bool
	Received        []Received
	Accounts        []accountState
	Phones          []phoneView
	Latchkey        string
	Docs            string
}

func (a *Application) render(w http.ResponseWriter, name string, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := a.pages.ExecuteTemplate(w, name, data); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (a *Application) model(ctx context.Context) homePage {
	return homePage{
		Email: a.cfg.Email, Password: a.cfg.Password, Received: a.Received(), Accounts: a.accounts(ctx), Phones: a.phoneViews(ctx),
		Latchkey: a.cfg.Latchkey.Base, Docs: a.cfg.Latchkey.Base + "/docs",
	}
}

// accounts are those that were connected, as Latchkey tells of them now.
func (a *Application) accounts(ctx context.Context) []accountState {
	var out struct{ Items []accountState }
	if a.cfg.Latchkey.call(ctx, http.MethodGet, "/v1/accounts?limit=20", nil, &out) != nil {
		return nil // the page has more to show than this list
	}
	return out.Items
}

func (a *Application) home(w http.ResponseWriter, r *http.Request) {
	a.render(w, "home.html", a.model(r.Context()))
}

// connect asks for a link and sends the end user there, as any backend does.
func (a *Application) connect(w http.ResponseWriter, r *http.Request) {
	client, notify, ask := a.cfg.Latchkey, "/notify", linkRequest{Type: "create", Providers: []string{"IMAP"}}
	switch with := r.FormValue("with"); with {
	case "test":
		client, notify, ask.Providers = a.cfg.TestProvider, "/notify-test", []string{"*"}
	case whatsApp, telegram:
		ask.Providers = []string{with}
	}
	a.send(w, r, client, notify, ask)
}

// reconnect asks for a link that mends an account.
func (a *Application) reconnect(w http.ResponseWriter, r *http.Request) {
	a.send(w, r, a.cfg.Latchkey, "/notify", linkRequest{Type: "reconnect", Reconnect: r.FormValue("account")})
}

func (a *Application) send(w http.ResponseWriter, r *http.Request, client Client, notify string, ask linkRequest) {
	link, err := a.link(r.Context(), client, notify, ask)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	http.Redirect(w, r, link.URL, http.StatusSeeOther)
}

func (a *Application) link(ctx context.Context, client Client, notify string, ask linkRequest) (createdLink, error) {
	ask.Name, ask.NotifyFailure = "user_1234", true
	ask.ExpiresOn = a.cfg.Now().UTC().Add(time.Hour).Format("2006-01-02T15:04:05.000Z")
	ask.NotifyURL, ask.SuccessURL, ask.FailureURL = a.URL()+notify, a.URL()+"/connected", a.URL()+"/not-connected"
	var out createdLink
	err := client.call(ctx, http.MethodPost, "/v1/hosted/accounts/link", ask, &out)
	return out, err
}

// notify takes a notification: it checks the signature before it believes a word, and drops repeats
// by their id.
func (a *Application) notify(secret string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<16))
		if err != nil {
			http.Error(w, "unreadable", http.StatusBadRequest)
			return
		}
		wh, err := standardwebhooks.NewWebhook(secret)
		if err == nil {
			err = wh.Verify(body, r.Header)
		}
		if err != nil {
			http.Error(w, "bad signature", http.StatusUnauthorized)
			return
		}
		got := Received{ID: r.Header.Get("webhook-id"), At: a.cfg.Now(), Body: string(body), Signed: true}
		var payload struct {
			Status    string `json:"status"`
			AccountID string `json:"account_id"`
			LinkID    string `json:"link_id"`
			Name      string `json:"name"`
		}
		if err := json.Unmarshal(body, &payload); err != nil {
			http.Error(w, "not JSON", http.StatusBadRequest)
			return
		}
		got.Status, got.AccountID, got.LinkID, got.Name = payload.Status, payload.AccountID, payload.LinkID, payload.Name
		a.add(got)
		w.WriteHeader(http.StatusNoContent)
	}
}

func (a *Application) add(got Received) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.received {
		if r.ID == got.ID {
			return
		}
	}
	a.received = append([]Received{got}, a.received...)
	for _, w := range a.waiters {
		close(w)
	}
	a.waiters = nil
}

// Received lists what came, newest first.
func (a *Application) Received() []Received {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Received(nil), a.received...)
}

// Await returns the notification about a link as soon as it has come.
func (a *Application) Await(ctx context.Context, linkID string) (Received, error) {
	for {
		a.mu.Lock()
		for _, r := range a.received {
			if r.LinkID == linkID {
				a.mu.Unlock()
				return r, nil
			}
		}
		wait := make(chan struct{})
		a.waiters = append(a.waiters, wait)
		a.mu.Unlock()
		select {
		case <-ctx.Done():
			return Received{}, errors.New("no notification came")
		case <-wait:
		}
	}
}

// back is where the end user returns. The query is not evidence: what counts is asked of the API.
func (a *Application) back(w http.ResponseWriter, r *http.Request) {
	m := a.model(r.Context())
	id := r.URL.Query().Get("link_id")
	for _, client := range []Client{a.cfg.Latchkey, a.cfg.TestProvider} {
		var link linkState
		if err := client.call(r.Context(), http.MethodGet, "/v1/links/"+template.URLQueryEscaper(id), nil, &link); err != nil {
			continue
		}
		if link.Status != "completed" || link.AccountID == nil {
			m.Notice = "Nothing was connected: the link is " + link.Status + "."
			break
		}
		var acc accountState
		if err := client.call(r.Context(), http.MethodGet, "/v1/accounts/"+*link.AccountID, nil, &acc); err == nil {
			m.Good, m.Notice = true, acc.Identity+" is connected ("+acc.Status+")."
		}
		break
	}
	a.render(w, "home.html", m)
}
