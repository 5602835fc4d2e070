package safehttp

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"latchkey/internal/tracing"
)

// userAgent is how we name ourselves.
const userAgent = "Latchkey"

// Defaults and fixed bounds of clients.
const (
	defaultTimeout = 10 * time.Second
	defaultMaxBody = 1 << 20
	defaultIdle    = 4
	maxHeaderBytes = 64 << 10
	idleTimeout    = 30 * time.Second
)

// ClientOptions bound one kind of request.
type ClientOptions struct {
	// Timeout bounds a request from its first look-up to the last byte of the answer, however
	// slowly the bytes come; 0 means 10 s.
	Timeout time.Duration
	// MaxRedirects is how many redirects are followed; 0 means none: a redirect is then an answer
	// like any other. Never from https to http.
	MaxRedirects int
	// IdlePerHost is how many connections to one host are kept for later requests; 0 means 4.
	IdlePerHost int
	// MaxBody is how much of an answer may be read; 0 means 1 MiB. Reading on is ErrBodyTooLarge.
	MaxBody int64
}

// Client returns an HTTP client that goes out for one purpose. It takes no proxy from the
// environment, keeps no cookies, asks for no compression and names itself Latchkey. Its errors are
// *url.Error, whose text holds the URL: give them to Explain before they are logged or shown.
func (e *Egress) Client(p Purpose, o ClientOptions) *http.Client {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.MaxBody <= 0 {
		o.MaxBody = defaultMaxBody
	}
	if o.IdlePerHost <= 0 {
		o.IdlePerHost = defaultIdle
	}
	t := &http.Transport{
		Proxy: nil,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return e.DialContext(ctx, p, network, addr)
		},
		TLSClientConfig:        e.TLSConfig(""),
		TLSHandshakeTimeout:    o.Timeout,
		ResponseHeaderTimeout:  o.Timeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConns:           max(100, 4*o.IdlePerHost),
		MaxIdleConnsPerHost:    o.IdlePerHost,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
	}
	return &http.Client{
		Transport:     &bounded{next: t, maxBody: o.MaxBody, purpose: p, observe: e.observe},
		Timeout:       o.Timeout,
		CheckRedirect: redirects(o.MaxRedirects),
	}
}

// redirects is the policy for them. Where a redirect leads is checked when it is dialled.
func redirects(limit int) func(*http.Request, []*http.Request) error {
	return func(req *http.Request, via []*http.Request) error {
		switch {
		case limit == 0:
			return http.ErrUseLastResponse
		case len(via) > limit:
			return fmt.Errorf("%w: more than %d", ErrRedirect, limit)
		case via[len(via)-1].URL.Scheme == "https" && req.URL.Scheme != "https":
			return fmt.Errorf("%w: from https to %s", ErrRedirect, req.URL.Scheme)
		case req.URL.User != nil:
			return fmt.Errorf("%w: with credentials", ErrRedirect)
		}
		// The address before may hold somebody's e-mail address.
		req.Header.Del("Referer")
		return nil
	}
}

// bounded names us, and cuts bodies.
type bounded struct {
	next    *http.Transport
	maxBody int64
	purpose Purpose
	observe Observer // may be nil
}

// RoundTrip does one exchange.
func (b *bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Header.Get("User-Agent") == "" {
		req = req.Clone(req.Context())
		req.Header.Set("User-Agent", userAgent)
	}
	// Where it goes is left out: hosts are tenants', and paths and queries hold secrets. The trace is not
	// told to the other side either.
	_, span := tracing.Start(req.Context(), "call "+b.purpose.String(), "http.request.method", req.Method, "latchkey.purpose", b.purpose.String())
	res, err := b.next.RoundTrip(req)
	if err != nil {
		span.End(outcome(err))
	} else {
		span.Set("http.response.status_code", strconv.Itoa(res.StatusCode))
		span.End("")
	}
	if b.observe != nil {
		b.observe.Egress(b.purpose.String(), outcome(err))
	}
	if err != nil {
		return nil, err
	}
	res.Body = &limitedBody{ReadCloser: res.Body, left: b.maxBody}
	return res, nil
}

// outcome is how a request ended, in a published word.
func outcome(err error) string {
	if err == nil {
		return "answered"
	}
	return string(Explain(err).Code)
}

// CloseIdleConnections lets http.Client.CloseIdleConnections through.
func (b *bounded) CloseIdleConnections() { b.next.CloseIdleConnections() }

// limitedBody fails instead of ending early: half an answer must not look like a whole one.
type limitedBody struct {
	io.ReadCloser
	left int64
}

// Read returns ErrBodyTooLarge once there is more than was allowed.
func (l *limitedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.ReadCloser.Read(p)
	if int64(n) > l.left {
		n, err = int(l.left), ErrBodyTooLarge
		l.left = 0
		return n, err
	}
	l.left -= int64(n)
	return n, err
}
