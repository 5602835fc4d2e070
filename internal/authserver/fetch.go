package authserver

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/safehttp"
)

// Timeout and MaxAnswer bound one request; the client has to be made with them.
const (
	Timeout   = 8 * time.Second
	MaxAnswer = 32 << 10
)

// Limits of what is taken for a credential.
const (
	maxUser     = 320
	maxPassword = 1024
	maxToken    = 16 << 10
	maxLife     = 400 * 24 * time.Hour
)

// answer is what the server says. What else it says is passed over.
type answer struct {
	User        string `json:"user"`
	Pass        string `json:"pass"`
	AccessToken string `json:"accessToken"`
	// ExpiresIn is optional: seconds until the access token ends.
	ExpiresIn float64 `json:"expiresIn"`
}

// Target is the address that is asked: the application's own with account and proto in its query.
func Target(base string, r connector.LoanRequest) (*url.URL, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	q := u.Query()
	q.Set("account", r.Account)
	q.Set("proto", r.Protocol)
	u.RawQuery = q.Encode()
	return u, nil
}

func (s *Service) fetch(ctx context.Context, app latchkey.Application, r connector.LoanRequest) (connector.Loan, error) {
	target, err := Target(app.AuthServerURL, r)
	if err != nil {
		return connector.Loan{}, refused(err, "The address of the authentication server is not one that can be called.")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return connector.Loan{}, refused(err, "The address of the authentication server is not one that can be called.")
	}
	req.Header.Set("Accept", "application/json")
	// Method and target stand in for the body that a GET does not have: a notification, whose body is
	// JSON, can never be passed off as this, nor one request as another.
	signed := http.MethodGet + " " + req.URL.RequestURI()
	if err := s.cfg.Sign(req.Header, app.SigningSecrets(s.cfg.Now()), "req_"+rand.Text(), s.cfg.Now(), []byte(signed)); err != nil {
		return connector.Loan{}, err
	}
	res, err := s.cfg.Client.Do(req)
	if err != nil {
		return connector.Loan{}, noAnswer(err)
	}
	defer func() { _ = res.Body.Close() }() // read as far as it is wanted
	if err := status(res.StatusCode); err != nil {
		return connector.Loan{}, err
	}
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return connector.Loan{}, noAnswer(err)
	}
	return read(raw, s.cfg.Now())
}

// noAnswer is why no whole answer came.
func noAnswer(err error) error {
	e := safehttp.Explain(err)
	switch e.Code {
	case errs.CodeHostNotAllowed, errs.CodePortNotAllowed:
		return refused(err, "This installation does not connect to the address of the authentication server. Its operator can allow it (LATCHKEY_ALLOW_WEBHOOK).")
	}
	return errs.Wrap(err, errs.Unavailable, errs.CodeAuthServerUnreachable, "The authentication server gave no answer: "+e.Detail)
}

func refused(cause error, detail string) error {
	return errs.Wrap(cause, errs.Conflict, errs.CodeAuthServerRefused, detail)
}

// status tells an answer from an outage: what passes by itself is one.
func status(code int) error {
	said := "The authentication server answered with status " + strconv.Itoa(code) + "."
	switch {
	case code == http.StatusOK:
		return nil
	case code >= 500, code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests:
		return errs.New(errs.Unavailable, errs.CodeAuthServerUnreachable, said)
	default:
		return refused(nil, said)
	}
}

// read takes a credential out of an answer, or says what is wrong with it, never what it holds.
func read(raw []byte, now time.Time) (connector.Loan, error) {
	var a answer
	if !utf8.Valid(raw) || json.Unmarshal(raw, &a) != nil {
		return connector.Loan{}, refused(nil, "The authentication server's answer is not the JSON object that is asked for.")
	}
	oneLine := func(s string) bool { return !strings.ContainsAny(s, "\x00\r\n") }
	switch {
	case a.User == "" || len(a.User) > maxUser || !oneLine(a.User):
		return connector.Loan{}, refused(nil, "The authentication server's answer has no user, or one that cannot be.")
	case (a.Pass == "") == (a.AccessToken == ""):
		return connector.Loan{}, refused(nil, "The authentication server's answer must have either pass or accessToken.")
	case len(a.Pass) > maxPassword || !oneLine(a.Pass):
		return connector.Loan{}, refused(nil, "The authentication server's pass cannot be a password.")
	case len(a.AccessToken) > maxToken || strings.ContainsFunc(a.AccessToken, func(r rune) bool { return r <= ' ' || r > '~' }):
		return connector.Loan{}, refused(nil, "The authentication server's accessToken cannot be one.")
	}
	l := connector.Loan{User: a.User, Password: a.Pass, AccessToken: a.AccessToken}
	if a.AccessToken != "" && a.ExpiresIn > 0 && a.ExpiresIn < maxLife.Seconds() {
		l.ExpiresAt = now.Add(time.Duration(a.ExpiresIn * float64(time.Second))).UTC().Truncate(time.Second)
	}
	return l, nil
}
