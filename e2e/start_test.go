package e2e_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// refuse runs `latchkey serve`, which must end with the status and say each of the words.
func (in *install) refuse(t *testing.T, status int, env map[string]string, words ...string) {
	t.Helper()
	s := in.launch(env)
	select {
	case <-s.exited:
	case <-time.After(startTime):
		t.Fatalf("it runs, where it should refuse to")
	}
	if code := s.cmd.ProcessState.ExitCode(); code != status {
		t.Errorf("it ends with status %d, not %d", code, status)
	}
	said := in.log.String()
	for _, w := range words {
		if !strings.Contains(said, w) {
			t.Errorf("it does not say %q:\n%s", w, said)
		}
	}
	if strings.Contains(said, "goroutine ") {
		t.Errorf("it shows its insides:\n%s", said)
	}
	in.log = &logs{}
}

// connected makes an installation with one connected account, stopped, and returns its id.
func connected(t *testing.T) (*install, *mailWorld, string) {
	t.Helper()
	mail := newMail(t, "start.test")
	s := run(t, mail.env)
	email, password := mail.user(s.install, "maria@start.test")
	f := s.visit(s.api.link(t)).mustConnect(t, email, password)
	if code, _ := s.stop(); code != 0 {
		t.Fatalf("stopping ends with status %d", code)
	}
	return s.install, mail, f.Result.AccountID
}

// TestMasterKeyOnBadDays holds that with a wrong key, or none, the server refuses to start, says
// why, and damages nothing: with the right key everything is there again.
func TestMasterKeyOnBadDays(t *testing.T) {
	t.Parallel()
	in, _, account := connected(t)
	db, key := filepath.Join(in.dir, "latchkey.db"), filepath.Join(in.dir, "master.key")
	before := read(t, db)
	right := read(t, key)
	if st, err := os.Stat(key); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the master key's file: %v %v", err, st.Mode())
	}

	in.refuse(t, 1, map[string]string{"LATCHKEY_MASTER_KEY": random64(32)}, "master key")
	in.refuse(t, 2, map[string]string{"LATCHKEY_MASTER_KEY": "short"}, "LATCHKEY_MASTER_KEY", "32 bytes")
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	in.refuse(t, 1, nil, "master key is missing", key, "LATCHKEY_MASTER_KEY")
	if _, err := os.Stat(key); err == nil {
		t.Error("a new master key was made over sealed data")
	}
	if err := os.WriteFile(key, right, 0o644); err != nil {
		t.Fatal(err)
	}
	in.refuse(t, 1, nil, "other users", "chmod 600")
	if !bytes.Equal(before, read(t, db)) {
		t.Error("the database has changed, though nothing could be read of it")
	}
	if err := os.Chmod(key, 0o600); err != nil {
		t.Fatal(err)
	}
	s := in.start()
	s.api.check(t, account, "OK") // with the right key again
	// As a file, too.
	if code, _ := s.stop(); code != 0 {
		t.Errorf("status %d", code)
	}
	moved := filepath.Join(t.TempDir(), "moved.key")
	if err := os.Rename(key, moved); err != nil {
		t.Fatal(err)
	}
	in.start(map[string]string{"LATCHKEY_MASTER_KEY_FILE": moved})
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestWrongConfiguration holds that what cannot work is refused before anything is touched, all of
// it at once.
func TestWrongConfiguration(t *testing.T) {
	t.Parallel()
	in := newInstall(t)
	in.seen.token("too-short-a-key")
	in.refuse(t, 2, map[string]string{
		"LATCHKEY_API_KEY": "too-short-a-key", "LATCHKEY_BASE_URL": "ftp://nowhere/path", "LATCHKEY_WEBHOOK_SECRET": "whsec_x",
		"LATCHKEY_DNS_SERVER": "example.com", "LATCHKEY_TRUSTED_PROXIES": "everybody", "LATCHKEY_LISTEN": "8080",
	}, "LATCHKEY_API_KEY", "32 characters", "LATCHKEY_BASE_URL", "LATCHKEY_WEBHOOK_SECRET", "LATCHKEY_DNS_SERVER", "LATCHKEY_TRUSTED_PROXIES", "LATCHKEY_LISTEN")
	in.refuse(t, 2, map[string]string{"LATCHKEY_DATABASE_URL": "postgres://localhost/x"}, "LATCHKEY_MASTER_KEY", "PostgreSQL")
	in.refuse(t, 2, map[string]string{"LATCHKEY_DATABASE_URL": "mysql://localhost/x"}, "LATCHKEY_DATABASE_URL")
	in.refuse(t, 1, map[string]string{"LATCHKEY_DATABASE_URL": "postgres://127.0.0.1:9/x", "LATCHKEY_MASTER_KEY": random64(32)}, "refused")
	in.refuse(t, 2, map[string]string{"LATCHKEY_CA_FILE": filepath.Join(t.TempDir(), "none.pem")}, "none.pem")
	in.refuse(t, 2, map[string]string{"LATCHKEY_ALLOW_MAIL": "everything"}, "LATCHKEY_ALLOW_MAIL")

	file := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	in.refuse(t, 1, map[string]string{"LATCHKEY_DATA": filepath.Join(file, "data")}, "data folder", file)
	// Root may write where others may not, but not even root in /proc.
	in.refuse(t, 1, map[string]string{"LATCHKEY_DATA": "/proc/latchkey-data"}, "data folder")
}

