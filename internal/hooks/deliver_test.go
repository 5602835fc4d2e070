package hooks_test

import (
	"bufio"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"latchkey"
	"latchkey/internal/hooks"
	"latchkey/internal/safehttp"
	"latchkey/internal/store"
)

func TestDeliveryIsSignedAndFrozen(t *testing.T) {
	t.Parallel()
	l := newLab(t, safehttp.ClientOptions{}, safehttp.Config{})
	answers := []int{http.StatusInternalServerError, http.StatusOK}
	n := 0
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(answers[n])
		n++
		_, _ = io.WriteString(w, "thanks")
	})
	payload := map[string]string{"name": "user <1> & co"}
	d := l.notify(r.URL+"/hook?key=canary-in-url", payload)
	payload["name"] = "changed afterwards"

	d, a := l.deliver(d.ID)
	if l.again(d) != 5*time.Second || d.Status != latchkey.DeliveryPending || a.HTTPStatus != 500 || string(a.Response) != "thanks" {
		t.Errorf("after a 500: %+v %+v", d, a)
	}
	l.clock.Advance(l.again(d))
	d, a = l.deliver(d.ID)
	if !d.DueAt.IsZero() || d.Status != latchkey.DeliveryDelivered || d.Attempts != 2 || a.Number != 2 || a.Error != "" || a.HTTPStatus != 200 {
		t.Errorf("after a 200: %+v %+v", d, a)
	}
	// Another process may still believe it to be due: the receiver is not bothered.
	if again, err := l.hooks.Deliver(t.Context(), d.ID); err != nil || again.Attempts != 2 {
		t.Errorf("again: %+v %v", again, err)
	}
	got := r.all()
	if len(got) != 2 {
		t.Fatalf("%d requests, want 2", len(got))
	}
	wh, err := standardwebhooks.NewWebhook(l.app.WebhookSecret)
	if err != nil {
		t.Fatal(err)
	}
	other, err := standardwebhooks.NewWebhook(hooks.NewSecret())
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range got {
		if err := wh.Verify(g.body, g.header); err != nil {
			t.Errorf("try %d: %v", i+1, err)
		}
		if other.Verify(g.body, g.header) == nil || wh.Verify(append(g.body, ' '), g.header) == nil {
			t.Errorf("try %d: the signature fits anything", i+1)
		}
		if g.header.Get("Content-Type") != "application/json" || g.header.Get("Webhook-Id") != "evt_1" || g.header.Get("User-Agent") != "Latchkey" {
			t.Errorf("try %d: %v", i+1, g.header)
		}
		var body map[string]string
		if err := json.Unmarshal(g.body, &body); err != nil || body["name"] != "user <1> & co" {
			t.Errorf("try %d: body %s", i+1, g.body)
		}
	}
	if got[0].header.Get("Webhook-Timestamp") == got[1].header.Get("Webhook-Timestamp") {
		t.Error("the timestamp is not that of the try")
	}
	l.wantNoSecret("canary-in-url", "user <1>")
}

func TestWhatReceiversAnswer(t *testing.T) {
	t.Parallel()
	const base = 5 * time.Second
	l := newLab(t, safehttp.ClientOptions{}, safehttp.Config{})
	for name, c := range map[string]struct {
		then   http.HandlerFunc
		status latchkey.DeliveryStatus
		again  time.Duration
		errHas string
	}{
		"200": {status(200), latchkey.DeliveryDelivered, 0, ""},
		"204": {status(204), latchkey.DeliveryDelivered, 0, ""},
		"299": {status(299), latchkey.DeliveryDelivered, 0, ""},
		"301 to a 200": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/other", http.StatusMovedPermanently)
		}, latchkey.DeliveryPending, base, "redirected"},
		"302 private": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://10.0.0.1/", http.StatusFound)
		}, latchkey.DeliveryPending, base, "redirected"},
		"304":          {status(304), latchkey.DeliveryPending, base, "redirected"},
		"400":          {status(400), latchkey.DeliveryPending, base, "status 400"},
		"404":          {status(404), latchkey.DeliveryPending, base, "status 404"},
		"410":          {status(410), latchkey.DeliveryGone, 0, "status 410"},
		"500":          {status(500), latchkey.DeliveryPending, base, "status 500"},
		"429 seconds":  {retryAfter(429, "120"), latchkey.DeliveryPending, 2 * time.Minute, "status 429"},
		"503 seconds":  {retryAfter(503, "60"), latchkey.DeliveryPending, time.Minute, "status 503"},
		"429 date":     {retryAfter(429, l.clock.Now().Add(time.Hour).UTC().Truncate(time.Second).Format(http.TimeFormat)), latchkey.DeliveryPending, time.Hour, "status 429"},
		"429 sooner":   {retryAfter(429, "1"), latchkey.DeliveryPending, base, "status 429"},
		"429 for ever": {retryAfter(429, "999999999999999999"), latchkey.DeliveryPending, 24 * time.Hour, "status 429"},
		"429 garbage":  {retryAfter(429, "soon"), latchkey.DeliveryPending, base, "status 429"},
		"429 negative": {retryAfter(429, "-5"), latchkey.DeliveryPending, base, "status 429"},
		"429 past":     {retryAfter(429, "Mon, 02 Jan 2006 15:04:05 GMT"), latchkey.DeliveryPending, base, "status 429"},
		"500 with it":  {retryAfter(500, "3600"), latchkey.DeliveryPending, base, "status 500"},
	} {
		r := newReceiver(t, c.then)
		d, a := l.deliver(l.notify(r.URL, map[string]string{"n": name}).ID)
		// A date has whole seconds only.
		if diff := c.again - l.again(d); d.DueAt.IsZero() != (c.again == 0) || diff < 0 || diff > time.Second {
			t.Errorf("%s: again in %s, want %s", name, l.again(d), c.again)
		}
		if d.Status != c.status || !strings.Contains(a.Error, c.errHas) || (c.errHas == "") != (a.Error == "") {
			t.Errorf("%s: %s, error %q", name, d.Status, a.Error)
		}
		if n := len(r.all()); n != 1 {
			t.Errorf("%s: %d requests, want 1", name, n)
		}
	}
}

