package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// notification is one delivery that a backend took.
type notification struct {
	id   string // webhook-id
	body []byte

	Status    string `json:"status"`
	AccountID string `json:"account_id"`
	Name      string `json:"name"`
	LinkID    string `json:"link_id"`
	Error     string `json:"error"`
}

// receiver is an application's backend as far as it is told things, and the pages that end users
// return to. It refuses what is not signed.
type receiver struct {
	url string

	mu      sync.Mutex
	got     []notification
	forged  []string
	changed chan struct{}
}

func (in *install) receive() *receiver {
	in.t.Helper()
	wh, err := standardwebhooks.NewWebhook(in.secret)
	if err != nil {
		in.t.Fatal(err)
	}
	r := &receiver{changed: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /notify", func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			http.Error(w, "unreadable", http.StatusBadRequest)
			return
		}
		in.seen.hear(req.Header, body)
		verify := wh.Verify
		if in.skewed {
			verify = wh.VerifyIgnoringTimestamp
		}
		if err := verify(body, req.Header); err != nil {
			r.add(nil, fmt.Sprintf("%v: %s", err, body))
			http.Error(w, "bad signature", http.StatusUnauthorized)
			return
		}
		n := notification{id: req.Header.Get("webhook-id"), body: body}
		if err := json.Unmarshal(body, &n); err != nil {
			http.Error(w, "not JSON", http.StatusBadRequest)
			return
		}
		r.add(&n, "")
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html><html lang=en><title>The application</title><h1 id=back>Back in the application</h1>")
	})
	srv := httptest.NewServer(mux)
	in.t.Cleanup(srv.Close)
	r.url = srv.URL
	in.t.Cleanup(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, f := range r.forged {
			in.t.Errorf("a notification's signature is wrong: %s", f)
		}
	})
	return r
}

func (r *receiver) add(n *notification, forged string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n == nil {
		r.forged = append(r.forged, forged)
		return
	}
	r.got = append(r.got, *n)
	close(r.changed)
	r.changed = make(chan struct{})
}

// links are the fields with which a link tells the receiver.
func (r *receiver) links() fields {
	return fields{
		"notify_url": r.url + "/notify", "success_redirect_url": r.url + "/connected?tab=mail#top",
		"failure_redirect_url": r.url + "/not-connected", "notify_failures": true,
	}
}

// about lists what came about a link.
func (r *receiver) about(linkID string) []notification {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []notification
	for _, n := range r.got {
		if n.LinkID == linkID {
			out = append(out, n)
		}
	}
	return out
}

// wait returns the first notification with the status about a link, as soon as it has come.
func (r *receiver) wait(ctx context.Context, linkID, status string) (notification, error) {
	for {
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		for _, n := range r.about(linkID) {
			if n.Status == status {
				return n, nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return notification{}, fmt.Errorf("no %s came about %s: %w", status, linkID, ctx.Err())
		}
	}
}

// await is wait for what must come soon.
func (r *receiver) await(t *testing.T, linkID, status string) notification {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	n, err := r.wait(ctx, linkID, status)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
