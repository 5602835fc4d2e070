package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/accounts"
	"latchkey/internal/applications"
	"latchkey/internal/audit"
	"latchkey/internal/branding"
	"latchkey/internal/connector"
	"latchkey/internal/connector/mock"
	"latchkey/internal/errs"
	"latchkey/internal/funnel"
	"latchkey/internal/hooks"
	"latchkey/internal/hosted"
	"latchkey/internal/providerapps"
	"latchkey/internal/safehttp"
	"latchkey/internal/secret"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
	"latchkey/internal/web"
	"latchkey/internal/web/api"
)

const canary = "canary-pa55word-9b1f"

// house is the API over the real store, keyring, services and flow engine.
type house struct {
	handler http.Handler
	store   *sqlstore.Store
	apps    *applications.Service
	app     applications.Created
	trial   applications.Created
	other   applications.Created
	logs    *syncBuffer
	direct  *direct
	clients *providerapps.Service
	hooks   *hooks.Hooks
	trail   *audit.Trail

	mu sync.Mutex
	at time.Time
}

func (h *house) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at
}

func (h *house) advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = h.at.Add(d)
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// herald writes events as hooks does, and notifies nobody.
type herald struct{ now func() time.Time }

func (h herald) Emit(ctx context.Context, tx store.Tx, ev latchkey.Event) (latchkey.Event, error) {
	ev.ID, ev.CreatedAt = latchkey.NewEventID(h.now()), h.now()
	if len(ev.Data) == 0 {
		ev.Data = json.RawMessage(`{}`)
	}
	if ev.AccountID != "" {
		seq, _, err := tx.Accounts().NextSequence(ctx, ev.AccountID, ev.CreatedAt)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return ev, err
		}
		ev.Sequence = seq
	}
	return ev, tx.Events().Add(ctx, ev)
}

func (herald) Notify(context.Context, store.Tx, hosted.Notice) error { return nil }

// told writes the engine's events with hooks.
type told struct {
	herald
	hooks *hooks.Hooks
}

func (t told) Emit(ctx context.Context, tx store.Tx, ev latchkey.Event) (latchkey.Event, error) {
	return t.hooks.Emit(ctx, tx, ev)
}

// direct is the engine's Connect, but for mailboxes: those are scripted, the connector has its own tests.
type direct struct {
	engine *hosted.Engine
	mu     sync.Mutex
	specs  []hosted.DirectSpec
	fail   error
}

