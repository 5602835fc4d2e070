package whatsapp

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// TestLibraryIsLedNowhereElse: a server cannot make the library connect past the policy, neither without
// encryption nor by a redirect.
func TestLibraryIsLedNowhereElse(t *testing.T) {
	t.Parallel()
	reached := 0
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ }))
	defer inside.Close()
	outside := httptest.NewServer(http.RedirectHandler(inside.URL, http.StatusFound))
	defer outside.Close()
	cl := &client{lost: make(chan struct{}), ended: func() {}, shaken: make(chan struct{})}
	close(cl.shaken)
	cl.left, cl.leave = context.WithCancel(t.Context())
	defer cl.leave()
	dials := 0
	web := cl.web(func(ctx context.Context, _ string) (net.Conn, error) {
		dials++
		return (&net.Dialer{}).DialContext(ctx, "tcp", outside.Listener.Addr().String())
	}, cl.watch)
	for _, url := range []string{inside.URL, "http://web.whatsapp.com/", "https://web.whatsapp.com/"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := web.Do(req)
		if err == nil || !errors.Is(err, errElsewhere) {
			t.Errorf("%s: %v, %v", url, res, err)
		}
		if res != nil {
			_ = res.Body.Close()
		}
	}
	if reached != 0 || dials != 1 {
		t.Errorf("what it was led to was reached %d times, after %d dials", reached, dials)
	}
}

// TestAFetchedFileIsNotTheConnection: the end of what the library fetches by itself does not end the session.
func TestAFetchedFileIsNotTheConnection(t *testing.T) {
	t.Parallel()
	media := httptest.NewTLSServer(http.NotFoundHandler())
	defer media.Close()
	for name, x := range map[string]struct {
		watch bool
		want  bool
	}{"a file": {false, false}, "the connection": {true, true}} {
		cl := &client{lost: make(chan struct{}), shaken: make(chan struct{})}
		cl.ended = sync.OnceFunc(func() { close(cl.lost) })
		close(cl.shaken)
		cl.left, cl.leave = context.WithCancel(t.Context())
		watch := aside
		if x.watch {
			watch = cl.watch
		}
		var d tls.Dialer
		d.Config = &tls.Config{InsecureSkipVerify: true}
		web := cl.web(func(ctx context.Context, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "tcp", media.Listener.Addr().String())
		}, watch)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://mmg.whatsapp.net/x", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := web.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		web.CloseIdleConnections()
		if x.want {
			<-cl.lost
		}
		select {
		case <-cl.lost:
			if !x.want {
				t.Errorf("the end of %s ended the session", name)
			}
		default:
		}
		cl.leave()
	}
}
