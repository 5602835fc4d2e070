package e2e_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"latchkey/internal/connector/imap/mailhost"
)

// TestCommandsBesideServer runs each command while the server runs, on both engines.
func TestCommandsBesideServer(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		commands(t, newInstall(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		in := newInstall(t)
		in.postgres()
		commands(t, in)
	})
}

func commands(t *testing.T, in *install) {
	t.Helper()
	s := in.start()
	ok := func(args ...string) command {
		t.Helper()
		c := in.command(args...)
		if c.code != 0 {
			t.Fatalf("%v ends with status %d: %s%s", args, c.code, c.out, c.errOut)
		}
		return c
	}
	var app struct {
		Object, ID, Name, Key string
		Test                  bool
		KeyID                 string `json:"key_id"`
		WebhookSecret         string `json:"webhook_secret"`
	}
	unmarshal(t, ok("app", "create", "--name", "Beside <you>", "--test", "--json").out, &app)
	in.seen.token(app.Key)
	if app.Object != "Application" || app.Name != "Beside <you>" || !app.Test || !strings.HasPrefix(app.WebhookSecret, "whsec_") {
		t.Errorf("app create: %+v", app)
	}
	mine := newAPI(in, s.base)
	mine.key = app.Key
	// MOCK exists in test applications, and what they make is marked.
	if res := mine.must(t, http.StatusCreated, http.MethodPost, "/v1/links", fields{"providers": "MOCK"}); res.text("test") != "true" {
		t.Errorf("a test application's link is %s", res.body)
	}
	var list []struct{ ID, Name string }
	unmarshal(t, ok("app", "list", "--json").out, &list)
	if len(list) != 2 {
		t.Errorf("app list: %+v", list)
	}
	var key struct {
		ID, Key     string
		Permissions []string
	}
	unmarshal(t, ok("key", "create", "--app", app.ID, "--name", "reader", "--permissions", "accounts", "--json").out, &key)
	in.seen.token(key.Key)
	mine.key = key.Key
	mine.must(t, http.StatusOK, http.MethodGet, "/v1/accounts", nil)
	mine.must(t, http.StatusForbidden, http.MethodPost, "/v1/links", fields{"providers": "MOCK"})
	if out := ok("key", "list", "--app", app.Name, "--json").out; !strings.Contains(out, key.ID) || strings.Contains(out, key.Key) {
		t.Errorf("key list: %s", out)
	}
	ok("key", "delete", "--app", app.ID, key.ID)
	eventually(t, 10*time.Second, "a deleted key still works", func() bool {
		res, err := mine.call(t.Context(), http.MethodGet, "/v1/accounts", nil)
		return err == nil && res.status == http.StatusUnauthorized
	})
	if c := in.command("key", "delete", "--app", app.ID, "key_nothing"); c.code != 1 || !strings.Contains(c.errOut, "latchkey:") {
		t.Errorf("deleting what is not there: %d %s%s", c.code, c.out, c.errOut)
	}
	if c := in.command("key", "create"); c.code != 2 {
		t.Errorf("a command without its arguments ends with status %d", c.code)
	}
	ok("migrate")
	if c := ok("doctor"); !strings.Contains(c.out, "✓ database and keys") || !strings.Contains(c.out, "✓ sealing") {
		t.Errorf("doctor: %s", c.out)
	}
	s.healthy(t)
}

func unmarshal(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

// eventually waits for what another process does in its own time.
func eventually(t *testing.T, within time.Duration, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for !done() {
		if sleep(ctx, 50*time.Millisecond) != nil {
			t.Errorf("%s after %s", what, within)
			return
		}
	}
}

// TestKeysRotatedOnline rotates the keys under a running server: what was sealed is read before,
// during and after, and new credentials are sealed all the while.
func TestKeysRotatedOnline(t *testing.T) {
	t.Parallel()
	mail := newMail(t, "rotate.test")
	s := run(t, mail.env)
	connect := func(name string) string {
		t.Helper()
		email, password := mail.user(s.install, name+"@rotate.test")
		return s.visit(s.api.link(t)).mustConnect(t, email, password).Result.AccountID
	}
	accounts := []string{connect("before")}
	rotated := make(chan command, 1)
	go func() { rotated <- s.command("keys", "rotate", "--pause", "1s") }()
	var c command
	for n := 0; ; n++ {
		select {
		case c = <-rotated:
		default:
			if n < 6 {
				accounts = append(accounts, connect("during"+string(rune('a'+n))))
				continue
			}
			c = <-rotated
		}
		break
	}
	if c.code != 0 || !strings.Contains(c.out, "values sealed anew") {
		t.Fatalf("keys rotate: %d %s%s", c.code, c.out, c.errOut)
	}
	accounts = append(accounts, connect("after"))
	check := func() {
		t.Helper()
		for _, id := range accounts {
			s.api.check(t, id, "OK")
		}
	}
	check()
	if c = s.command("keys", "status"); c.code != 0 || !strings.Contains(c.out, "seals new values") {
		t.Errorf("keys status: %d %s%s", c.code, c.out, c.errOut)
	}
	if code, _ := s.stop(); code != 0 {
		t.Errorf("status %d", code)
	}
	s = s.install.start()
	check()
}

// TestStopsGracefully holds that a server that is told to stop hands over what it was doing: the
// flow whose password was being tried goes on where it was, at the next server.
func TestStopsGracefully(t *testing.T) {
	t.Parallel()
	mail := newMail(t, "stop.test")
	s := run(t, mail.env)
	backend := s.receive()
	host := mail.hosts["stop.test"]
	email, password := mail.user(s.install, "maria@stop.test")
	l := s.api.link(t, backend.links())
	v := s.visit(l)
	f := v.at(t, answers{"imap.email": {"email": email}}, "imap.password")
	// The host takes the password and says nothing: the Work is under way when the server stops.
	hang(host, mailhost.HangAtLogin)
	f, err := v.answer(t.Context(), f.Version, "submit", fields{"password": password})
	if err != nil || f.Step.Kind != "wait" {
		t.Fatalf("%v %s", err, f.raw)
	}
	code, took := s.stop()
	if code != 0 || took > 8*time.Second {
		t.Errorf("it stops with status %d after %s", code, took)
	}
	hang(host, mailhost.Well)
	s = s.install.start()
	began := time.Now()
	v.patient = true
	if _, err = v.connect(t.Context(), email, password); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("the next server took it up after %s only: the lease was not given up", took)
	}
	backend.await(t, l.id, "CREATION_SUCCESS")
	if strings.Contains(s.log.String(), "level=ERROR") {
		t.Errorf("the log has errors:\n%s", s.log.tail())
	}
}
