package sqlstore

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"latchkey/internal/store"
)

// ms is a time as it is kept: milliseconds since 1970, rounded down; 0 for no time.
func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// at is the time that ms kept.
func at(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// blob is b for a column that does not take NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// bytesOf is what blob kept: nothing is nil.
func bytesOf(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

// toJSON keeps a list or a map; an empty one is empty text.
func toJSON[T any](v T, n int) (string, error) {
	if n == 0 {
		return "", nil
	}
	b, err := json.Marshal(v)
	return string(b), err
}

func fromJSON[T any](s, what string) (v T, err error) {
	if s == "" {
		return v, nil
	}
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		return v, fmt.Errorf("sqlstore: reading %s: %w", what, err)
	}
	return v, nil
}

// raw is a column of JSON whose form is its owner's.
func raw(s string) json.RawMessage {
	if s == "" {
		return nil
	}
	return json.RawMessage(s)
}

// maxPage is the longest page of a list.
const maxPage = 250

func pageSize(n int) int32 {
	return int32(min(max(n, 1), maxPage)) //nolint:gosec // between 1 and 250
}

func limit(n int) int32 {
	return int32(min(max(n, 1), 100_000)) //nolint:gosec // between 1 and 100,000
}

// before is where a page begins. Ids are ASCII, so that this sorts after all of them.
func before(p store.Page) string {
	if p.Before == "" {
		return "~"
	}
	return p.Before
}

// aad is the place of a sealed value. Only row may hold a bar, so no two places read alike.
func aad(application, table, row, column string) string {
	return strings.Join([]string{application, table, row, column}, "|")
}

// seal encrypts a value for its place. Nothing stays nothing.
func (s *Store) seal(place string, plain []byte) ([]byte, error) {
	if len(plain) == 0 {
		return []byte{}, nil
	}
	sealed, err := s.sealer.Seal(place, plain)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: sealing: %w", err)
	}
	return sealed, nil
}

func (s *Store) unseal(place string, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 {
		return nil, nil
	}
	plain, err := s.sealer.Open(place, sealed)
	if err != nil {
		return nil, fmt.Errorf("%w: at %s: %w", store.ErrUnreadable, place, err)
	}
	return plain, nil
}

// convert turns rows into values; the first that cannot be read ends it.
func convert[R, V any](rows []R, one func(R) (V, error)) ([]V, error) {
	out := make([]V, 0, len(rows))
	for _, r := range rows {
		v, err := one(r)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}