func (d *direct) Connect(ctx context.Context, app latchkey.Application, spec hosted.DirectSpec) (hosted.DirectResult, error) {
	if spec.Provider == latchkey.Mock {
		return d.engine.Connect(ctx, app, spec)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.specs = append(d.specs, spec)
	if d.fail != nil {
		return hosted.DirectResult{}, d.fail
	}
	return hosted.DirectResult{Account: latchkey.Account{ID: latchkey.NewAccountID(time.Now())}, State: "new"}, nil
}

func (d *direct) AnswerCheckpoint(ctx context.Context, app latchkey.Application, a hosted.CheckpointAnswer) (hosted.DirectResult, error) {
	return d.engine.AnswerCheckpoint(ctx, app, a)
}

func newHouse(t testing.TB, change func(*api.Config)) *house {
	t.Helper()
	h := &house{at: time.Date(2026, 6, 30, 11, 0, 0, 0, time.UTC), logs: &syncBuffer{}}
	log := slog.New(slog.NewJSONHandler(h.logs, nil))
	db, err := sqlstore.OpenDatabase(t.Context(), sqlstore.Options{Path: filepath.Join(t.TempDir(), "test.db"), Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ring, err := secret.LoadOrCreate(t.Context(), db.Keysets(), secret.NewMasterKey(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if h.store, err = sqlstore.NewStore(db, ring); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.store.Close(); err != nil {
			t.Error(err)
		}
	})
	connectors := map[latchkey.Provider]connector.Connector{
		latchkey.Mock: mock.New(mock.Config{Now: h.now, Pace: time.Millisecond}),
	}
	h.apps = applications.New(applications.Config{Store: h.store, Now: h.now, Log: log, NewWebhookSecret: func() string { return "whsec_x" }})
	withTokens := maps.Clone(connectors)
	withTokens[latchkey.Google] = tokens{}
	accountService := accounts.New(accounts.Config{
		Store: h.store, Connectors: withTokens, Events: herald{h.now}, Seal: ring, Now: h.now, Log: log, RefusalPause: time.Millisecond,
	})
	h.clients = providerapps.New(providerapps.Config{
		Store: h.store, Connectors: map[latchkey.Provider]connector.Connector{latchkey.Google: verifier{}}, Events: herald{h.now},
		CallbackURL: "https://connect.test/oauth/callback", Now: h.now, Log: log,
	})
	out, err := safehttp.New(safehttp.Config{Now: h.now, Log: log, AllowWebhook: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	h.hooks = hooks.New(hooks.Config{
		Store: h.store, Watch: h.store, Client: out.Client(safehttp.Webhook, safehttp.ClientOptions{}), Now: h.now, Log: log, Owner: "test", Sole: true,
	})
	engine := hosted.New(hosted.Config{
		Store: h.store, Connectors: connectors, Herald: told{herald{h.now}, h.hooks}, Listeners: h.hooks, Revocations: accountService, Owner: "test", Now: h.now, Log: log,
	})
	h.direct = &direct{engine: engine}
	base, err := url.Parse("https://connect.test")
	if err != nil {
		t.Fatal(err)
	}
	cfg := api.Config{
		BaseURL: base, Now: h.now, Log: log, Keys: h.apps, Links: engine, Direct: h.direct, Accounts: accountService,
		Events: h.store.Events(), Answers: h.store.Idempotency(), MAC: ring, Funnel: funnel.New(funnel.Config{Store: h.store, Now: h.now}), ProviderApps: h.clients, Applications: h.apps, Version: "0.0.0",
		Webhooks: h.hooks,
	}
	cfg.Branding = branding.New(branding.Config{Store: h.store, BaseURL: "https://connect.test", Languages: []string{"en", "de", "ar"}, Now: h.now, Log: log})
	h.trail = audit.New(audit.Config{Store: h.store, Now: h.now, Log: log})
	cfg.Trail, cfg.AuditLog = h.trail, h.store.Audit()
	if change != nil {
		change(&cfg)
	}
	mux := http.NewServeMux()
	api.New(cfg).Register(mux)
	h.handler = web.NewEdge(web.EdgeConfig{BaseURL: base, Log: log, Now: h.now, Uploads: func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/branding") }}).Wrap(mux)
	h.app = h.create(t, "app", false)
	h.trial = h.create(t, "trial", true)
	h.other = h.create(t, "other", true)
	return h
}

func (h *house) create(t testing.TB, name string, test bool) applications.Created {
	t.Helper()
	made, err := h.apps.Create(context.Background(), applications.Spec{Name: name, Test: test})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// reply is an answer, read.
type reply struct {
	status int
	header http.Header
	raw    []byte
	body   map[string]any
}

func (r reply) str(name string) string {
	s, _ := r.body[name].(string)
	return s
}

// codes are the field errors as "field: code".
func (r reply) codes() []string {
	list, _ := r.body["errors"].([]any)
	out := make([]string, 0, len(list))
	for _, e := range list {
		m, _ := e.(map[string]any)
		field, _ := m["field"].(string)
		code, _ := m["code"].(string)
		if msg, _ := m["message"].(string); msg == "" {
			code += " (without a message)"
		}
		out = append(out, field+": "+code)
	}
	return out
}

// send sends a request as curl would; headers are "Name: value".
func (h *house) send(method, target, body string, headers ...string) reply {
	r := httptest.NewRequest(method, "https://connect.test"+target, strings.NewReader(body))
	if body == "" {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	r.Header.Set("Content-Type", "application/json")
	for _, x := range headers {
		name, value, _ := strings.Cut(x, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	res := w.Result()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		panic(err)
	}
	out := reply{status: res.StatusCode, header: res.Header, raw: raw}
	if res.Header.Get("Content-Type") == "application/json" {
		dec := json.NewDecoder(bytes.NewReader(raw))
		if err := dec.Decode(&out.body); err != nil {
			panic("not JSON: " + string(raw))
		}
	}
	return out
}

func key(c applications.Created) string { return "X-API-KEY: " + c.Key.Reveal() }

// as sends with the key of an application.
func (h *house) as(c applications.Created, method, target, body string, headers ...string) reply {
	return h.send(method, target, body, append(headers, key(c))...)
}

func wantProblem(t *testing.T, r reply, status int, code errs.Code) {
	t.Helper()
	if r.status != status || r.str("type") != "errors/"+string(code) {
		t.Errorf("%d %s, want %d %s", r.status, r.raw, status, code)
	}
	if s, _ := r.body["status"].(float64); int(s) != r.status {
		t.Errorf("the status is not in the body: %s", r.raw)
	}
}
