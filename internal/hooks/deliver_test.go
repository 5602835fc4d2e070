package hooks_test

import (
	"bufio"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
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
	"latchkey/internal/store/sqlstore"
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
	args, d := l.notify(r.URL+"/hook?key=canary-in-url", payload)
	payload["name"] = "changed afterwards"

	out, d, a := l.deliver(args, d.ID)
	if out.Done || out.Again != 5*time.Second || d.Status != latchkey.DeliveryPending || a.HTTPStatus != 500 || string(a.Response) != "thanks" {
		t.Errorf("after a 500: %+v %+v %+v", out, d, a)
	}
	l.clock.Advance(out.Again)
	out, d, a = l.deliver(args, d.ID)
	if !out.Done || d.Status != latchkey.DeliveryDelivered || d.Attempts != 2 || a.Number != 2 || a.Error != "" || a.HTTPStatus != 200 {
		t.Errorf("after a 200: %+v %+v %+v", out, d, a)
	}
	// The job may run again after a crash: the receiver is not bothered.
	if out, err := l.hooks.Deliver(t.Context(), args); err != nil || !out.Done {
		t.Errorf("again: %+v %v", out, err)
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
		args, d := l.notify(r.URL, map[string]string{"n": name})
		out, d, a := l.deliver(args, d.ID)
		// A date has whole seconds only.
		if diff := c.again - out.Again; out.Done != (c.again == 0) || diff < 0 || diff > time.Second {
			t.Errorf("%s: %+v, want again in %s", name, out, c.again)
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
		"resets":          {raw(t, func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }), "connection_closed", 0},
		"closes":          {raw(t, func(net.Conn) {}), "connection_closed", 0},
		"speaks garbage":  {raw(t, func(c net.Conn) { _, _ = io.WriteString(c, "220 smtp ready\r\n") }), "protocol_error", 0},
		"is not there":    {closed.URL, "connection_refused", 0},
		"is private":      {"http://10.1.2.3:8080/", "host_not_allowed", 0},
		"is metadata":     {"http://169.254.169.254/latest/meta-data", "host_not_allowed", 0},
		"has a mail port": {"http://8.8.8.8:25/", "port_not_allowed", 0},
		"has no name":     {"http://no-such-host.invalid/", "host_not_found", 0},
	} {
		args, d := l.notify(c.url+"/?k=canary-in-url", map[string]string{"p": "canary-in-payload"})
		begun := time.Now()
		out, d, a := l.deliver(args, d.ID)
		if out.Done || out.Again != 5*time.Second || d.Status != latchkey.DeliveryPending {
			t.Errorf("%s: %+v %s, want it tried again", name, out, d.Status)
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
	args, d := l.notify(r.URL, 1)
	begun := time.Now()
	_, d, a := l.deliver(args, d.ID)
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
	args, d = l.notify(half, 1)
	if _, d, a = l.deliver(args, d.ID); d.Status != latchkey.DeliveryDelivered || string(a.Response) != "half" {
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
	args, d := l.notify(s.URL, 1)
	if _, d, a := l.deliver(args, d.ID); d.Status != latchkey.DeliveryDelivered {
		t.Errorf("a certificate that is right: %s %s", d.Status, a.Error)
	}
	l = newLab(t, safehttp.ClientOptions{}, safehttp.Config{})
	args, d = l.notify(s.URL, 1)
	if _, d, a := l.deliver(args, d.ID); d.Status != latchkey.DeliveryPending || !strings.HasPrefix(a.Error, "certificate_invalid: ") {
		t.Errorf("a certificate of nobody's: %s %s", d.Status, a.Error)
	}
}

func TestDeliveryIsGivenUpAfterThreeDays(t *testing.T) {
	t.Parallel()
	l := newLab(t, safehttp.ClientOptions{}, safehttp.Config{})
	r := newReceiver(t, status(500))
	args, d := l.notify(r.URL, 1)
	begun := l.clock.Now()
	var last hooks.Outcome
	for range 50 {
		var a latchkey.Attempt
		last, d, a = l.deliver(args, d.ID)
		if a.At.IsZero() || a.Error == "" {
			t.Fatalf("attempt %+v", a)
		}
		if last.Done {
			break
		}
		l.clock.Advance(last.Again)
	}
	took := l.clock.Now().Sub(begun)
	if !last.Done || d.Status != latchkey.DeliveryFailed || took < 71*time.Hour || took > 72*time.Hour {
		t.Errorf("given up after %s: %+v %s", took, last, d.Status)
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
	args, d := l.notify(url, 1)
	if _, err := l.hooks.Deliver(ctx, args); !errors.Is(err, context.Canceled) {
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
		args, _ := l.notify(r.URL, 1)
		_, err := l.hooks.Deliver(t.Context(), args)
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
	if out, err := l.hooks.Deliver(t.Context(), json.RawMessage(`{"delivery_id":"dlv_none"}`)); err != nil || !out.Done {
		t.Errorf("unknown delivery: %+v %v", out, err)
	}
	if _, err := l.hooks.Deliver(t.Context(), json.RawMessage(`not json`)); err == nil {
		t.Error("garbage for arguments is taken")
	}
	args, d := l.notify("http://[::1", 1)
	if out, d, a := l.deliver(args, d.ID); !out.Done || d.Status != latchkey.DeliveryFailed || !strings.HasPrefix(a.Error, "invalid_url: ") {
		t.Errorf("a URL that is none: %+v %s %s", out, d.Status, a.Error)
	}
}

// The whole way: written in a transaction, found by the worker, failed, tried again, delivered.
func TestWorkerDelivers(t *testing.T) {
	t.Parallel()
	l := newLab(t, safehttp.ClientOptions{}, safehttp.Config{})
	arrived := make(chan struct{}, 10)
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
		arrived <- struct{}{}
	})
	done := make(chan error, 10)
	w, err := l.store.Work(t.Context(), sqlstore.WorkConfig{Unstaggered: true, Handlers: map[string]store.Handler{
		hooks.JobKind: func(ctx context.Context, j store.RunningJob) error {
			err := l.hooks.Run(ctx, j)
			done <- err
			return err
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.Stop(t.Context()); err != nil {
			t.Errorf("Stop: %v", err)
		}
	}()
	failed := errors.New("rolled back")
	err = l.store.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
		if err := l.hooks.Notify(ctx, tx, hooks.Notification{ApplicationID: l.app.ID, URL: r.URL, Payload: "never"}); err != nil {
			return err
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Fatal(err)
	}
	_, d := l.notify(r.URL, "sent")
	select {
	case <-arrived:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing arrived")
	}
	if err := <-done; err != nil {
		t.Errorf("job: %v", err)
	}
	d, err = l.store.Deliveries().Get(t.Context(), d.ID)
	if err != nil || d.Status != latchkey.DeliveryDelivered {
		t.Errorf("%+v %v", d, err)
	}
	if got := r.all(); len(got) != 1 || string(got[0].body) != `"sent"` {
		t.Errorf("received %d, want the committed one alone", len(got))
	}
	// A try that failed asks the runner for its time.
	bad := newReceiver(t, status(500))
	args, _ := l.notify(bad.URL, 1)
	if err := <-done; err == nil {
		t.Error("a failed try ends the job")
	}
	var again *store.JobRetryError
	if err := l.hooks.Run(t.Context(), store.RunningJob{Kind: hooks.JobKind, Args: args}); !errors.As(err, &again) || again.After != 20*time.Second {
		t.Errorf("second try: %v, want again after 20 s", fmt.Sprint(err))
	}
}