func retryAfter(code int, value string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", value)
		w.WriteHeader(code)
	}
}

// raw serves each connection with f.
func raw(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				_, _ = http.ReadRequest(bufio.NewReader(c))
				f(c)
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// closedPort is where nobody answers for names, so that the tests ask nobody outside.
const closedPort = "127.0.0.1:1"

func TestReceiversThatMisbehave(t *testing.T) {
	t.Parallel()
	l := newLab(t, safehttp.ClientOptions{Timeout: 300 * time.Millisecond}, safehttp.Config{DNSServer: closedPort})
	closed := newReceiver(t, status(200))
	closed.Close()
	for name, c := range map[string]struct {
		url    string
		errHas string
		status int
	}{
		"hangs": {raw(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) }), "connection_timeout", 0},
		"drips the header": {raw(t, func(c net.Conn) {
			for range 1000 {
				if _, err := io.WriteString(c, "H"); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		}), "connection_timeout", 0},
		"resets": {raw(t, func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }), "connection_closed", 0},
		"closes": {raw(t, func(net.Conn) {}), "connection_closed", 0},
		"drips the body": {raw(t, func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 500 No\r\nContent-Length: 1000\r\n\r\n")
			for range 1000 {
				if _, err := io.WriteString(c, "x"); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		}), "http_status", 500},
		"speaks garbage":  {raw(t, func(c net.Conn) { _, _ = io.WriteString(c, "220 smtp ready\r\n") }), "protocol_error", 0},
		"is not there":    {closed.URL, "connection_refused", 0},
		"is private":      {"http://10.1.2.3:8080/", "host_not_allowed", 0},
		"is metadata":     {"http://169.254.169.254/latest/meta-data", "host_not_allowed", 0},
		"has a mail port": {"http://8.8.8.8:25/", "port_not_allowed", 0},
		"has no name":     {"http://no-such-host.invalid/", "host_not_found", 0},
	} {
		begun := time.Now()
		d, a := l.deliver(l.notify(c.url+"/?k=canary-in-url", map[string]string{"p": "canary-in-payload"}).ID)
		if l.again(d) != 5*time.Second || d.Status != latchkey.DeliveryPending {
			t.Errorf("%s: %s %s, want it tried again", name, l.again(d), d.Status)
		}
		if !strings.HasPrefix(a.Error, c.errHas+": ") || a.HTTPStatus != c.status || strings.Contains(a.Error, "canary") {
			t.Errorf("%s: attempt %d %q, want %s", name, a.HTTPStatus, a.Error, c.errHas)
		}
		if took := time.Since(begun); took > 6*time.Second {
			t.Errorf("%s: took %s", name, took)
		}
	}
	l.wantNoSecret("canary-in-url", "canary-in-payload")
	if !strings.Contains(l.log.String(), "egress refused") || !strings.Contains(l.log.String(), "LATCHKEY_ALLOW_WEBHOOK") {
		t.Error("the operator is not told of the refused destinations")
	}
}

