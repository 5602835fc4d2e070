package mailhost

import (
	"bytes"
	"errors"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-sasl"
)

// xoauth2 is the server's side of Google's and Microsoft's mechanism.
type xoauth2 struct {
	login   func(user, token string) error
	refused error
}

var errXOAUTH2 = errors.New("this is not XOAUTH2")

// Next takes the client's message. A refusal is told in JSON first; the client answers with nothing,
// and is then refused in the protocol's own way.
func (x *xoauth2) Next(response []byte) (challenge []byte, done bool, err error) {
	if x.refused != nil {
		return nil, false, x.refused
	}
	if response == nil {
		return []byte{}, false, nil
	}
	rest, ok := bytes.CutPrefix(response, []byte("user="))
	user, auth, ok2 := bytes.Cut(rest, []byte("\x01auth=Bearer "))
	token, ok3 := bytes.CutSuffix(auth, []byte("\x01\x01"))
	if !ok || !ok2 || !ok3 {
		return nil, false, errXOAUTH2
	}
	if err := x.login(string(user), string(token)); err != nil {
		x.refused = err
		return []byte(`{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}`), false, nil //nolint:nilerr // told after the next message
	}
	return nil, true, nil
}

// accepts tells whether a token opens a user's mailbox.
func (h *Host) accepts(user, token string) bool { return h.tokens != nil && h.tokens(user, token) }

// AuthenticateMechanisms lists what the host takes; XOAUTH2 where it knows whom to ask for tokens.
func (s *imapSession) AuthenticateMechanisms() []string {
	if s.host.tokens == nil {
		return []string{sasl.Plain}
	}
	return []string{sasl.Plain, "XOAUTH2"}
}

// Authenticate logs in by SASL.
func (s *imapSession) Authenticate(mech string) (sasl.Server, error) {
	switch {
	case mech == sasl.Plain:
		return sasl.NewPlainServer(func(identity, user, password string) error {
			if identity != "" && identity != user {
				return &imap.Error{Type: imap.StatusResponseTypeNo, Code: imap.ResponseCodeAuthorizationFailed, Text: "acting for others is not possible"}
			}
			return s.Login(user, password)
		}), nil
	case mech == "XOAUTH2" && s.host.tokens != nil:
		return &xoauth2{login: func(user, token string) error { return s.enter(user, s.host.accepts(user, token)) }}, nil
	default:
		return nil, &imap.Error{Type: imap.StatusResponseTypeNo, Text: "SASL mechanism not supported"}
	}
}
