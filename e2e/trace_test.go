package e2e_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"latchkey/internal/tracing/otlptest"
)

// TestTracesOfAJourney receives what a collector would while a mailbox is connected: the request that
// sent the password, its commit, the work that it led to, and the connections of that, in one trace; and
// nothing that is nobody's business.
func TestTracesOfAJourney(t *testing.T) {
	t.Parallel()
	collector := otlptest.Start(t)
	mail := newMail(t, "traced.test")
	s := run(t, mail.env, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL, "OTEL_BSP_SCHEDULE_DELAY": "100"})
	backend := s.receive()
	email, password := mail.user(s.install, "maria@traced.test")
	l := s.api.link(t, backend.links())
	done := s.visit(l).mustConnect(t, email, password)
	backend.await(t, l.id, "CREATION_SUCCESS")

	var chain map[string]int
	linked := false
	eventually(t, time.Minute, "a whole trace arrives", func() bool {
		spans := collector.Spans()
		byID := map[string]*tracepb.Span{}
		for _, sp := range spans {
			byID[string(sp.GetSpanId())] = sp
		}
		chain = map[string]int{}
		for _, sp := range spans {
			if sp.GetName() == "delivery" && len(sp.GetLinks()) == 1 {
				from := byID[string(sp.GetLinks()[0].GetSpanId())]
				linked = linked || from != nil && from.GetName() == "flow commit" && string(from.GetTraceId()) != string(sp.GetTraceId())
			}
			var names []string
			for at := sp; at != nil; at = byID[string(at.GetParentSpanId())] {
				names = append(names, at.GetName())
			}
			chain[strings.Join(names, " < ")]++
		}
		return chain["connect mail < work verify < /c/{token}/flow"] >= 2 && chain["flow commit < /c/{token}/flow"] > 0 &&
			linked &&
			hasPrefix(chain, "job funnel") && chain["call webhook < delivery"] > 0 && hasPrefix(chain, "POST /v1/")
	})
	if t.Failed() {
		t.Fatalf("what arrived: %v", chain)
	}
	raw := collector.Raw()
	for _, secret := range []string{password, email, "maria", "traced.test", l.url[strings.LastIndex(l.url, "/")+1:], s.key, done.Result.AccountID, backend.url} {
		if bytes.Contains(raw, []byte(secret)) {
			t.Errorf("%q went to the collector", secret)
		}
	}
	// The end sends what waits.
	if code, _ := s.stop(); code != 0 {
		t.Errorf("the exit status is %d", code)
	}
}

func hasPrefix(chain map[string]int, prefix string) bool {
	for name := range chain {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