func TestAnswersAreCut(t *testing.T) {
	t.Parallel()
	l := newLab(t, safehttp.ClientOptions{Timeout: 5 * time.Second}, safehttp.Config{})
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		chunk := []byte(strings.Repeat("x", 1<<20))
		for range 100 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	begun := time.Now()
	d, a := l.deliver(l.notify(r.URL, 1).ID)
	if d.Status != latchkey.DeliveryDelivered || len(a.Response) != 64<<10 {
		t.Errorf("%s with %d bytes kept, want 64 KiB", d.Status, len(a.Response))
	}
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("100 MB took %s", took)
	}
	// The status came: that the rest of the answer does not is no reason to send it all again.
	half := raw(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
	})
	if d, a = l.deliver(l.notify(half, 1).ID); d.Status != latchkey.DeliveryDelivered || string(a.Response) != "half" {
		t.Errorf("half an answer: %s %q", d.Status, a.Response)
	}
}

func TestCertificatesAreChecked(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(status(200))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	l := newLab(t, safehttp.ClientOptions{}, safehttp.Config{CAFile: path})
	if d, a := l.deliver(l.notify(s.URL, 1).ID); d.Status != latchkey.DeliveryDelivered {
		t.Errorf("a certificate that is right: %s %s", d.Status, a.Error)
	}
	l = newLab(t, safehttp.ClientOptions{}, safehttp.Config{})
	if d, a := l.deliver(l.notify(s.URL, 1).ID); d.Status != latchkey.DeliveryPending || !strings.HasPrefix(a.Error, "certificate_invalid: ") {
		t.Errorf("a certificate of nobody's: %s %s", d.Status, a.Error)
	}
}

func TestDeliveryIsGivenUpAfterThreeDays(t *testing.T) {
	t.Parallel()
	l := newLab(t, safehttp.ClientOptions{}, safehttp.Config{})
	r := newReceiver(t, status(500))
	d := l.notify(r.URL, 1)
	begun := l.clock.Now()
	for range 50 {
		var a latchkey.Attempt
		d, a = l.deliver(d.ID)
		if a.At.IsZero() || a.Error == "" {
			t.Fatalf("attempt %+v", a)
		}
		if d.DueAt.IsZero() {
			break
		}
		l.clock.Advance(l.again(d))
	}
	took := l.clock.Now().Sub(begun)
	if d.Status != latchkey.DeliveryFailed || took < 71*time.Hour || took > 72*time.Hour {
		t.Errorf("given up after %s: %s", took, d.Status)
	}
	if d.Attempts < 10 || d.Attempts > 20 {
		t.Errorf("%d tries in three days", d.Attempts)
	}
}

func TestShutdownInTheMiddleCountsNoTry(t *testing.T) {
	t.Parallel()
	l := newLab(t, safehttp.ClientOptions{}, safehttp.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	url := raw(t, func(c net.Conn) { cancel(); _, _ = c.Read(make([]byte, 1)) })
	d := l.notify(url, 1)
	if _, err := l.hooks.Deliver(ctx, d.ID); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
	d, err := l.store.Deliveries().Get(t.Context(), d.ID)
	if err != nil || d.Attempts != 0 || d.Status != latchkey.DeliveryPending {
		t.Errorf("%+v %v", d, err)
	}
}

func TestNothingIsSentUnsigned(t *testing.T) {
	t.Parallel()
	l := newLab(t, safehttp.ClientOptions{}, safehttp.Config{})
	r := newReceiver(t, status(200))
	for _, bad := range []string{"", "whsec_", "canary-secret-canary-secret-canary", "whsec_canary!!"} {
		l.app.WebhookSecret = bad
		if err := l.store.Applications().Update(t.Context(), l.app); err != nil {
			t.Fatal(err)
		}
		l.clock.Advance(2 * time.Second) // who listens is remembered for a moment
		_, err := l.hooks.Deliver(t.Context(), l.notify(r.URL, 1).ID)
		if !errors.Is(err, hooks.ErrSecret) || strings.Contains(err.Error(), "canary") {
			t.Errorf("secret %q: %v, want ErrSecret", bad, err)
		}
	}
	if len(r.all()) != 0 {
		t.Error("something was sent")
	}
}

func TestDeliverOfWhatIsGone(t *testing.T) {
	t.Parallel()
	l := newLab(t, safehttp.ClientOptions{}, safehttp.Config{})
	if _, err := l.hooks.Deliver(t.Context(), "dlv_none"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("unknown delivery: %v", err)
	}
	if d, a := l.deliver(l.notify("http://[::1", 1).ID); d.Status != latchkey.DeliveryFailed || !strings.HasPrefix(a.Error, "invalid_url: ") {
		t.Errorf("a URL that is none: %s %s", d.Status, a.Error)
	}
}
