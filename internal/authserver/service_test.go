package authserver_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"latchkey"
	"latchkey/internal/authserver"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/hooks"
	"latchkey/internal/safehttp"
	"latchkey/internal/secret"
	"latchkey/internal/store/sqlstore"
)

const canary = "kanari-4711"

// lab is the service in front of a server whose answers the test chooses.
type lab struct {
	t       *testing.T
	service *authserver.Service
	store   *sqlstore.Store
	app     latchkey.Application
	log     *bytes.Buffer
	asked   atomic.Int64

	mu     sync.Mutex
	offset time.Duration
	answer http.HandlerFunc
}

func (l *lab) now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Add(l.offset)
}

func (l *lab) answers(h http.HandlerFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer = h
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func newLab(t *testing.T, allow ...string) *lab {
	t.Helper()
	l := &lab{t: t, log: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(l.log, nil))
	db, err := sqlstore.OpenDatabase(t.Context(), sqlstore.Options{Path: filepath.Join(t.TempDir(), "x.db"), Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ring, err := secret.LoadOrCreate(t.Context(), db.Keysets(), secret.NewMasterKey(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if l.store, err = sqlstore.NewStore(db, ring); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.store.Close() })
	if allow == nil {
		allow = []string{"127.0.0.0/8"}
	}
	egress, err := safehttp.New(safehttp.Config{AllowWebhook: allow, Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	l.app = latchkey.Application{ID: latchkey.NewApplicationID(time.Now()), Name: "a", WebhookSecret: hooks.NewSecret(), CreatedAt: time.Now()}
	wh, err := standardwebhooks.NewWebhook(l.app.WebhookSecret)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.asked.Add(1)
		if r.Method != http.MethodGet || r.URL.Path != "/auth" || r.URL.Query().Get("tenant") != "7" {
			t.Errorf("asked with %s %s", r.Method, r.URL)
		}
		// As the documentation has it, with the library that receivers of notifications use.
		if err := wh.VerifyIgnoringTimestamp([]byte("GET "+r.RequestURI), r.Header); err != nil {
			t.Errorf("the signature of %s: %v", r.RequestURI, err)
		}
		l.mu.Lock()
		h := l.answer
		l.mu.Unlock()
		h(w, r)
	}))
	t.Cleanup(srv.Close)
	l.app.AuthServerURL = srv.URL + "/auth?tenant=7&account=overwritten"
	if err := l.store.Applications().Create(t.Context(), l.app); err != nil {
		t.Fatal(err)
	}
	l.service = authserver.New(authserver.Config{
		Store: l.store, Sign: hooks.SignRequest, Now: l.now, Log: log,
		Client: egress.Client(safehttp.Webhook, safehttp.ClientOptions{Timeout: time.Second, MaxBody: authserver.MaxAnswer}),
	})
	return l
}

func (l *lab) request(account string) connector.LoanRequest {
	return connector.LoanRequest{ApplicationID: l.app.ID, Account: account, Protocol: "imap"}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	const down, no = errs.CodeAuthServerUnreachable, errs.CodeAuthServerRefused
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	n := 0
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   connector.Loan
		code   errs.Code
	}{
		"a password":       {answer: says(200, `{"user":"u","pass":"`+canary+` ü","more":1,"accessToken":null}`), want: connector.Loan{User: "u", Password: canary + " ü"}},
		"a token":          {answer: says(200, `{"user":"u","accessToken":"`+canary+`"}`), want: connector.Loan{User: "u", AccessToken: canary}},
		"both":             {answer: says(200, `{"user":"u","pass":"`+canary+`","accessToken":"`+canary+`"}`), code: no},
		"neither":          {answer: says(200, `{"user":"u"}`), code: no},
		"no user":          {answer: says(200, `{"pass":"`+canary+`"}`), code: no},
		"a user of lines":  {answer: says(200, `{"user":"u\r\nA LOGOUT","pass":"`+canary+`"}`), code: no},
		"a pass of lines":  {answer: says(200, `{"user":"u","pass":"`+canary+`\n"}`), code: no},
		"a token of words": {answer: says(200, `{"user":"u","accessToken":"`+canary+` x"}`), code: no},
		"a long pass":      {answer: says(200, `{"user":"u","pass":"`+strings.Repeat(canary, 100)+`"}`), code: no},
		"lies about types": {answer: says(200, `{"user":7,"pass":["`+canary+`"]}`), code: no},
		"a list":           {answer: says(200, `["`+canary+`"]`), code: no},
		"no JSON":          {answer: says(200, `<html>`+canary), code: no},
		"nothing":          {answer: says(200, ``), code: no},
		"another success":  {answer: says(204, ``), code: no},
		"unknown account":  {answer: says(404, canary), code: no},
		"not let in":       {answer: says(401, canary), code: no},
		"elsewhere":        {answer: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", http.StatusFound) }, code: no},
		"ten megabytes":    {answer: says(200, `{"user":"`+strings.Repeat("x", 10<<20)+`"}`), code: down},
		"too much to do":   {answer: says(429, ``), code: down},
		"maintenance":      {answer: says(503, canary), code: down},
		"hangs":            {answer: func(http.ResponseWriter, *http.Request) { <-hang }, code: down},
		"hangs up":         {answer: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, code: down},
		"breaks off": {answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "99")
			_, _ = io.WriteString(w, `{"user"`)
		}, code: down},
		"half at a time": {answer: func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"user":"u",`)
			w.(http.Flusher).Flush()
			<-hang
		}, code: down},
	} {
		n++
		l.answers(c.answer)
		got, err := l.service.Lend(t.Context(), l.request(fmt.Sprint("user_", n)), nil)
		if !got.Same(c.want) || (c.code == "") != (err == nil) || c.code != "" && !errs.Is(err, c.code) {
			t.Errorf("%s: %+v, %v", name, got.Same(c.want), err)
		}
		if err != nil && strings.Contains(err.Error()+errs.As(err).Detail, canary) {
			t.Errorf("%s: the error quotes the answer: %v", name, err)
		}
	}
	if strings.Contains(l.log.String(), canary) || strings.Contains(l.log.String(), "user_") {
		t.Errorf("the log tells too much:\n%s", l.log)
	}
	if s := fmt.Sprintf("%v %+v %#v", connector.Loan{Password: canary}, connector.Loan{AccessToken: canary}, connector.Loan{Password: canary}); strings.Contains(s, canary) {
		t.Errorf("a loan prints itself: %s", s)
	}
}

// TestRememberedForAMoment holds that many callers are one request, that an answer lives a minute or as
// long as its token, and that a refusal asks again.
func TestRememberedForAMoment(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	gate := make(chan struct{})
	l.answers(func(w http.ResponseWriter, _ *http.Request) { <-gate; says(200, `{"user":"u","pass":"one"}`)(w, nil) })
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			if got, err := l.service.Lend(t.Context(), l.request("a"), nil); err != nil || got.Password != "one" {
				t.Errorf("%v", err)
			}
		})
	}
	close(gate)
	wg.Wait()
	// Those that came after the answer found it remembered.
	if n := l.asked.Load(); n != 1 {
		t.Errorf("%d requests for 30 callers", n)
	}
	lend := func(what, account string, refused *connector.Loan, asked int64) connector.Loan {
		t.Helper()
		before := l.asked.Load()
		got, err := l.service.Lend(t.Context(), l.request(account), refused)
		if n := l.asked.Load() - before; err != nil || n != asked {
			t.Errorf("%s: %d requests, %v", what, n, err)
		}
		return got
	}
	one := lend("again", "a", nil, 0)
	l.answers(says(200, `{"user":"u","pass":"two"}`))
	lend("another account", "b", nil, 1)
	two := lend("refused", "a", &one, 1)
	if two.Password != "two" {
		t.Error("what was refused is lent again")
	}
	lend("the old one refused once more", "a", &one, 0)
	l.mu.Lock()
	l.offset = 61 * time.Second
	l.mu.Unlock()
	lend("a minute later", "a", nil, 1)
	l.answers(says(200, `{"user":"u","accessToken":"t","expiresIn":20}`))
	lend("a token that ends soon", "c", nil, 1)
	lend("is not kept", "c", nil, 1)
	l.answers(says(503, ``))
	if _, err := l.service.Lend(t.Context(), l.request("b"), &two); !errs.Is(err, errs.CodeAuthServerUnreachable) {
		t.Errorf("an outage: %v", err)
	}
	l.answers(says(200, `{"user":"u","pass":"three"}`))
	app := l.app
	app.AuthServerURL += "&moved=1"
	// The server verifies with the secret that it had: it is told of the new one in its own time.
	app.Rotate(hooks.NewSecret(), l.now())
	if err := l.store.Applications().Update(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	if got := lend("another address", "a", nil, 1); got.Password != "three" {
		t.Error("the old address's answer is lent")
	}
}

// TestWhereItMayNotGo has addresses that the installation does not ask.
func TestWhereItMayNotGo(t *testing.T) {
	t.Parallel()
	l := newLab(t, "10.0.0.0/8")
	if _, err := l.service.Lend(t.Context(), l.request("a"), nil); !errs.Is(err, errs.CodeAuthServerRefused) || l.asked.Load() != 0 {
		t.Errorf("loopback without leave: %v, %d requests", err, l.asked.Load())
	}
	app := l.app
	app.AuthServerURL = ""
	if err := l.store.Applications().Update(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	if _, err := l.service.Lend(t.Context(), l.request("a"), nil); !errs.Is(err, errs.CodeAuthServerRefused) {
		t.Errorf("no address: %v", err)
	}
	r := l.request("a")
	r.ApplicationID = "app_none"
	if _, err := l.service.Lend(t.Context(), r, nil); !errs.Is(err, errs.CodeNotFound) {
		t.Errorf("no application: %v", err)
	}
}
