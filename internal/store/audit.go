package store

import (
	"context"
	"sync"
	"time"

	"latchkey"
)

// AuditLog is the audit trail. Lines are written once and never changed.
type AuditLog interface {
	Add(ctx context.Context, entries ...latchkey.AuditEntry) error
	// List returns a page of an application's trail, newest first; an empty id means everything.
	List(ctx context.Context, app latchkey.ApplicationID, p Page) ([]latchkey.AuditEntry, error)
	DeleteBefore(ctx context.Context, before time.Time, limit int) (int, error)
}

// AuditNote is a line that waits for the transaction of what it reports. A context that carries one has
// it written by the first InTx that commits: the line and the change become visible together, or
// neither does. What changes something on behalf of somebody therefore does it inside InTx.
type AuditNote struct {
	mu      sync.Mutex
	entry   latchkey.AuditEntry
	manual  bool
	written bool
}

type auditKey struct{}

// WithAudit returns a context whose first transaction writes the line.
func WithAudit(ctx context.Context, e latchkey.AuditEntry) (context.Context, *AuditNote) {
	n := &AuditNote{entry: e}
	return context.WithValue(ctx, auditKey{}, n), n
}

// WithActor returns a context that only says who acts: whoever does the work writes the line.
func WithActor(ctx context.Context, e latchkey.AuditEntry) context.Context {
	return context.WithValue(ctx, auditKey{}, &AuditNote{entry: e, manual: true})
}

// AuditOf returns the context's note; nil where it has none.
func AuditOf(ctx context.Context) *AuditNote {
	n, _ := ctx.Value(auditKey{}).(*AuditNote)
	return n
}

// Entry is the line as it stands. It may be called on nil.
func (n *AuditNote) Entry() latchkey.AuditEntry {
	if n == nil {
		return latchkey.AuditEntry{}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.entry
}

// Pending tells whether a transaction is to write the line.
func (n *AuditNote) Pending() bool {
	if n == nil {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.manual && !n.written
}

// Done says that the line is durable.
func (n *AuditNote) Done() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.written = true
}

// Target names what was made, where the line does not name it yet. It may be called on nil.
func (n *AuditNote) Target(app latchkey.ApplicationID, id string) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.entry.Target == "" {
		n.entry.Target = id
	}
	if n.entry.ApplicationID == "" {
		n.entry.ApplicationID = app
	}
}
