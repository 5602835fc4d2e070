package secret

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// mask is what a Text shows of itself, whatever its length.
const mask = "***"

// Text holds a secret string. Everything that prints, logs or marshals it gets ***; only Reveal
// gives it away.
//
// The string stands behind a pointer because fmt cannot call methods on unexported fields of
// other structs: there it prints an address instead of the secret.
type Text struct{ s *string }

// NewText hides s.
func NewText(s string) Text {
	if s == "" {
		return Text{}
	}
	return Text{s: &s}
}

// Reveal returns the secret itself.
func (t Text) Reveal() string {
	if t.s == nil {
		return ""
	}
	return *t.s
}

// IsZero tells whether there is no secret.
func (t Text) IsZero() bool { return t.s == nil }

// Equal compares in constant time for secrets of equal length.
func (t Text) Equal(other Text) bool {
	return subtle.ConstantTimeCompare([]byte(t.Reveal()), []byte(other.Reveal())) == 1
}

// Format writes *** for every verb.
func (t Text) Format(f fmt.State, _ rune) {
	// fmt.State keeps its own error; a Formatter has nowhere to return one.
	_, _ = io.WriteString(f, mask)
}

// String returns ***.
func (t Text) String() string { return mask }

// GoString returns ***.
func (t Text) GoString() string { return mask }

// LogValue logs ***.
func (t Text) LogValue() slog.Value { return slog.StringValue(mask) }

// MarshalJSON writes "***": a secret that must travel is revealed on purpose.
func (t Text) MarshalJSON() ([]byte, error) { return json.Marshal(mask) }

// MarshalText writes ***.
func (t Text) MarshalText() ([]byte, error) { return []byte(mask), nil }

// UnmarshalText takes the secret from configuration.
func (t *Text) UnmarshalText(b []byte) error {
	*t = NewText(string(b))
	return nil
}

// UnmarshalJSON takes the secret from a JSON string.
func (t *Text) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		// The decoder's own message quotes what it read.
		return errors.New("secret: a secret must be a JSON string")
	}
	*t = NewText(s)
	return nil
}
