package e2e_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"sync/atomic"
	"testing"
	"time"
)

// pair starts two replicas behind a proxy at the installation's address, which sends each request to
// the other one: a browser's page, its script and its form are answered by turns. A replica that is
// gone is passed over.
func (in *install) pair() (first, second *server) {
	in.t.Helper()
	first = in.start(map[string]string{"LATCHKEY_LISTEN": freeAddr(in.t)})
	second = in.start(map[string]string{"LATCHKEY_LISTEN": freeAddr(in.t)})
	var turn atomic.Int64
	served := map[string]*atomic.Int64{first.addr: {}, second.addr: {}}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		addrs := []string{first.addr, second.addr}
		n := turn.Add(1)
		var failed error
		for i := range addrs {
			addr := addrs[(int(n)+i)%2]
			conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", addr)
			if err == nil {
				served[addr].Add(1)
				return conn, nil
			}
			failed = errors.Join(failed, err)
		}
		return nil, failed
	}
	proxy := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", in.env["LATCHKEY_LISTEN"], r.In.Host
		},
		FlushInterval: -1,
		Transport:     &http.Transport{DisableKeepAlives: true, DialContext: dial},
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}}
	ln, err := (&net.ListenConfig{}).Listen(in.t.Context(), "tcp", in.env["LATCHKEY_LISTEN"])
	if err != nil {
		in.t.Fatal(err)
	}
	go func() { _ = proxy.Serve(ln) }()
	in.t.Cleanup(func() {
		_ = proxy.Close()
		for addr, n := range served {
			if n.Load() == 0 {
				in.t.Errorf("the replica at %s took no part", addr)
			}
		}
	})
	return first, second
}

// TestPausedReplicaNeverMeetsTheOther stops a replica that holds a WhatsApp account in the middle of
// whatever it does, without its knowledge, as a virtual machine's host does. The other one takes the
// account. The first goes on, believes that no time has passed, and must not connect, nor write, nor say
// anything of the account.
func TestPausedReplicaNeverMeetsTheOther(t *testing.T) {
	t.Parallel()
	w := newPhoneWorld(t, "postgres")
	first := w.start()
	backend := w.receive()
	l := first.api.link(t, fields{"providers": []string{"WHATSAPP"}, "notify_url": backend.url + "/notify"})
	id := w.scanned(t, l)
	w.online(t, 1)
	second := w.start(map[string]string{"LATCHKEY_LISTEN": freeAddr(t)}) // holds nothing: its share is none
	db := w.sql(t)
	keepers := func(alive string) (n int) {
		t.Helper()
		if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM keepers WHERE alive_until "+alive+" $1", time.Now().UnixMilli()).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	until := func(what string, ok func() bool) {
		t.Helper()
		for !ok() {
			if err := sleep(t.Context(), 50*time.Millisecond); err != nil {
				t.Fatalf("never: %s", what)
			}
		}
	}
	until("both replicas have joined", func() bool { return keepers(">") == 2 })
	for i, holder := range []*server{first, second} {
		logins := len(w.wa.Logins())
		began := time.Now()
		holder.pause()
		until("the other takes over", func() bool { return len(w.wa.Logins()) > logins })
		t.Logf("taken over after %v", time.Since(began).Round(time.Millisecond))
		w.online(t, 1)
		holder.resume()
		until("the first has joined again", func() bool { return keepers(">") == 2 })
		// It has looked at what it holds by now, and has been told by the server that it was replaced.
		var beats int64
		const life = "SELECT max(alive_until) FROM keepers"
		for range 3 { // three further signs of life
			was := beats
			until("a sign of life", func() bool {
				if err := db.QueryRowContext(t.Context(), life).Scan(&beats); err != nil {
					t.Fatal(err)
				}
				return beats > was
			})
		}
		if n := len(w.wa.Logins()); n != logins+1 {
			t.Errorf("pause %d: %d logins, want one", i, n-logins)
		}
		w.online(t, 1)
		res := second.api.must(t, http.StatusOK, http.MethodGet, "/v1/accounts/"+id, nil)
		if res.text("status") != "OK" {
			t.Errorf("pause %d: the account is %s", i, res.body)
		}
	}
	for _, n := range backend.about(l.id) {
		if n.Status != "CREATION_SUCCESS" {
			t.Errorf("told: %s", n.body)
		}
	}
}
