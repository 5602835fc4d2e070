package mailer_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/mailer"
	"latchkey/internal/mailer/mailertest"
)

// A client and a tenant as Microsoft names them.
const (
	clientID = "7d1f3a5c-0b2e-4c6d-8e9f-a0b1c2d3e4f5"
	tenantID = "0a1b2c3d-4e5f-4a6b-8c7d-9e8f7a6b5c4d"
)

// entra is a token endpoint in Microsoft's shape, and Microsoft Graph's sendMail.
type entra struct {
	*httptest.Server
	asked atomic.Int64

	mu     sync.Mutex
	scopes []string
	// refuse answers the token endpoint with this description.
	refuse string
	// valid is the only token that mail hosts take; each asking makes a new one.
	valid string
	mails []string
	// roles, if set, makes tokens JWTs with these application permissions, as Microsoft's are.
	roles []string
	// mailbox is what Graph answers to who looks at a mailbox.
	mailbox int
}

func newEntra(t *testing.T) *entra {
	t.Helper()
	e := &entra{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", e.token)
	mux.HandleFunc("POST /token", e.token)
	mux.HandleFunc("POST /v1.0/users/{user}/sendMail", e.sendMail)
	mux.HandleFunc("GET /v1.0/users/{user}", e.showMailbox)
	mux.HandleFunc("POST /introspect", e.introspect)
	e.Server = httptest.NewServer(mux)
	t.Cleanup(e.Close)
	return e
}

func (e *entra) token(w http.ResponseWriter, r *http.Request) {
	n := e.asked.Add(1)
	e.mu.Lock()
	defer e.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	right := (r.FormValue("client_id") == "client-1" || r.FormValue("client_id") == clientID) && r.FormValue("client_secret") == password &&
		(r.PathValue("tenant") == "tenant-1" || r.PathValue("tenant") == tenantID)
	if r.FormValue("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		right = strings.Count(r.FormValue("assertion"), ".") == 2
	}
	switch {
	case e.refuse != "":
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprintf(w, `{"error":"invalid_client","error_description":%q}`, e.refuse)
	case !right:
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"invalid_request"}`)
	default:
		e.scopes = append(e.scopes, r.FormValue("scope"))
		e.valid = fmt.Sprintf("token-%d", n)
		if e.roles != nil {
			claims, _ := json.Marshal(map[string]any{"aud": "https://outlook.office365.com", "roles": e.roles, "n": n}) // strings and numbers
			e.valid = "e30." + base64.RawURLEncoding.EncodeToString(claims) + ".c2ln"
		}
		_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3599}`, e.valid)
	}
}

func (e *entra) sendMail(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer "+e.valid {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":{"code":"InvalidAuthenticationToken","message":"expired"}}`)
		return
	}
	raw, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, r.Body))
	if err != nil || r.PathValue("user") != "hello@acme.test" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	e.mails = append(e.mails, string(raw))
	w.WriteHeader(http.StatusAccepted)
}

func (e *entra) showMailbox(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	status := e.mailbox
	if r.Header.Get("Authorization") != "Bearer "+e.valid {
		status = http.StatusUnauthorized
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"error":{"code":"Request_ResourceNotFound","message":"said"}}`)
}

// introspect is RFC 7662, for a mail server that asks about tokens.
func (e *entra) introspect(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	token := r.FormValue("token")
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"active": token == e.valid, "email": "hello@acme.test"}) // the client went away
}

// revoke makes every token so far invalid.
func (e *entra) revoke() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.valid = "none"
}

func (e *entra) accepts(user, token string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return user == "hello@acme.test" && token == e.valid
}

// microsoftLab has a sender with client credentials, whose mail host takes the provider's tokens.
func microsoftLab(t *testing.T, change func(*latchkey.Sender)) (*lab, *entra, *mailertest.Server) {
	t.Helper()
	e := newEntra(t)
	host := newHost(t, mailertest.Config{Tokens: e.accepts})
	l := newLab(t, host, func(c *mailer.Config) {
		c.Providers = mailer.Providers{
			MicrosoftAuthority: e.URL, MicrosoftGraph: e.URL, GoogleToken: e.URL + "/token",
			MicrosoftSMTP: mailer.Server{Host: "localhost", Port: host.Port(), Encryption: mailer.EncryptionSTARTTLS},
			GoogleSMTP:    mailer.Server{Host: "localhost", Port: host.Port(), Encryption: mailer.EncryptionSTARTTLS},
		}
	})
	l.sender(host, func(s *latchkey.Sender) {
		s.Kind, s.Provider, s.ClientID, s.ClientSecret, s.Tenant = latchkey.SenderOAuth, latchkey.Microsoft, "client-1", password, "tenant-1"
		s.Host, s.Port, s.Username, s.Password = "", 0, "", ""
		if change != nil {
			change(s)
		}
	})
	return l, e, host
}

