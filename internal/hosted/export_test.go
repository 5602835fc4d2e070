package hosted

import (
	"context"

	"latchkey"
	"latchkey/internal/connector"
)

// WithParams opens withParams to the fuzz test.
func WithParams(raw string, kv ...string) string {
	var ps []param
	for i := 0; i+1 < len(kv); i += 2 {
		ps = append(ps, param{kv[i], kv[i+1]})
	}
	return withParams(raw, ps...)
}

// Sweep opens sweep: in a test nobody waits a minute.
func (e *Engine) Sweep(ctx context.Context) { e.sweep(ctx) }

// DirectProblem is what Connect answers where a connector asks instead of granting.
func DirectProblem(turn connector.Turn) error { return directProblem(turn) }

// SameJSON opens sameJSON.
func SameJSON(a, b string) bool { return sameJSON([]byte(a), []byte(b)) }

// SameHolder opens sameHolder.
func SameHolder(acc latchkey.Account, p latchkey.Provider, identity string) bool {
	return sameHolder(acc, p, identity)
}
