package hosted_test

import (
	"testing"

	"latchkey/internal/pgtest"
)

func pgURL(t *testing.T) string {
	t.Helper()
	return pgtest.URL(t)
}
