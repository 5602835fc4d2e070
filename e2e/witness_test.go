package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// witness looks, at the end of a test, for secrets in all that an installation has left behind:
// passwords that were typed must be nowhere, tokens and keys neither in logs nor in the database.
type witness struct {
	in *install
	// core is in every password that is typed into this installation; see password.
	core string

	mu     sync.Mutex
	tokens map[string]bool
	said   bytes.Buffer // every answer, with its headers, and every notification
	begun  sync.Once
}

func newWitness(in *install) *witness {
	return &witness{in: in, core: "Kanarie" + random(8), tokens: map[string]bool{}}
}

// begin has the witness look around when the test ends: after servers that start later are killed,
// before databases that were made earlier are dropped.
func (w *witness) begin() { w.begun.Do(func() { w.in.t.Cleanup(w.look) }) }

// password is a password that the witness knows again, in words that need escaping everywhere.
func (w *witness) password(suffix string) string {
	return `pä"ß<&%+ ` + w.core + "’€" + suffix
}

// token remembers something that only its holder may have.
func (w *witness) token(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tokens[s] = true
}

// hear keeps what the installation said to somebody.
func (w *witness) hear(header http.Header, body []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for k, v := range header {
		w.said.WriteString(k + ": " + strings.Join(v, "\n") + "\n")
	}
	w.said.Write(body)
	w.said.WriteByte('\n')
}

// shapes are the forms in which a password may lie somewhere: as it is, in hexadecimal, and in
// base64 at each of the three places that it may begin at, as in AUTH PLAIN.
func (w *witness) shapes() [][]byte {
	out := [][]byte{[]byte(w.core), []byte(hex.EncodeToString([]byte(w.core))), []byte(strings.ToUpper(hex.EncodeToString([]byte(w.core))))}
	for before := range 3 {
		enc := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", before) + w.core))
		first, last := (before*8+5)/6, len(enc)-4 // what depends on the neighbours
		out = append(out, []byte(enc[first:last]))
	}
	return out
}

// look reports what search finds.
func (w *witness) look() {
	w.in.t.Helper()
	for _, found := range w.search() {
		w.in.t.Error(found)
	}
}

// search looks everywhere.
func (w *witness) search() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	found := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	places := map[string][]byte{"log": []byte(w.in.log.String()), "answers": w.said.Bytes()}
	if err := w.database(places); err != nil {
		found("the database cannot be searched: %v", err)
	}
	for place, content := range places {
		for _, shape := range w.shapes() {
			if i := bytes.Index(content, shape); i >= 0 {
				found("a password that was typed is in %s: %q", place, around(content, i))
			}
		}
		if place == "answers" {
			continue
		}
		if i := findToken(content, w.tokens); i >= 0 {
			found("a token is in %s: %q", place, around(content, i))
		}
	}
	return out
}

func around(b []byte, i int) []byte { return b[max(0, i-120):min(len(b), i+120)] }

// findToken looks for any of many tokens at once: each is a run of few kinds of characters.
func findToken(content []byte, tokens map[string]bool) int {
	lengths := map[int]bool{}
	for t := range tokens {
		lengths[len(t)] = true
	}
	inToken := func(c byte) bool {
		return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("+/=-_", c) >= 0
	}
	for from := 0; from < len(content); from++ {
		to := from
		for to < len(content) && inToken(content[to]) {
			to++
		}
		for n := range lengths {
			for i := from; i+n <= to; i++ {
				if tokens[string(content[i:i+n])] {
					return i
				}
			}
		}
		from = to
	}
	return -1
}

// database reads all that the installation has stored.
func (w *witness) database(places map[string][]byte) error {
	if url := w.in.env["LATCHKEY_DATABASE_URL"]; url != "" {
		var out, errOut bytes.Buffer
		dump := exec.Command("pg_dump", "--dbname", url)
		dump.Stdout, dump.Stderr = &out, &errOut
		if err := dump.Run(); err != nil {
			return errors.Join(err, errors.New(errOut.String()))
		}
		places["the PostgreSQL database"] = out.Bytes()
		return nil
	}
	return filepath.WalkDir(w.in.dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() || d.Name() == "master.key" || d.Name() == "first-key" || d.Name() == "filler" {
			return err
		}
		places[d.Name()], err = os.ReadFile(path)
		return err
	})
}

// listening is a transport that lets the witness hear all answers.
type listening struct {
	seen *witness
	next http.RoundTripper
}

func (l listening) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := l.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil {
		return nil, err
	}
	l.seen.hear(res.Header, body)
	for _, c := range res.Cookies() {
		if strings.HasPrefix(strings.TrimPrefix(c.Name, "__Host-"), "lk_") && c.Name != "lk_went" && c.Value != "" {
			l.seen.token(c.Value)
		}
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}

// TestWitnessSees plants what must not be there, in the forms in which it could be, and expects the
// witness to find each.
func TestWitnessSees(t *testing.T) {
	t.Parallel()
	for _, user := range []string{"", "u", "us"} {
		in := newInstall(t)
		auth := base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + in.seen.password("")))
		in.seen.token("a-token-of-somebody-0123456789")
		plant := map[string]func(){
			"log":     func() { _, _ = in.log.Write([]byte("level=DEBUG sent=" + auth)) },
			"answers": func() { in.seen.hear(http.Header{"X": {url.QueryEscape(in.seen.password(""))}}, nil) },
			"latchkey.db-wal": func() {
				if err := os.WriteFile(filepath.Join(in.dir, "latchkey.db-wal"), []byte("xx"+in.seen.password("")), 0o600); err != nil {
					t.Fatal(err)
				}
			},
			"latchkey.db": func() {
				if err := os.WriteFile(filepath.Join(in.dir, "latchkey.db"), []byte("/c/a-token-of-somebody-0123456789?"), 0o600); err != nil {
					t.Fatal(err)
				}
			},
		}
		if err := os.MkdirAll(in.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if found := in.seen.search(); len(found) != 0 {
			t.Errorf("there is nothing yet: %q", found)
		}
		for _, p := range plant {
			p()
		}
		found := strings.Join(in.seen.search(), "\n")
		for place := range plant {
			if !strings.Contains(found, " in "+place+": ") {
				t.Errorf("not found in %s: %s", place, found)
			}
		}
	}
}
