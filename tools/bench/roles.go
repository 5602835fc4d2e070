package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"latchkey/internal/app"
	"latchkey/internal/connector/login"
)

// roles are what this program is when it starts itself, so that everything that is compared runs in
// a process of its own.
func roles() map[string]func(args []string) error {
	return map[string]func([]string) error{"role:bare": serveBare, "role:mail": mailLogins, "role:server": serveProfiled}
}

// serveBare is the measure of all things: a net/http handler that decodes a body and encodes an answer.
func serveBare(args []string) error {
	type wish struct {
		Type      string   `json:"type"`
		Providers []string `json:"providers"`
		APIURL    string   `json:"api_url"`
		ExpiresOn string   `json:"expiresOn"`
	}
	type made struct {
		Object    string `json:"object"`
		URL       string `json:"url"`
		ExpiresOn string `json:"expires_on"`
	}
	answer := func(w http.ResponseWriter, status int, v any) {
		b, err := json.Marshal(v)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write(b)
	}
	token := func() string {
		b := make([]byte, 24)
		_, _ = rand.Read(b)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /bare", func(w http.ResponseWriter, r *http.Request) {
		var in wish
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			http.Error(w, "bad", http.StatusBadRequest)
			return
		}
		answer(w, http.StatusCreated, made{"HostedAuthURL", "http://localhost/c/" + token(), in.ExpiresOn})
	})
	mux.HandleFunc("GET /bare", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, made{"HostedAuthURL", "http://localhost/c/" + token(), ""})
	})
	srv := &http.Server{Addr: args[0], Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return srv.ListenAndServe()
}

// mailReport is what role:mail prints: processor time of the client's side, for one mailbox.
type mailReport struct {
	TLS   time.Duration // one TLS handshake with the IMAP and one with the SMTP port
	Login time.Duration // the same and both logins, with the connector's own client
}

// mailLogins measures what the mail protocols alone cost whoever connects a mailbox.
func mailLogins(args []string) error {
	fs := flag.NewFlagSet("mail", flag.ContinueOnError)
	imap, smtp := fs.Int("imap", 0, ""), fs.Int("smtp", 0, "")
	ca, host := fs.String("ca", "", ""), fs.String("host", "", "")
	user, password := fs.String("user", "", ""), fs.String("password", "", "")
	n := fs.Int("n", 400, "")
	if err := fs.Parse(args); err != nil {
		return err
	}
	pem, err := os.ReadFile(*ca)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	config := func(name string) *tls.Config {
		return &tls.Config{ServerName: name, RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	var d net.Dialer
	// The name leads to loopback, as in the benchmark's own zone.
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return d.DialContext(ctx, network, "127.0.0.1:"+port)
	}
	client := &login.Client{Dial: login.DialFunc(dial), TLS: config}
	ctx := context.Background()
	var report mailReport
	report.TLS, err = cost(*n, func() error {
		for _, port := range []int{*imap, *smtp} {
			raw, err := dial(ctx, "tcp", fmt.Sprintf("%s:%d", *host, port))
			if err != nil {
				return err
			}
			c := tls.Client(raw, config(*host))
			if err := errors.Join(c.HandshakeContext(ctx), raw.Close()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	report.Login, err = cost(*n, func() error {
		_, err := client.Verify(ctx, login.IMAP, login.Server{Host: *host, Port: *imap, Encryption: login.TLS}, *user, *password)
		if err != nil {
			return err
		}
		_, err = client.Verify(ctx, login.SMTP, login.Server{Host: *host, Port: *smtp, Encryption: login.TLS}, *user, *password)
		return err
	})
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(report)
}

// cost is the processor time of this process that one fn takes, with a few at once.
func cost(n int, fn func() error) (time.Duration, error) {
	if err := fn(); err != nil {
		return 0, err
	}
	before, err := ownCPU()
	if err != nil {
		return 0, err
	}
	const atOnce = 8
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	for range atOnce {
		wg.Go(func() {
			for range n / atOnce {
				if err := fn(); err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	after, err := ownCPU()
	return (after - before) / time.Duration(n/atOnce*atOnce), err
}

func ownCPU() (time.Duration, error) {
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
}

// serveProfiled is the server as it is, with Go's profiler on a listener of its own: the product has none.
func serveProfiled(args []string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	go func() {
		srv := &http.Server{Addr: args[0], Handler: mux, ReadHeaderTimeout: 10 * time.Second}
		if err := srv.ListenAndServe(); err != nil {
			fmt.Fprintln(os.Stderr, "profiler:", err)
		}
	}()
	os.Exit(app.Main(args[1:], os.Stdout, os.Stderr))
	return nil
}
