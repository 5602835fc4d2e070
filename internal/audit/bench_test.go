package audit_test

import (
	"log/slog"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/audit"
)

// BenchmarkCount is what the audit trail costs a link.
func BenchmarkCount(b *testing.B) {
	t := audit.New(audit.Config{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	e := latchkey.AuditEntry{ApplicationID: "app_1", Actor: latchkey.ActorKey, ActorID: "key_1", ActorName: "first key", Action: "create_link", Address: "192.0.2.1"}
	b.ReportAllocs()
	for b.Loop() {
		t.Count(e)
	}
}
