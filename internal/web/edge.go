package web

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"latchkey/internal/errs"
)

// MaxBody is the most that any request may carry unless EdgeConfig says otherwise.
const MaxBody = 256 << 10

// Observer counts answers. The route is its pattern, empty where none matched.
type Observer interface {
	Request(route string, status int, took time.Duration)
}

// EdgeConfig is what the edge needs to know.
type EdgeConfig struct {
	BaseURL *url.URL
	Log     *slog.Logger
	Now     func() time.Time
	// TrustedProxies may say in X-Forwarded-For who the client is.
	TrustedProxies []netip.Prefix
	// AddressLimit bounds each client address over all routes; zero does not.
	AddressLimit Limit
	// Vouched tells whether a request's sender is known, by a valid API key: a backend is bounded by
	// what its key may do, not by its address. May be nil.
	Vouched func(*http.Request) bool
	// Observe is told of every answer; may be nil.
	Observe Observer
	// Trace has a request begin a trace, by what it puts in the context; may be nil.
	Trace func(context.Context) context.Context
	// MaxBody in bytes; 0 means the package's own.
	MaxBody int64
	// Uploads tells which requests may carry MaxUpload instead; nil means none.
	Uploads func(*http.Request) bool
}

// Edge is what stands before every handler.
type Edge struct {
	cfg       EdgeConfig
	addresses Addresses
	host      HostRule
	limiter   *Limiter
}

// NewEdge makes the edge.
func NewEdge(cfg EdgeConfig) *Edge {
	if cfg.MaxBody == 0 {
		cfg.MaxBody = MaxBody
	}
	return &Edge{
		cfg:       cfg,
		addresses: NewAddresses(cfg.TrustedProxies),
		host:      NewHostRule(cfg.BaseURL),
		limiter:   NewLimiter(cfg.AddressLimit, cfg.Now),
	}
}

// Wrap puts the edge before the handler; see the package's doc for the order.
func (e *Edge) Wrap(next http.Handler) http.Handler {
	h := recordRoute(next)
	h = e.host.Wrap(h)
	h = repairPath(h)
	h = limitBody(e.cfg.MaxBody, e.cfg.Uploads)(h)
	h = e.limitAddress(h)
	if e.cfg.BaseURL.Scheme == "https" {
		h = StrictTransport(h)
	}
	h = SecurityHeaders(h)
	h = recoverPanics(h)
	return logRequests(e.cfg, e.addresses)(h)
}

// recordRoute notes the pattern that matched: the mux writes it on the request that it was given,
// which is not the one that the log sees.
func recordRoute(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if info := InfoOf(r.Context()); info.Route == "" {
				info.Route = r.Pattern
			}
		}()
		next.ServeHTTP(w, r)
	})
}

func (e *Edge) limitAddress(next http.Handler) http.Handler {
	if e.cfg.AddressLimit.PerSecond <= 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e.cfg.Vouched != nil && e.cfg.Vouched(r) {
			next.ServeHTTP(w, r)
			return
		}
		if err := e.limiter.Take(Bucket(InfoOf(r.Context()).Address)); err != nil {
			WriteProblem(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// MaxUpload is what routes that take pictures read: 2 MiB in base64, and some.
const MaxUpload = 3 << 20

func limitBody(most int64, uploads func(*http.Request) bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n := most
			if uploads != nil && uploads(r) {
				n = MaxUpload
			}
			if r.ContentLength > n {
				w.Header().Set("Connection", "close")
				WriteProblem(w, r, bodyTooLarge(nil))
				return
			}
			if r.Body != nil && r.Body != http.NoBody {
				r.Body = http.MaxBytesReader(w, r.Body, n)
			}
			next.ServeHTTP(w, r)
		})
	}
}

// ReadBody reads a whole body of at most limit bytes. Its errors are ready to be answered with.
func ReadBody(r *http.Request, limit int64) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	if r.ContentLength > limit {
		return nil, bodyTooLarge(nil)
	}
	var (
		b   []byte
		err error
	)
	if n := r.ContentLength; n >= 0 {
		b = make([]byte, n)
		_, err = io.ReadFull(r.Body, b)
	} else {
		b, err = io.ReadAll(io.LimitReader(r.Body, limit+1))
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok || int64(len(b)) > limit {
		return nil, bodyTooLarge(err)
	}
	if err != nil {
		return nil, errs.Wrap(err, errs.Invalid, errs.CodeMalformedJSON, "The request's body broke off before it was whole.")
	}
	return b, nil
}

func bodyTooLarge(cause error) error {
	return errs.Wrap(cause, errs.Invalid, errs.CodeBodyTooLarge, "The request's body is larger than this route takes.")
}

// Timeouts of the server. A request may wait for a mail host, so writing gets the longest; a slow
// sender of headers gets little.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 90 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 32 << 10
)

// NewServer makes a server that slow clients cannot hold.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