// TestUnknownVariable holds that a misspelt name is told of, and its value is not.
func TestUnknownVariable(t *testing.T) {
	t.Parallel()
	value := "value" + random(8)
	s := run(t, map[string]string{"LATCHKEY_API_KEYS": value})
	if said := s.log.String(); !strings.Contains(said, "LATCHKEY_API_KEYS is set but is not a setting") || strings.Contains(said, value) {
		t.Errorf("it says:\n%s", said)
	}
}

// TestFirstKey holds that the first key goes to a file of ours only, and not to the log.
func TestFirstKey(t *testing.T) {
	t.Parallel()
	in := newInstall(t)
	in.env["LATCHKEY_API_KEY"], in.env["LATCHKEY_WEBHOOK_SECRET"] = "", ""
	s := in.start()
	path := filepath.Join(in.dir, "first-key")
	text := string(read(t, path))
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v %v", err, st.Mode())
	}
	m := regexp.MustCompile(`(?m)^\s+(\S{32,})$`).FindStringSubmatch(text)
	secret := regexp.MustCompile(`whsec_(\S+)`).FindStringSubmatch(text)
	if m == nil || secret == nil {
		t.Fatalf("no key and secret in %q", text)
	}
	in.seen.token(m[1])
	in.seen.token(secret[1])
	s.api.key = m[1]
	s.api.must(t, http.StatusOK, http.MethodGet, "/v1/links", nil)

	// It is shown once: the next start writes nothing.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if code, _ := s.stop(); code != 0 {
		t.Errorf("status %d", code)
	}
	s = in.start()
	s.api.key = m[1]
	s.api.must(t, http.StatusOK, http.MethodGet, "/v1/links", nil)
	if _, err := os.Stat(path); err == nil {
		t.Error("the second start wrote a key, too")
	}
}

// TestPreparedKeyReplaced holds that a changed prepared key takes the old one's place.
func TestPreparedKeyReplaced(t *testing.T) {
	t.Parallel()
	s := run(t)
	l := s.api.link(t)
	if code, _ := s.stop(); code != 0 {
		t.Errorf("status %d", code)
	}
	old := s.key
	next := "key_" + random(20)
	s.seen.token(next)
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(next+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = s.install.start(map[string]string{"LATCHKEY_API_KEY": "", "LATCHKEY_API_KEY_FILE": file})
	s.api.key = next
	s.api.must(t, http.StatusOK, http.MethodGet, "/v1/links/"+l.id, nil)
	s.api.key = old
	s.api.must(t, http.StatusUnauthorized, http.MethodGet, "/v1/links/"+l.id, nil)
	if _, err := os.Stat(filepath.Join(s.dir, "first-key")); err == nil {
		t.Error("a first key was made beside the prepared one")
	}
}

// TestPortInUse holds that the second server says what is in its way, and the first goes on.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	s := run(t)
	other := newInstall(t)
	other.refuse(t, 1, map[string]string{"LATCHKEY_LISTEN": s.addr}, "cannot listen on "+s.addr)
	s.healthy(t)
}

// TestPages holds that what CONTRACT §7 lists is served.
func TestPages(t *testing.T) {
	t.Parallel()
	s := run(t)
	for path, want := range map[string]string{
		"/openapi.json": `"openapi":"3.1`, "/docs": "<!doctype html>", "/healthz": "ok\n", "/readyz": "ok\n",
	} {
		res, err := send(s.api.http, request(t, http.MethodGet, s.base+path))
		if err != nil || res.status != http.StatusOK || !strings.Contains(strings.ToLower(strings.ReplaceAll(string(res.body), `": "`, `":"`)), want) {
			t.Errorf("%s: %v %d %.300s", path, err, res.status, res.body)
		}
		if strings.Contains(res.header.Get("Content-Type"), "text/html") {
			if csp := res.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") {
				t.Errorf("%s: Content-Security-Policy is %q", path, csp)
			}
			for _, m := range regexp.MustCompile(`(?:src|href)="(https?:)?//[^"]*"`).FindAllString(string(res.body), -1) {
				if strings.HasPrefix(m, "src") {
					t.Errorf("%s loads from elsewhere: %s", path, m)
				}
			}
		}
	}
	l := s.api.link(t)
	page, err := send(s.api.http, request(t, http.MethodGet, l.url))
	if err != nil || page.header.Get("X-Frame-Options") != "DENY" || page.header.Get("Referrer-Policy") == "" || !strings.Contains(page.header.Get("Cache-Control"), "no-store") {
		t.Errorf("the page's headers: %v %v", err, page.header)
	}
}
