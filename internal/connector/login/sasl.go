package login

import (
	"errors"

	"github.com/emersion/go-sasl"
)

// loginMechanism is SASL LOGIN, which was never standardised: the server asks twice, in words that
// differ between servers, for the name and then for the password.
type loginMechanism struct {
	user, password string
	asked          int
}

var _ sasl.Client = (*loginMechanism)(nil)

func (l *loginMechanism) Start() (mech string, ir []byte, err error) { return sasl.Login, nil, nil }

func (l *loginMechanism) Next([]byte) ([]byte, error) {
	l.asked++
	switch l.asked {
	case 1:
		return []byte(l.user), nil
	case 2:
		return []byte(l.password), nil
	default:
		return nil, errors.New("login: a third question in SASL LOGIN")
	}
}
