package login

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"latchkey/internal/errs"
)

// xoauth2 is the mechanism's name. Google and Microsoft made it before there was OAUTHBEARER
// (RFC 7628), and Microsoft knows no other.
const xoauth2 = "XOAUTH2"

// XOAUTH2 is the client's side of the mechanism: one message, and after a refusal an empty one, upon
// which the server says no in its protocol's own way.
type XOAUTH2 struct {
	User, Token string
	refusal     []byte
}

var _ sasl.Client = (*XOAUTH2)(nil)

// Start is the first and only message that says something.
func (x *XOAUTH2) Start() (mech string, ir []byte, err error) {
	return xoauth2, []byte("user=" + x.User + "\x01auth=Bearer " + x.Token + "\x01\x01"), nil
}

// Next takes a description of the refusal, in JSON.
func (x *XOAUTH2) Next(challenge []byte) ([]byte, error) {
	if x.refusal != nil {
		return nil, errors.New("login: a second question in XOAUTH2")
	}
	x.refusal = append([]byte{}, challenge...)
	return []byte{}, nil
}

// refused adds to an error what the description of the refusal says: its status.
func (x *XOAUTH2) refused(err error) error {
	le, ok := errors.AsType[*Error](err)
	if !ok || x.refusal == nil || le.Code != errs.CodeWrongPassword && le.Code != errs.CodeProtocolError {
		return err
	}
	// The refusal has been described by now. The library answers it with "=" in IMAP, where the line has
	// to be empty (RFC 4959 §3 has "=" for initial responses only), and Dovecot calls that BAD.
	le.Code = errs.CodeWrongPassword
	var said struct {
		Status string `json:"status"`
	}
	if json.Unmarshal(x.refusal, &said) == nil && len(said.Status) == 3 {
		le.Text = clean(said.Status + " " + le.Text)
		if said.Status[0] == '5' {
			le.Code = errs.CodeUnavailable
		}
	}
	return le
}

// VerifyToken logs in with an access token (XOAUTH2), does one cheap thing to see that the login is
// usable, and logs out. A token that was not accepted is CodeCredentialRejected.
func (c *Client) VerifyToken(ctx context.Context, p Protocol, s Server, user, token string) error {
	conn, err := c.open(ctx, p, s)
	if err != nil {
		return err
	}
	defer conn.close()
	x := &XOAUTH2{User: user, Token: token}
	err = conn.phase(c.loginTimeout(), p, func() error {
		if p == SMTP {
			return x.refused(tokenSMTP(conn, x))
		}
		return x.refused(tokenIMAP(conn, x))
	})
	if err == nil {
		return nil
	}
	le := asError(err)
	_, said, _ := x.Start()
	le.Text = clean(le.Text, append([]string{base64.StdEncoding.EncodeToString(said), string(said)}, secretForms(user, token)...)...)
	if le.Code == errs.CodeWrongPassword || le.Code == errs.CodeAppPassword {
		le.Code = errs.CodeCredentialRejected
	}
	return le
}

func tokenIMAP(conn *wire, x *XOAUTH2) error {
	client := imapclient.New(conn, nil)
	defer func() { _ = client.Close() }()
	if err := client.WaitGreeting(); err != nil {
		return imapError(err)
	}
	if !client.Caps().Has(imap.AuthCap(xoauth2)) {
		return &Error{Code: errs.CodeNoAuthMethod}
	}
	if err := client.Authenticate(x); err != nil {
		return imapError(err)
	}
	// Microsoft lets a token pass for a mailbox whose IMAP is switched off, and says so only now.
	if _, err := client.List("", "INBOX", nil).Collect(); err != nil {
		if ie, ok := errors.AsType[*imap.Error](err); ok {
			return imapRefusal(true, string(ie.Code), ie.Text)
		}
		return imapError(err)
	}
	_ = client.Logout().Wait()
	return nil
}

func tokenSMTP(conn *wire, x *XOAUTH2) error {
	client := smtp.NewClient(conn)
	if err := client.Hello(ehloName); err != nil {
		return smtpError(err)
	}
	if !slices.Contains(mechanisms(client), xoauth2) {
		return &Error{Code: errs.CodeNoAuthMethod}
	}
	if err := client.Auth(x); err != nil {
		return smtpError(err)
	}
	if err := client.Noop(); err != nil {
		return smtpError(err)
	}
	_ = client.Quit()
	return nil
}
