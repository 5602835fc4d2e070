package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// scope names our instrumentation in each span.
const scope = "latchkey"

// Provider makes spans and sends them. A nil Provider makes none.
type Provider struct{ sdk *sdk.TracerProvider }

// Configured tells whether the environment asks for traces: an endpoint is named, and nothing switches
// them off.
func Configured() bool {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || strings.EqualFold(os.Getenv("OTEL_TRACES_EXPORTER"), "none") {
		return false
	}
	return os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

// New makes a Provider as the environment says (OTEL_EXPORTER_OTLP_*, OTEL_SERVICE_NAME,
// OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, OTEL_BSP_*), and nil where it asks for no traces.
// The client goes to the operator's collector only.
func New(ctx context.Context, version string, client *http.Client, log *slog.Logger) (*Provider, error) {
	if !Configured() {
		return nil, nil //nolint:nilnil // documented: nil makes no spans
	}
	u, err := newUploader(client)
	if err != nil {
		return nil, err
	}
	exporter, err := otlptrace.New(ctx, u)
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	// What the environment says comes last, and so wins.
	res, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "latchkey"), attribute.String("service.version", version)),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	return &Provider{sdk: sdk.NewTracerProvider(sdk.WithBatcher(quiet{exporter, log}), sdk.WithResource(res))}, nil
}

// quiet has an exporter's failures in our log, and nowhere else.
type quiet struct {
	sdk.SpanExporter
	log *slog.Logger
}

// ExportSpans implements the SDK's exporter.
func (q quiet) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	if err := q.SpanExporter.ExportSpans(ctx, spans); err != nil {
		q.log.WarnContext(ctx, "traces not sent", slog.Int("spans", len(spans)), slog.String("cause", err.Error()))
	}
	return nil
}

// Shutdown sends what waits. It may be called on nil.
func (p *Provider) Shutdown(ctx context.Context) error {
	if p == nil {
		return nil
	}
	return p.sdk.Shutdown(ctx)
}

type providerKey struct{}

// With returns a context in which Start begins traces of its own. On a nil Provider it is ctx.
func (p *Provider) With(ctx context.Context) context.Context {
	if p == nil {
		return ctx
	}
	return context.WithValue(ctx, providerKey{}, p.sdk.Tracer(scope))
}

// Span is something that takes time. The zero Span, and a nil one, is nobody's.
type Span struct{ span trace.Span }

// Start begins a span under the context's, or a trace where the context has a Provider only. Where it has
// neither, this costs two look-ups. Pairs are attributes: name, value, name, value. No secret, token,
// address or id of a person goes into one.
func Start(ctx context.Context, name string, pairs ...string) (context.Context, Span) {
	parent := trace.SpanFromContext(ctx)
	var tracer trace.Tracer
	if parent.SpanContext().IsValid() && !parent.SpanContext().IsRemote() {
		tracer = parent.TracerProvider().Tracer(scope)
	} else if t, ok := ctx.Value(providerKey{}).(trace.Tracer); ok {
		tracer = t
	} else {
		return ctx, Span{}
	}
	ctx, span := tracer.Start(ctx, name, trace.WithAttributes(attributes(pairs)...))
	return ctx, Span{span}
}

func attributes(pairs []string) []attribute.KeyValue {
	out := make([]attribute.KeyValue, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			out = append(out, attribute.String(pairs[i], pairs[i+1]))
		}
	}
	return out
}

// Set adds attributes.
func (s Span) Set(pairs ...string) {
	if s.span != nil {
		s.span.SetAttributes(attributes(pairs)...)
	}
}

// Name renames the span, once it is known what it was.
func (s Span) Name(name string) {
	if s.span != nil {
		s.span.SetName(name)
	}
}

// End ends it. A code says that it failed, in a published word: errors hold what is nobody's business.
func (s Span) End(code string) {
	if s.span == nil {
		return
	}
	if code != "" {
		s.span.SetStatus(codes.Error, code)
	}
	s.span.End()
}

// Detach returns a context without end or values but for the span of ctx and its Provider: what outlives
// a request still belongs to its trace.
func Detach(ctx context.Context) context.Context {
	out := context.Background()
	if t := ctx.Value(providerKey{}); t != nil {
		out = context.WithValue(out, providerKey{}, t)
	}
	if span := trace.SpanFromContext(ctx); span.SpanContext().IsValid() {
		out = trace.ContextWithSpan(out, span)
	}
	return out
}

// Carry is the context's span as text (W3C traceparent), for a job that is done elsewhere; empty where
// nobody samples it.
func Carry(ctx context.Context) string {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() || !sc.IsSampled() {
		return ""
	}
	return "00-" + sc.TraceID().String() + "-" + sc.SpanID().String() + "-01"
}

// traceparent has 55 characters: version, trace, span and flags.
const traceparent = 55

// StartLinked begins a span of its own trace that points at the one carried: a job may run days after
// what enqueued it.
func StartLinked(ctx context.Context, carried, name string, pairs ...string) (context.Context, Span) {
	t, ok := ctx.Value(providerKey{}).(trace.Tracer)
	if !ok {
		return ctx, Span{}
	}
	opts := []trace.SpanStartOption{trace.WithNewRoot(), trace.WithAttributes(attributes(pairs)...)}
	if len(carried) == traceparent {
		id, terr := trace.TraceIDFromHex(carried[3:35])
		span, serr := trace.SpanIDFromHex(carried[36:52])
		if terr == nil && serr == nil {
			opts = append(opts, trace.WithLinks(trace.Link{SpanContext: trace.NewSpanContext(trace.SpanContextConfig{
				TraceID: id, SpanID: span, TraceFlags: trace.FlagsSampled, Remote: true,
			})}))
		}
	}
	ctx, span := t.Start(ctx, name, opts...)
	return ctx, Span{span}
}

// shutdownTime bounds how long an exporter that does not answer holds the end up.
const shutdownTime = 3 * time.Second

// Close is Shutdown with a bound of its own.
func (p *Provider) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, shutdownTime)
	defer cancel()
	return p.Shutdown(ctx)
}
