package login

import (
	"errors"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"

	"latchkey/internal/errs"
)

// This file is the only one that knows the IMAP library: its version 2 is not frozen yet.

// loginIMAP logs in on an open connection, asks for INBOX and logs out.
func loginIMAP(conn *wire, user, password string) error {
	client := imapclient.New(conn, nil)
	// Close waits for the reader, which ends with the connection; its error is old news by then.
	defer func() { _ = client.Close() }()
	if err := client.WaitGreeting(); err != nil {
		return imapError(err)
	}
	caps := client.Caps()
	if caps == nil {
		return errors.New("login: no capabilities")
	}
	if err := authenticateIMAP(client, caps, user, password); err != nil {
		return err
	}
	// Some providers let a login pass for a mailbox that cannot be read by IMAP, and say so only now.
	if _, err := client.List("", "INBOX", nil).Collect(); err != nil {
		if ie, ok := errors.AsType[*imap.Error](err); ok {
			e := imapRefusal(true, string(ie.Code), ie.Text)
			return e
		}
		return imapError(err)
	}
	// A server that forgets to say goodbye has still let us in.
	_ = client.Logout().Wait()
	return nil
}

// authenticateIMAP picks how to log in: AUTHENTICATE PLAIN takes passwords in UTF-8 (RFC 4616 §2),
// LOGIN is only defined for ASCII (RFC 3501 §6.2.3) and comes second, with literals.
func authenticateIMAP(client *imapclient.Client, caps imap.CapSet, user, password string) error {
	canLogin := !caps.Has(imap.CapLoginDisabled)
	if caps.Has(imap.AuthCap(sasl.Plain)) {
		err := client.Authenticate(sasl.NewPlainClient("", user, password))
		ie, refused := errors.AsType[*imap.Error](err)
		if err == nil || !refused || !canLogin || !unsupported(ie) {
			return imapError(err)
		}
	}
	switch {
	case canLogin:
		return imapError(client.Login(user, password).Wait())
	case caps.Has(imap.AuthCap(sasl.Login)):
		return imapError(client.Authenticate(&loginMechanism{user: user, password: password}))
	case caps.Has(imap.AuthCap("XOAUTH2")), caps.Has(imap.AuthCap(sasl.OAuthBearer)):
		return &Error{Code: errs.CodeUseOAuth}
	default:
		return &Error{Code: errs.CodeNoAuthMethod}
	}
}

// unsupported tells whether a server that lists a mechanism did not know it after all. A refusal of
// the password must not be taken for it: the second try would count as a second wrong password.
func unsupported(ie *imap.Error) bool {
	if ie.Type == imap.StatusResponseTypeBad {
		return true
	}
	low := strings.ToLower(ie.Text)
	return ie.Code == "" && strings.Contains(low, "mechanism")
}

// imapError translates the library's errors; nil stays nil.
func imapError(err error) error {
	if err == nil {
		return nil
	}
	if ie, ok := errors.AsType[*imap.Error](err); ok {
		if ie.Type == imap.StatusResponseTypeBye {
			return imapGreetingError(ie.Text)
		}
		return imapRefusal(ie.Type == imap.StatusResponseTypeBad, string(ie.Code), ie.Text)
	}
	return err
}
