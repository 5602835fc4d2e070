package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// inbox is the application's backend: it takes notifications, as it should, only with a good signature.
type inbox struct {
	url  string
	srv  *http.Server
	hook *standardwebhooks.Webhook

	mu   sync.Mutex
	wait map[string]chan notice
	bad  error
}

type notice struct {
	Status    string `json:"status"`
	AccountID string `json:"account_id"`
	LinkID    string `json:"link_id"`
}

func newInbox(secret string) (*inbox, error) {
	hook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // close ends it
	if err != nil {
		return nil, err
	}
	b := &inbox{url: "http://" + ln.Addr().String() + "/notify", hook: hook, wait: map[string]chan notice{}}
	b.srv = &http.Server{Handler: http.HandlerFunc(b.take), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = b.srv.Serve(ln) }() // until close
	return b, nil
}

func (b *inbox) close() { _ = b.srv.Close() }

// expect is called before the notification can come.
func (b *inbox) expect(link string) <-chan notice {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := make(chan notice, 1)
	b.wait[link] = c
	return c
}

func (b *inbox) take(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, 1<<16))
	if err == nil {
		err = b.hook.Verify(raw, r.Header)
	}
	var n notice
	if err == nil {
		err = json.Unmarshal(raw, &n)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.wait[n.LinkID]
	switch {
	case err != nil:
		b.bad = fmt.Errorf("a notification that cannot be taken: %w", err)
	case c == nil:
		b.bad = errors.Join(b.bad, errors.New("a notification that nobody waits for, or one twice"))
	default:
		delete(b.wait, n.LinkID)
		c <- n
	}
	w.WriteHeader(http.StatusNoContent)
}

// err is what was wrong with notifications so far.
func (b *inbox) err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bad
}
