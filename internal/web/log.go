package web

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"latchkey/internal/errs"
	"latchkey/internal/tracing"
)

// logRequests gives each request an id and writes one line when it ends. The line has the route,
// never the path or query: both can hold tokens.
func logRequests(cfg EdgeConfig, addresses Addresses) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start := cfg.Now()
			info := &Info{RequestID: "req_" + rand.Text(), Address: addresses.Of(r)}
			ctx := withInfo(r.Context(), info)
			var span tracing.Span
			if cfg.Trace != nil {
				ctx, span = tracing.Start(cfg.Trace(ctx), "request", "http.request.method", r.Method, "latchkey.request_id", info.RequestID)
			}
			r = r.WithContext(ctx)
			rec := &recorder{ResponseWriter: w}
			rec.Header().Set("X-Request-Id", info.RequestID)
			defer func() {
				if info.Route == "" {
					info.Route = r.Pattern
				}
				took := cfg.Now().Sub(start)
				endSpan(span, r.Method, info, rec)
				if cfg.Observe != nil {
					cfg.Observe.Request(info.Route, rec.code(), took)
				}
				line(r.Context(), cfg.Log, r.Method, info, rec, took)
			}()
			next.ServeHTTP(rec, r)
		})
	}
}

// endSpan names the span by its route, never by its path, and says how it ended.
func endSpan(span tracing.Span, method string, info *Info, rec *recorder) {
	route := info.Route
	if route == "" {
		route = method
	}
	span.Name(route)
	span.Set("http.route", info.Route, "http.response.status_code", strconv.Itoa(rec.code()), "latchkey.application_id", string(info.ApplicationID))
	code := ""
	if rec.code() >= http.StatusInternalServerError {
		code = string(errs.As(info.err).Code)
	}
	span.End(code)
}

func line(ctx context.Context, log *slog.Logger, method string, info *Info, rec *recorder, took time.Duration) {
	level := slog.LevelInfo
	attrs := make([]slog.Attr, 0, 10)
	attrs = append(attrs,
		slog.String("method", method),
		slog.String("route", info.Route),
		slog.Int("status", rec.code()),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000),
		slog.String("request_id", info.RequestID),
	)
	if info.KeyID != "" {
		attrs = append(attrs, slog.String("key_id", string(info.KeyID)), slog.String("application_id", string(info.ApplicationID)))
	}
	if err := info.err; err != nil {
		// Only what nobody classified is news for the operator; the rest is the caller's affair.
		if rec.code() >= http.StatusInternalServerError {
			level = slog.LevelError
			attrs = append(attrs, slog.String("error", err.Error()))
		} else {
			attrs = append(attrs, slog.String("code", string(errs.As(err).Code)))
		}
		if p, ok := errors.AsType[*panicError](err); ok {
			attrs = append(attrs, slog.String("stack", string(p.stack)))
		}
	}
	// The client may be gone, and its context with it; the line is written all the same.
	log.LogAttrs(context.WithoutCancel(ctx), level, "request", attrs...)
}

// recoverPanics turns a panic into a 500 and a log line with the stack.
func recoverPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(v) // net/http's own way to drop a connection
			}
			err := &panicError{value: fmt.Sprintf("%T", v), stack: debug.Stack()}
			if e, ok := v.(error); ok {
				err.value = e.Error()
			} else if s, ok := v.(string); ok {
				err.value = s
			}
			if rec, ok := w.(*recorder); ok && rec.status != 0 {
				// The answer has begun: all that is left is not to let it look whole.
				InfoOf(r.Context()).fail(err)
				panic(http.ErrAbortHandler)
			}
			WriteProblem(w, r, err)
		}()
		next.ServeHTTP(w, r)
	})
}

type panicError struct {
	value string
	stack []byte
}

func (p *panicError) Error() string { return "panic: " + p.value }

// recorder remembers the status for the log.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	// 1xx answers are not the answer (RFC 9110 §15.2).
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) code() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}
