package metrics_test

import (
	"testing"
	"time"

	"latchkey/internal/metrics"
)

// BenchmarkRequest is what counting an answer costs.
func BenchmarkRequest(b *testing.B) {
	m := metrics.New(metrics.Build{})
	b.ReportAllocs()
	for b.Loop() {
		m.Request("POST /v1/links", 201, time.Millisecond)
	}
}
