package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// posted is one request that a receiver took.
type posted struct {
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

// take receives deliveries as they come.
func take(t *testing.T) (url string, came <-chan posted) {
	t.Helper()
	c := make(chan posted, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		p := posted{Headers: map[string]string{}, Body: string(body)}
		for k := range r.Header {
			p.Headers[strings.ToLower(k)] = r.Header.Get(k)
		}
		c <- p
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(s.Close)
	return s.URL, c
}

func next(t *testing.T, came <-chan posted) posted {
	t.Helper()
	select {
	case p := <-came:
		return p
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
	}
	return posted{}
}

// verifier is the program that a receiver in Node.js would be. It answers for each line whether the
// official library takes the delivery.
const verifier = `
const { Webhook } = require("standardwebhooks");
for (const line of require("fs").readFileSync(0, "utf8").trim().split("\n")) {
  const { secret, posted } = JSON.parse(line);
  try {
    console.log(JSON.stringify(new Webhook(secret).verify(posted.body, posted.headers)));
  } catch (e) {
    console.log("refused: " + e.message);
  }
}`

// node verifies with npm's standardwebhooks.
func node(t *testing.T, secret string, p posted) string {
	t.Helper()
	line, err := json.Marshal(map[string]any{"secret": secret, "posted": p})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "-e", verifier)
	cmd.Stdin = strings.NewReader(string(line) + "\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// TestStandardWebhooksOfAnotherLanguage has the official library of Node.js verify deliveries, before,
// during and after a rotation.
func TestStandardWebhooksOfAnotherLanguage(t *testing.T) {
	t.Parallel()
	s := run(t)
	url, came := take(t)
	made := s.api.must(t, http.StatusCreated, http.MethodPost, "/v1/webhooks", fields{"request_url": url, "events": []string{"link.created"}})
	id, secret := made.text("webhook_id"), made.text("secret")
	s.api.link(t)
	first := next(t, came)
	if got := node(t, secret, first); !strings.Contains(got, `"type":"link.created"`) {
		t.Errorf("the library says %s", got)
	}
	if got := node(t, s.secret, first); !strings.HasPrefix(got, "refused") {
		t.Errorf("another secret fits: %s", got)
	}
	forged := first
	forged.Body = strings.Replace(first.Body, "link.created", "link.started", 1)
	if got := node(t, secret, forged); !strings.HasPrefix(got, "refused") {
		t.Errorf("a forged body is taken: %s", got)
	}
	fresh := s.api.must(t, http.StatusOK, http.MethodPost, "/v1/webhooks/"+id+"/rotate-secret", nil).text("secret")
	s.api.must(t, http.StatusAccepted, http.MethodPost, "/v1/webhooks/"+id+"/test", nil)
	second := next(t, came)
	for name, key := range map[string]string{"the old secret": secret, "the new secret": fresh} {
		if got := node(t, key, second); !strings.Contains(got, `"type":"webhook.test"`) {
			t.Errorf("during the rotation, with %s: %s", name, got)
		}
	}
}

// TestListen follows events on a developer's machine, beside the server and over its API.
func TestListen(t *testing.T) {
	t.Parallel()
	s := run(t)
	for name, args := range map[string][]string{
		"beside": {"listen"},
		"remote": {"listen", "--server", s.base, "--key", s.key, "--data", filepath.Join(t.TempDir(), "nothing-here")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, came := take(t)
			cmd := exec.Command(s.bin, append(args, "--json", "--events", "link.created", "--forward", url)...)
			cmd.Env = s.environ(nil)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			said, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			secret := ""
			words := bufio.NewScanner(said)
			for words.Scan() && !strings.HasPrefix(words.Text(), "listening") {
				if _, after, ok := strings.Cut(words.Text(), "signed with "); ok {
					secret = after
				}
			}
			go func() { _, _ = io.Copy(io.Discard, said) }()
			lines := make(chan string, 100)
			go func() {
				for sc := bufio.NewScanner(out); sc.Scan(); {
					lines <- sc.Text()
				}
				close(lines)
			}()
			// Until it listens, links are not written down.
			line := ""
			for deadline := time.Now().Add(20 * time.Second); line == "" && time.Now().Before(deadline); {
				s.api.link(t)
				select {
				case line = <-lines:
				case <-time.After(300 * time.Millisecond):
				}
			}
			p := next(t, came)
			if p.Body != line || !strings.Contains(line, `"type":"link.created"`) || !strings.Contains(line, `"link_id":"lnk_`) {
				t.Errorf("printed %s, forwarded %s", line, p.Body)
			}
			if got := node(t, secret, p); !strings.Contains(got, `"type":"link.created"`) {
				t.Errorf("what is forwarded is not signed as a delivery: %s", got)
			}
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			for range lines {
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("stopped, it ends with %v", err)
			}
		})
	}
}
