package tracing_test

import (
	"context"
	"encoding/hex"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"latchkey/internal/tracing"
	"latchkey/internal/tracing/otlptest"
)

func provider(t *testing.T, env map[string]string) *tracing.Provider {
	t.Helper()
	for k, v := range env {
		t.Setenv(k, v)
	}
	p, err := tracing.New(t.Context(), "1.2.3", &http.Client{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOffUnlessAsked(t *testing.T) {
	for _, env := range []map[string]string{
		{"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
		{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none", "OTEL_SDK_DISABLED": ""},
	} {
		p := provider(t, env)
		if p != nil {
			t.Errorf("%v makes a provider", env)
		}
		ctx, span := tracing.Start(p.With(context.Background()), "nothing")
		span.Set("a", "b")
		span.End("failed")
		if tracing.Carry(ctx) != "" || p.Shutdown(ctx) != nil {
			t.Error("what is off carries something")
		}
	}
}

// Bad settings stop the start, and are not quoted: they may hold secrets.
func TestBadSettings(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_PROTOCOL": "canary-grpc", "OTEL_EXPORTER_OTLP_TIMEOUT": "canary", "OTEL_EXPORTER_OTLP_COMPRESSION": "canary",
		"OTEL_EXPORTER_OTLP_HEADERS": "a=canary%zz", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "canary://x",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			_, err := tracing.New(t.Context(), "", &http.Client{}, slog.New(slog.DiscardHandler))
			if err == nil || strings.Contains(err.Error(), "canary") {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestSpansArrive(t *testing.T) {
	r := otlptest.Start(t)
	p := provider(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": r.URL, "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20x", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
		"OTEL_SERVICE_NAME": "latchkey-eu",
	})
	r.Refuse(1) // and is asked again
	ctx, outer := tracing.Start(p.With(context.Background()), "outer")
	inner, span := tracing.Start(ctx, "inner", "latchkey.purpose", "mail", "empty", "")
	span.End("timed_out")
	carried := tracing.Carry(inner)
	later := tracing.Detach(ctx)
	outer.End("")
	_, after := tracing.Start(later, "after")
	after.End("")
	_, job := tracing.StartLinked(p.With(context.Background()), carried, "job")
	job.End("")
	_, broken := tracing.StartLinked(p.With(context.Background()), strings.Repeat("x", 55), "unlinked")
	broken.End("")
	if err := p.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	byName := map[string]int{}
	spans := r.Spans()
	for i, s := range spans {
		byName[s.GetName()] = i
	}
	if len(spans) != 5 {
		t.Fatalf("%d spans: %v", len(spans), byName)
	}
	get := func(name string) (trace, id, parent string) {
		s := spans[byName[name]]
		return hex.EncodeToString(s.GetTraceId()), hex.EncodeToString(s.GetSpanId()), hex.EncodeToString(s.GetParentSpanId())
	}
	trace, id, _ := get("outer")
	for _, name := range []string{"inner", "after"} {
		if tr, _, parent := get(name); tr != trace || parent != id {
			t.Errorf("%s is not under outer", name)
		}
	}
	if s := spans[byName["inner"]]; s.GetStatus().GetMessage() != "timed_out" || len(s.GetAttributes()) != 1 {
		t.Errorf("inner: %v", s)
	}
	tr, _, parent := get("job")
	links := spans[byName["job"]].GetLinks()
	_, inside, _ := get("inner")
	if tr == trace || parent != "" || len(links) != 1 || hex.EncodeToString(links[0].GetTraceId()) != trace || hex.EncodeToString(links[0].GetSpanId()) != inside {
		t.Errorf("the job: %v", spans[byName["job"]])
	}
	if len(spans[byName["unlinked"]].GetLinks()) != 0 || r.Header("Authorization") != "Bearer x" || !r.Service("latchkey-eu") {
		t.Errorf("links %v, header %q", spans[byName["unlinked"]].GetLinks(), r.Header("Authorization"))
	}
}
