package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"latchkey/internal/metrics"
	"latchkey/internal/secret"
	"latchkey/internal/store"
	"latchkey/internal/tracing"
	"latchkey/internal/web"
)

// source is what metrics asks of the database.
type source struct{ in *installation }

func (s source) Connections() metrics.Connections {
	return metrics.Connections(s.in.store.Database().Connections())
}

func (s source) Jobs(ctx context.Context) (map[string]int64, error) {
	return s.in.store.Database().Jobs(ctx)
}

func (s source) Accounts(ctx context.Context) ([]metrics.AccountCount, error) {
	counts, err := s.in.store.Database().CountAccounts(ctx)
	out := make([]metrics.AccountCount, len(counts))
	for i, c := range counts {
		out[i] = metrics.AccountCount(c)
	}
	return out, err
}

func (s source) Outbox(ctx context.Context) (metrics.Outbox, error) {
	queued, since, err := s.in.store.Database().Outbox(ctx)
	out := metrics.Outbox{Queued: queued}
	if queued > 0 {
		out.Oldest = max(0, s.in.now().Sub(since))
	}
	return out, err
}

func (s source) Lanes() metrics.Lanes { return metrics.Lanes(s.in.mailer.Lanes()) }

// sealer counts what the keyring does for the store.
type sealer struct {
	*secret.Keyring
	count *metrics.Metrics
}

func (s sealer) Seal(aad string, plain []byte) ([]byte, error) {
	out, err := s.Keyring.Seal(aad, plain)
	s.count.Seal("seal", err)
	return out, err
}

func (s sealer) Open(aad string, sealed []byte) ([]byte, error) {
	out, err := s.Keyring.Open(aad, sealed)
	s.count.Seal("open", err)
	return out, err
}

// serveMetrics listens for Prometheus, where the configuration says so. The function ends it.
func (in *installation) serveMetrics(ctx context.Context) (stop func(context.Context) error, err error) {
	if in.cfg.MetricsListen == "" {
		return func(context.Context) error { return nil }, nil
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", in.cfg.MetricsListen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s for metrics: %w", in.cfg.MetricsListen, err)
	}
	if a, err := netip.ParseAddrPort(ln.Addr().String()); err == nil {
		in.listeners.add(a)
	}
	in.metrics.Watch(source{in}, in.now)
	srv := web.NewServer(in.metrics.Handler(), in.log)
	go func() {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			in.log.ErrorContext(ctx, "metrics are not served any more", slog.String("cause", err.Error()))
		}
	}()
	in.log.InfoContext(ctx, "metrics are served", slog.String("listen", ln.Addr().String()))
	return srv.Shutdown, nil
}

// watched has each run of a job counted, with one line in the log.
func (in *installation) watched(kind string, h store.Handler) store.Handler {
	return func(ctx context.Context, j store.RunningJob) error {
		ctx, span := tracing.StartLinked(in.traces.With(ctx), j.Trace, "job "+kind, "latchkey.job", kind)
		began := in.now()
		outcome := "panicked"
		var err error
		defer func() {
			took := in.now().Sub(began)
			in.metrics.Job(kind, outcome, took)
			span.Set("latchkey.outcome", outcome)
			span.End(failure(outcome))
			in.logJob(ctx, kind, outcome, j.Attempt, took, err)
		}()
		err = h(ctx, j)
		outcome = jobOutcome(err)
		return err
	}
}

// failure is the outcome, where it is one.
func failure(outcome string) string {
	switch outcome {
	case "failed", "canceled", "panicked":
		return outcome
	}
	return ""
}

// startTraces makes the traces' provider, if the environment asks for one. The collector is the
// operator's own choice, like the database: the egress policy is about what strangers name, and does not
// hold here. No redirect is followed and no proxy taken.
func (in *installation) startTraces(ctx context.Context) error {
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: in.egress.TLSConfig(""), ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	var err error
	if in.traces, err = tracing.New(ctx, Version, client, in.log); err != nil {
		return err
	}
	if in.traces != nil {
		in.log.InfoContext(ctx, "traces are sent")
	}
	return nil
}

// tracer has requests begin traces; nil where nobody asked for them.
func (in *installation) tracer() func(context.Context) context.Context {
	if in.traces == nil {
		return nil
	}
	return in.traces.With
}

// jobOutcome is what becomes of a job, in a word.
func jobOutcome(err error) string {
	if _, ok := errors.AsType[*store.JobSnoozedError](err); ok {
		return "snoozed"
	}
	if _, ok := errors.AsType[*store.JobRetryError](err); ok {
		return "retried"
	}
	if _, ok := errors.AsType[*store.JobCanceledError](err); ok {
		return "canceled"
	}
	if err != nil {
		return "failed"
	}
	return "done"
}

func (in *installation) logJob(ctx context.Context, kind, outcome string, attempt int, took time.Duration, err error) {
	level := slog.LevelInfo
	attrs := append(make([]slog.Attr, 0, 5),
		slog.String("kind", kind), slog.String("outcome", outcome), slog.Int("attempt", attempt),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000))
	switch outcome {
	case "snoozed":
		level = slog.LevelDebug // nothing was done: it was not its turn
	case "failed", "canceled":
		level = slog.LevelError
		attrs = append(attrs, slog.String("cause", err.Error()))
	case "panicked":
		level = slog.LevelError
	}
	in.log.LogAttrs(context.WithoutCancel(ctx), level, "job", attrs...)
}