func (l *lab) codeMail() latchkey.MailID {
	return l.queue(mailer.Message{ApplicationID: l.app.ID, Values: map[string]string{mailer.ValueCode: "493021"}})
}

// TestMicrosoft sends with one token, and with a new one after it was revoked; never over more
// connections than Exchange takes.
func TestMicrosoft(t *testing.T) {
	t.Parallel()
	l, e, host := microsoftLab(t, nil)
	var ids []latchkey.MailID
	for range 3 {
		ids = append(ids, l.codeMail())
	}
	for _, id := range ids {
		l.await(l.app.ID, id, latchkey.MailAccepted)
	}
	if n := e.asked.Load(); n != 1 {
		t.Errorf("%d tokens were asked for", n)
	}
	if e.scopes[0] != "https://outlook.office365.com/.default" {
		t.Error(e.scopes)
	}
	if m := host.Messages()[0]; m.User != "hello@acme.test" || m.From != "hello@acme.test" {
		t.Errorf("%+v", m)
	}
	e.revoke()
	host.Misbehave(mailertest.StageFrom, mailertest.Fault{Close: true, Times: 1}) // a new connection is needed
	l.await(l.app.ID, l.codeMail(), latchkey.MailAccepted)
	if host.Peak() > 3 {
		t.Errorf("%d connections at once", host.Peak())
	}
	if strings.Contains(l.log.String(), password) || strings.Contains(l.log.String(), "token-") {
		t.Error("the log holds a secret")
	}
}

// TestExchangePace hands over no more than the mailbox may send; the rest waits.
func TestExchangePace(t *testing.T) {
	t.Parallel()
	l, _, host := microsoftLab(t, nil)
	for range 12 {
		l.codeMail()
	}
	l.until("the first mails", func() bool { return len(host.Messages()) >= 3 })
	time.Sleep(300 * time.Millisecond) // many looks at the outbox
	if n := len(host.Messages()); n > 4 {
		t.Errorf("%d mails at once, though 30 a minute are allowed", n)
	}
}

func TestTokenTrouble(t *testing.T) {
	t.Parallel()
	for description, code := range map[string]errs.Code{
		"AADSTS7000215: Invalid client secret provided.":    errs.CodeClientSecret,
		"AADSTS7000222: The provided keys are expired.":     errs.CodeClientSecretExpired,
		"AADSTS700016: Application with identifier unknown": errs.CodeClientID,
		"AADSTS90002: Tenant not found.":                    errs.CodeTenant,
	} {
		t.Run(string(code), func(t *testing.T) {
			t.Parallel()
			l, e, _ := microsoftLab(t, nil)
			e.mu.Lock()
			e.refuse = description
			e.mu.Unlock()
			l.awaitCode(l.codeMail(), code)
		})
	}
}

// TestGraph sends MIME by Microsoft Graph, and asks for a token once more where it is refused.
func TestGraph(t *testing.T) {
	t.Parallel()
	l, e, _ := microsoftLab(t, func(s *latchkey.Sender) { s.Transport = latchkey.TransportGraph })
	l.await(l.app.ID, l.codeMail(), latchkey.MailAccepted)
	e.revoke()
	l.await(l.app.ID, l.codeMail(), latchkey.MailAccepted)
	if len(e.mails) != 2 || !strings.Contains(e.mails[0], "493021") || !strings.Contains(e.mails[0], "From: \"Acme, Inc.\" <hello@acme.test>") || e.scopes[0] != e.URL+"/.default" {
		t.Errorf("%q %q", e.mails, e.scopes)
	}
}

// TestGoogle signs for the mailbox with a service account.
func TestGoogle(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	account, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "robot@acme.iam.test", "private_key_id": "1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": "https://evil.test/token",
	})
	must(t, err)
	l, e, host := microsoftLab(t, func(s *latchkey.Sender) {
		s.Provider, s.ServiceAccount, s.ClientID, s.ClientSecret = latchkey.Google, string(account), "", ""
	})
	l.await(l.app.ID, l.codeMail(), latchkey.MailAccepted)
	if e.asked.Load() != 1 || host.Messages()[0].User != "hello@acme.test" {
		t.Errorf("%d, %+v", e.asked.Load(), host.Messages()[0])
	}
}

func TestBrokenServiceAccount(t *testing.T) {
	t.Parallel()
	l, _, _ := microsoftLab(t, func(s *latchkey.Sender) {
		s.Provider, s.ServiceAccount = latchkey.Google, `{"type":"service_account","client_email":"a@b.test","private_key":"CANARY-key"}`
	})
	m := l.awaitCode(l.codeMail(), errs.CodeServiceAccount)
	if strings.Contains(m.Detail+l.log.String(), "CANARY") {
		t.Error("the key is shown")
	}
}
