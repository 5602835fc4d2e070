package e2e_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latchkey/internal/connector/imap/mailhost"
)

// clock is the time of a server, which can be set.
type clock struct {
	t    *testing.T
	file string
}

// withClock makes the installation run a binary whose clock is read anew at every look. It is the
// product in all but one expression of the command line's main function.
func (in *install) withClock() clock {
	in.t.Helper()
	dir := in.t.TempDir()
	source, err := filepath.Abs("../internal/app/main.go")
	if err != nil {
		in.t.Fatal(err)
	}
	const real, fake = `now: time.Now}`, `now: func() time.Time {
		b, _ := os.ReadFile(os.Getenv("LATCHKEY_TEST_CLOCK"))
		d, _ := time.ParseDuration(string(b))
		return time.Now().Add(d)
	}}`
	text := string(read(in.t, source))
	if strings.Count(text, real) != 1 {
		in.t.Fatalf("%s does not have %q once: teach this test where the clock comes from now", source, real)
	}
	replaced := filepath.Join(dir, "main.go")
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{source: replaced}})
	if err != nil {
		in.t.Fatal(err)
	}
	for path, content := range map[string][]byte{replaced: []byte(strings.Replace(text, real, fake, 1)), filepath.Join(dir, "overlay.json"): overlay} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			in.t.Fatal(err)
		}
	}
	in.bin = filepath.Join(dir, "latchkey")
	if err := build(in.bin, "-overlay", filepath.Join(dir, "overlay.json")); err != nil {
		in.t.Fatal(err)
	}
	c := clock{in.t, filepath.Join(dir, "clock")}
	in.env["LATCHKEY_TEST_CLOCK"] = c.file
	in.skewed = true
	c.set(0)
	return c
}

// set puts the clock d ahead of the real time, or behind it.
func (c clock) set(d time.Duration) {
	c.t.Helper()
	next := c.file + ".next"
	if err := os.WriteFile(next, []byte(d.String()), 0o600); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Rename(next, c.file); err != nil {
		c.t.Fatal(err)
	}
}

// TestClockJumps sets the server's clock forth and back, by little and much, between the steps of
// journeys and in the middle of a login.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	mail := newMailAt(t, -100*time.Hour, "clock.test")
	in := newInstall(t, mail.env)
	now := in.withClock()
	s := in.start()
	backend := s.receive()

	// Forth, over the end of the links: what was begun may be ended, what was not is over.
	email, password := mail.user(in, "forth@clock.test")
	begun, waiting := s.api.link(t, backend.links()), s.api.link(t, backend.links())
	v := s.visit(begun)
	v.at(t, answers{"imap.email": {"email": email}}, "imap.password")
	now.set(70 * time.Minute)
	if f, err := s.visit(waiting).look(t.Context()); err != nil || f.Status != "expired" {
		t.Errorf("a link whose hour is over: %v %s", err, f.raw)
	}
	v.mustConnect(t, email, password)
	backend.await(t, begun.id, "CREATION_SUCCESS")

	// Back, behind everything that is stored.
	now.set(-48 * time.Hour)
	email, password = mail.user(in, "back@clock.test")
	l := s.api.link(t, backend.links())
	s.visit(l).mustConnect(t, email, password)
	backend.await(t, l.id, "CREATION_SUCCESS")
	if n := len(s.api.accounts(t)); n != 2 {
		t.Errorf("there are %d accounts", n)
	}

	// In the middle of a login, forth and back.
	for name, jump := range map[string]time.Duration{"far": 24 * time.Hour, "near": 30 * time.Minute, "ago": -72 * time.Hour} {
		now.set(0)
		email, password = mail.user(in, name+"@clock.test")
		l := s.api.link(t, backend.links(), fields{"expiresOn": time.Now().UTC().Add(28 * 24 * time.Hour).Format("2006-01-02T15:04:05.000Z")})
		v := s.visit(l)
		f := v.at(t, answers{"imap.email": {"email": email}}, "imap.password")
		hang(mail.hosts["clock.test"], mailhost.HangAtLogin)
		if f, err := v.answer(t.Context(), f.Version, "submit", fields{"password": password}); err != nil || f.Step.Kind != "wait" {
			t.Fatalf("%v %s", err, f.raw)
		}
		now.set(jump)
		hang(mail.hosts["clock.test"], mailhost.Well)
		began := time.Now()
		f, err := v.until(t.Context(), mailbox(email, password), completed)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("%s: it took %s to go on", name, took)
		}
		s.api.must(t, http.StatusOK, http.MethodGet, "/v1/accounts/"+f.Result.AccountID, nil)
	}
	s.healthy(t)
	if n := len(s.api.accounts(t)); n != 5 {
		t.Errorf("in the end there are %d accounts", n)
	}
}

// hang makes both logins misbehave, or makes them well.
func hang(h *mailhost.Host, kind mailhost.FaultKind) {
	for _, svc := range []mailhost.Service{mailhost.IMAPS, mailhost.SMTPS} {
		h.Misbehave(svc, mailhost.Fault{Kind: kind})
	}
}
