package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/internal/connector/imap/dovecottest"
)

// entra gives tokens to a client of a tenant as Microsoft does, and tells a mail host whose they are.
type entra struct {
	*httptest.Server
	client, tenant, secret, mailbox string

	mu     sync.Mutex
	tokens map[string]bool
}

func newEntra(t *testing.T, secret, mailbox string) *entra {
	t.Helper()
	e := &entra{
		client: "7d1f3a5c-0b2e-4c6d-8e9f-a0b1c2d3e4f5", tenant: "0a1b2c3d-4e5f-4a6b-8c7d-9e8f7a6b5c4d", secret: secret, mailbox: mailbox,
		tokens: map[string]bool{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", e.token)
	mux.HandleFunc("POST /introspect", e.introspect)
	e.Server = httptest.NewServer(mux)
	t.Cleanup(e.Close)
	return e
}

// token is learn.microsoft.com, “OAuth 2.0 client credentials flow on the Microsoft identity platform”.
func (e *entra) token(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	refuse := func(status int, code, text string) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": code, "error_description": text}) // the client went away
	}
	switch {
	case r.PathValue("tenant") != e.tenant:
		refuse(http.StatusBadRequest, "invalid_request", "AADSTS90002: Tenant '"+r.PathValue("tenant")+"' not found.")
	case r.FormValue("client_id") != e.client:
		refuse(http.StatusBadRequest, "unauthorized_client", "AADSTS700016: Application with identifier '"+r.FormValue("client_id")+"' was not found in the directory.")
	case r.FormValue("client_secret") != e.secret:
		refuse(http.StatusUnauthorized, "invalid_client", "AADSTS7000215: Invalid client secret provided.")
	case r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "https://outlook.office365.com/.default":
		refuse(http.StatusBadRequest, "invalid_scope", "AADSTS70011: The provided value for the input parameter 'scope' is not valid.")
	default:
		claims, _ := json.Marshal(map[string]any{"aud": "https://outlook.office365.com", "roles": []string{"SMTP.SendAsApp"}, "iat": time.Now().UnixNano()}) // strings and a number
		token := "e30." + base64.RawURLEncoding.EncodeToString(claims) + ".c2ln"
		e.mu.Lock()
		e.tokens[token] = true
		e.mu.Unlock()
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 3599}) // the client went away
	}
}

// introspect is RFC 7662.
func (e *entra) introspect(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	known := e.tokens[r.FormValue("token")]
	e.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"active": known, "email": e.mailbox}) // the client went away
}

func (e *entra) given() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.tokens)
}

// postOffice is an installation whose default sender, and whose applications' mail hosts, are a real
// Dovecot, which delivers into mailboxes of its own.
type postOffice struct {
	*server
	host  *dovecottest.Server
	entra *entra
	boxes map[string]string // passwords
	read  map[string]int
}

// The addresses of a post office. Nobody signs in with the first three.
const (
	officeDefault = "codes@" + houseDomain
	officeBasic   = "login@" + houseDomain
	officeOAuth   = "hello@" + houseDomain
	officeUser    = "maria@" + houseDomain
)

func newPostOffice(t *testing.T) *postOffice {
	t.Helper()
	in := newInstall(t)
	o := &postOffice{boxes: map[string]string{}, read: map[string]int{}}
	for i, box := range []string{officeDefault, officeBasic, officeOAuth, officeUser} {
		o.boxes[box] = in.seen.core + fmt.Sprint("-", i)
	}
	o.entra = newEntra(t, in.seen.core+"~client", officeOAuth)
	o.host = dovecottest.Start(t, dovecottest.Config{Names: []string{houseServer}, Users: o.boxes, Introspection: o.entra.URL + "/introspect", Deliver: true})
	zone := []string{houseServer + ". 60 IN A 127.0.0.1", houseDomain + ". 60 IN MX 10 " + houseServer + ".", houseDomain + `. 60 IN TXT "v=spf1 mx ~all"`}
	for k, v := range mailEnv(t, zone, []string{port(o.host.Submission), port(o.host.Submissions)}, o.host.CAPEM) {
		in.env[k] = v
	}
	in.env["LATCHKEY_BASE_URL"] = strings.Replace(in.env["LATCHKEY_BASE_URL"], "127.0.0.1", "localhost", 1)
	in.env["LATCHKEY_SMTP_URL"] = (&url.URL{Scheme: "smtp+starttls", User: url.UserPassword(officeDefault, o.boxes[officeDefault]), Host: houseServer + ":" + port(o.host.Submission)}).String()
	in.env["LATCHKEY_SMTP_FROM"] = "House <" + officeDefault + ">"
	in.env["LATCHKEY_ALLOW_OAUTH"], in.env["LATCHKEY_MICROSOFT_AUTHORITY"] = "127.0.0.0/8", o.entra.URL
	in.env["LATCHKEY_MICROSOFT_SMTP"] = "smtp+starttls://" + houseServer + ":" + port(o.host.Submission)
	o.server = in.start()
	return o
}

// next waits for the next mail in a mailbox, which it reads over IMAP.
func (o *postOffice) next(t *testing.T, box string) *mail.Message {
	t.Helper()
	var found *mail.Message
	eventually(t, 30*time.Second, "no mail came to "+box, func() bool {
		all := o.host.Inbox(t, box, o.boxes[box])
		if len(all) <= o.read[box] {
			return false
		}
		m, err := mail.ReadMessage(bytes.NewReader(all[o.read[box]]))
		if err != nil {
			t.Fatal(err)
		}
		o.read[box]++
		found = m
		return true
	})
	if found == nil {
		t.Fatalf("mail host: %s", o.host.Log())
	}
	return found
}

// proof reads the question in a sender's mailbox, and returns its link.
func (o *postOffice) proof(t *testing.T, box string) string {
	t.Helper()
	m := o.next(t, box)
	body, err := io.ReadAll(m.Body)
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(regexp.QuoteMeta(o.base) + `/[a-z/-]+/[A-Za-z0-9_-]{43}`).FindString(strings.ReplaceAll(strings.ReplaceAll(string(body), "=\r\n", ""), "=3D", "="))
	if link == "" {
		t.Fatalf("no link in the question:\n%s", body)
	}
	o.seen.token(link[strings.LastIndexByte(link, '/')+1:])
	return link
}

// signsIn has somebody sign in, and returns what the mail with the code comes from.
func (o *postOffice) signsIn(t *testing.T) string {
	t.Helper()
	o.api.must(t, http.StatusAccepted, http.MethodPost, "/v1/signins", fields{"email": officeUser})
	m := o.next(t, officeUser)
	return m.Header.Get("From")
}
