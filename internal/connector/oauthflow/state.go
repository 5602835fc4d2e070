package oauthflow

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"latchkey/internal/connector"
)

// state is everything that a flow knows between two calls. The engine keeps it sealed.
type state struct {
	Start connector.Start `json:"start"`
	At    string          `json:"at"`
	// Nonce and Verifier belong to the authorize request that is under way.
	Nonce    string    `json:"nonce,omitempty"`
	Verifier string    `json:"verifier,omitempty"`
	Asked    []string  `json:"asked,omitempty"`
	Wish     wish      `json:"wish,omitzero"`
	Where    Endpoints `json:"where,omitzero"`
	// Code is what came back, on its way to the exchange.
	Code string `json:"code,omitempty"`
	// Secret and Person are what was granted, while its mailbox does not open.
	Secret *Secret `json:"secret,omitempty"`
	Person *Person `json:"person,omitempty"`
	// Verdicts are of the last try to open the mailbox.
	Verdicts []connector.Verdict `json:"verdicts,omitempty"`
	// ReadOnly: go on without SMTP.
	ReadOnly bool `json:"read_only,omitempty"`
	// Direct says that an application's backend gave the tokens: nobody can be asked.
	Direct bool `json:"direct,omitempty"`
}

// wish is what the next authorize request should be like.
type wish struct {
	Chooser bool `json:"chooser,omitempty"`
	Consent bool `json:"consent,omitempty"`
	Fresh   bool `json:"fresh,omitempty"`
}

var (
	errState   = errors.New("oauthflow: the state of the flow cannot be read")
	errWork    = errors.New("oauthflow: a work that this connector does not know")
	errEntropy = errors.New("oauthflow: the engine gave no random bytes")
)

func decodeState(b []byte) (*state, error) {
	var s state
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("%w: %w", errState, err)
	}
	if s.Start.App == nil {
		return nil, errState
	}
	return &s, nil
}

// bytes encodes the state. It is made of strings and numbers, which always encode.
func (s *state) bytes() []byte {
	b, err := json.Marshal(s)
	if err != nil {
		return nil
	}
	return b
}

func (s *state) app() connector.App { return *s.Start.App }

// fresh draws nonce and verifier from the engine's random bytes. Each has a label, so that neither
// tells of the other.
func (s *state) fresh(entropy []byte) error {
	if len(entropy) < 32 {
		return errEntropy
	}
	s.Nonce, s.Verifier = draw("nonce", entropy), draw("pkce", entropy)
	s.Code, s.Secret, s.Person, s.ReadOnly, s.Verdicts = "", nil, nil, false, nil
	return nil
}

func draw(label string, entropy []byte) string {
	sum := sha256.Sum256(append([]byte("latchkey oauth "+label+"\x00"), entropy...))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// expected is whose account it has to be; empty if the end user chooses.
func (s *state) expected() string {
	if s.Start.Prior != nil {
		return s.Start.Prior.Identity
	}
	return s.Start.ExpectedIdentity
}

// delegated tells whether the mailbox is another's than who signs in, and whose.
func (f *Flow) delegated(s *state) string {
	if !f.Spec.Shared || !s.Start.Options.Delegated {
		return ""
	}
	return lower(firstOf(s.expected(), s.Start.Email))
}
