package login

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"latchkey/internal/errs"
)

// This file is the only one that knows the SMTP library.

// probeSMTP tells whether the server takes logins.
func probeSMTP(conn *wire) error {
	client := smtp.NewClient(conn)
	if err := client.Hello(ehloName); err != nil {
		return smtpError(err)
	}
	if len(mechanisms(client)) == 0 {
		return &Error{Code: errs.CodeNoAuthMethod}
	}
	// Goodbye is a courtesy; what it answers does not matter.
	_ = client.Quit()
	return nil
}

// loginSMTP logs in on an open connection and says goodbye. Nothing is sent.
func loginSMTP(conn *wire, user, password string) error {
	client := smtp.NewClient(conn)
	if err := client.Hello(ehloName); err != nil {
		return smtpError(err)
	}
	if err := authenticateSMTP(client, user, password); err != nil {
		return err
	}
	if err := client.Noop(); err != nil {
		return smtpError(err)
	}
	_ = client.Quit()
	return nil
}

func authenticateSMTP(client *smtp.Client, user, password string) error {
	mechs := mechanisms(client)
	if slices.Contains(mechs, sasl.Plain) {
		err := client.Auth(sasl.NewPlainClient("", user, password))
		se, refused := errors.AsType[*smtp.SMTPError](err)
		// 504: a mechanism that was listed by mistake (RFC 4954 §4).
		if err == nil || !refused || se.Code != 504 || !slices.Contains(mechs, sasl.Login) {
			return smtpError(err)
		}
	}
	switch {
	case slices.Contains(mechs, sasl.Login):
		return smtpError(client.Auth(&loginMechanism{user: user, password: password}))
	case slices.Contains(mechs, "XOAUTH2"), slices.Contains(mechs, sasl.OAuthBearer):
		return &Error{Code: errs.CodeUseOAuth}
	default:
		return &Error{Code: errs.CodeNoAuthMethod}
	}
}

// mechanisms lists the SASL mechanisms offered, also in the form "AUTH=LOGIN PLAIN" of old servers.
func mechanisms(client *smtp.Client) []string {
	var all []string
	if ok, list := client.Extension("AUTH"); ok {
		all = append(all, strings.Fields(strings.ToUpper(list))...)
	}
	for _, first := range []string{sasl.Plain, sasl.Login} {
		if ok, list := client.Extension("AUTH=" + first); ok {
			all = append(all, first)
			all = append(all, strings.Fields(strings.ToUpper(list))...)
		}
	}
	return all
}

// smtpError translates the library's errors; nil stays nil.
func smtpError(err error) error {
	if err == nil {
		return nil
	}
	if se, ok := errors.AsType[*smtp.SMTPError](err); ok {
		text := se.Message
		if se.EnhancedCode != smtp.NoEnhancedCode && se.EnhancedCode != smtp.EnhancedCodeNotSet {
			text = enhanced(se.EnhancedCode) + " " + text
		}
		return smtpRefusal(se.Code, text)
	}
	return err
}

func enhanced(c smtp.EnhancedCode) string {
	return strconv.Itoa(c[0]) + "." + strconv.Itoa(c[1]) + "." + strconv.Itoa(c[2])
}
