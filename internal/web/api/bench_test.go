package api_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/audit"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
	"latchkey/internal/metrics"
	"latchkey/internal/web"
	"latchkey/internal/web/api"
)

// instant makes links without keeping them, so that what is measured is the API alone.
type instant struct{ engine }

func (instant) CreateLink(_ context.Context, app latchkey.Application, spec hosted.LinkSpec) (hosted.CreatedLink, error) {
	now := time.Now()
	return hosted.CreatedLink{
		Link:  latchkey.Link{ID: latchkey.NewLinkID(now), ApplicationID: app.ID, ExpiresAt: spec.ExpiresAt},
		Token: "h3Jr0m8wY2kTqz5XvN1cBfLs7DgPaEo9RiUu4HtMnWy",
	}, nil
}

// everybody is a set of keys with one answer.
type everybody struct{}

func (everybody) Known(string) bool { return true }

func (everybody) Authenticate(_ context.Context, key string) (latchkey.Application, latchkey.APIKey, error) {
	if key == "" {
		return latchkey.Application{}, latchkey.APIKey{}, errs.New(errs.Unauthenticated, errs.CodeInvalidKey, "")
	}
	return latchkey.Application{ID: "app_1"}, latchkey.APIKey{ID: "key_1", Permissions: latchkey.AllPermissions()}, nil
}

const benchLink = `{"type":"create","providers":"*","expiresOn":"2030-01-31T12:00:00.701Z","notify_url":"https://app.acme.io/hook","success_redirect_url":"https://app.acme.io/done","name":"user_1234"}`

func bench(b *testing.B, h http.Handler, body string) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/v1/hosted/accounts/link", strings.NewReader(body))
		r.Host = "connect.test"
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Api-Key", "lk_live_0123456789012345678901234567890123456789012")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusCreated {
			b.Fatal(w.Body.String())
		}
	}
}

// BenchmarkCreateLink is the API with its edge, over an engine that does nothing.
func BenchmarkCreateLink(b *testing.B) {
	base, err := url.Parse("https://connect.test")
	if err != nil {
		b.Fatal(err)
	}
	now := func() time.Time { return time.Date(2030, 1, 31, 11, 0, 0, 0, time.UTC) }
	log := slog.New(slog.NewJSONHandler(io.Discard, nil)) //nolint:sloglint // writing the line is part of what is measured
	mux := http.NewServeMux()
	api.New(api.Config{BaseURL: base, Now: now, Log: log, Keys: everybody{}, Links: instant{}}).Register(mux)
	bench(b, web.NewEdge(web.EdgeConfig{BaseURL: base, Log: log, Now: now}).Wrap(mux), benchLink)
}

// BenchmarkBare is a handler that does nothing: the floor of the one above.
func BenchmarkBare(b *testing.B) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/hosted/accounts/link", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			b.Error(err)
		}
		w.WriteHeader(http.StatusCreated)
	})
	bench(b, mux, benchLink)
}

// BenchmarkStoredLink is all of it over the real engine and the SQLite file, with many callers at once.
func BenchmarkStoredLink(b *testing.B) {
	h := newHouse(b, nil)
	text := h.app.Key.Reveal()
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r := h.send("POST", "/v1/links", anyLink, "X-API-KEY: "+text)
			if r.status != http.StatusCreated {
				b.Fatal(string(r.raw))
			}
		}
	})
}

// BenchmarkCreateLinkObserved is BenchmarkCreateLink with the metrics and the audit trail that the server
// has: the difference is what being observed costs.
func BenchmarkCreateLinkObserved(b *testing.B) {
	base, err := url.Parse("https://connect.test")
	if err != nil {
		b.Fatal(err)
	}
	now := func() time.Time { return time.Date(2030, 1, 31, 11, 0, 0, 0, time.UTC) }
	log := slog.New(slog.NewJSONHandler(io.Discard, nil)) //nolint:sloglint // writing the line is part of what is measured
	mux := http.NewServeMux()
	count := metrics.New(metrics.Build{})
	trail := audit.New(audit.Config{Now: now, Log: log})
	api.New(api.Config{BaseURL: base, Now: now, Log: log, Keys: everybody{}, Links: instant{}, Trail: trail}).Register(mux)
	bench(b, web.NewEdge(web.EdgeConfig{BaseURL: base, Log: log, Now: now, Observe: count}).Wrap(mux), benchLink)
}
