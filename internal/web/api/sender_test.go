package api_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/internal/applications"
	"latchkey/internal/connector/imap/mailhost"
	"latchkey/internal/errs"
	"latchkey/internal/mailer"
	"latchkey/internal/mailer/mailertest"
	"latchkey/internal/safehttp"
	"latchkey/internal/store"
	"latchkey/internal/web/api"
)

// post is the API with a mailer that works, a mail host, and a name server.
type post struct {
	*house
	host    *mailertest.Server
	mailer  *mailer.Service
	senders *mailer.Senders
}

// later and laterMails let the house's configuration refer to what is made after it.
type (
	later      struct{ api.Senders }
	laterMails struct{ mails }
	mails      = api.Mails
)

func newPost(t *testing.T) *post {
	t.Helper()
	host, err := mailertest.Start(mailertest.Config{Users: map[string]string{"acme": canary, "relay": canary}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = host.Close() })
	dns, err := mailhost.StartDNS("", `acme.test. 60 IN TXT "v=spf1 mx ~all"`, `localhost. 60 IN A 127.0.0.1`)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dns.Close)
	p := &post{host: host}
	s := &later{}
	m := &laterMails{}
	p.house = newHouse(t, func(c *api.Config) { c.Senders, c.Mails = s, m })
	log := slog.New(slog.NewJSONHandler(p.logs, nil))
	egress, err := safehttp.New(safehttp.Config{AllowMail: []string{fmt.Sprintf("127.0.0.0/8:%d", host.Port())}, RootCAs: host.Roots(), DNSServer: dns.Addr(), Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		return egress.DialContext(ctx, safehttp.Mail, network, address)
	}
	p.mailer, err = mailer.New(mailer.Config{
		Store: p.store, Now: p.now, Log: log, Dial: dial, DialRelay: dial, TLS: egress.TLSConfig, OAuth: http.DefaultClient, Events: herald{p.now},
		AppName: func(context.Context, store.Tx, latchkey.Application) string { return "Acme" }, Poll: 20 * time.Millisecond,
		Default: mailer.Relay{Host: "localhost", Port: host.Port(), Encryption: mailer.EncryptionSTARTTLS, Username: "relay", Password: canary, Email: "login@latchkey.test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.senders = mailer.NewSenders(mailer.SendersConfig{
		Mailer: p.mailer, DNS: egress, ProofURL: func(token string) string { return "https://connect.test/senders/" + token },
		PortOpen: func(port int) bool { return egress.Lists(safehttp.Mail, port) },
	})
	s.Senders, m.mails = p.senders, p.mailer
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.mailer.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *post) basic() string {
	return fmt.Sprintf(`{"kind":"basic","sender_email":"Login@acme.test","sender_name":"Acme","host":"localhost","port":%d,"username":"acme","password":"%s"}`, p.host.Port(), canary)
}

var proofToken = regexp.MustCompile(`connect\.test/senders/([A-Za-z0-9_-]{43})`)

// prove answers the last question that the host was given.
func (p *post) prove(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		for _, m := range p.host.Messages() {
			if found := proofToken.FindStringSubmatch(strings.ReplaceAll(string(m.Raw), "=\r\n", "")); found != nil {
				if _, err := p.senders.Prove(t.Context(), found[1]); err != nil {
					t.Fatal(err)
				}
				return
			}
		}
	}
	t.Fatal("no question came")
}

func TestSenderOverTheAPI(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	made := p.as(p.app, "POST", "/v1/senders", p.basic(), "Idempotency-Key: one")
	id := made.str("id")
	want := map[string]any{
		"object": "Sender", "id": id, "kind": "basic", "sender_email": "Login@acme.test", "sender_name": "Acme", "host": "localhost",
		"port": float64(p.host.Port()), "username": "acme", "password_set": true, "provider": nil, "client_id": nil, "client_secret_set": false,
		"tenant_id": nil, "service_account_set": false, "transport": "smtp", "secret_expires_at": nil, "fallback": false, "proven": false, "proven_at": nil,
		"chosen": false, "checked_at": "2026-06-30T11:00:00.000Z", "problem": nil, "created_at": "2026-06-30T11:00:00.000Z", "updated_at": "2026-06-30T11:00:00.000Z",
		"hints": []any{map[string]any{
			"code": "unproven", "url": nil,
			"message": "Nothing is sent from this address yet. A mail was sent there; whoever reads it has to open the link in it and agree.",
		}},
	}
	if diff := cmp.Diff(want, made.body); made.status != 201 || diff != "" {
		t.Fatalf("%d %s\n%s", made.status, made.raw, diff)
	}
	if again := p.as(p.app, "POST", "/v1/senders", p.basic(), "Idempotency-Key: one"); again.str("id") != id {
		t.Errorf("made twice: %s", again.raw)
	}
	path := "/v1/senders/" + id
	if r := p.as(p.app, "PUT", "/v1/application", `{"sender":"`+id+`"}`); !cmp.Equal(r.codes(), []string{"sender: sender_unproven"}) {
		t.Errorf("%s", r.raw)
	}
	wantProblem(t, p.as(p.app, "POST", path+"/test", `{"to":"ada@x.test"}`), 409, errs.CodeSenderUnproven)
	p.prove(t)
	p.advance(time.Second)
	chosen := p.as(p.app, "PUT", "/v1/application", `{"sender":"`+id+`"}`)
	if chosen.status != 200 || chosen.str("sender") != id {
		t.Errorf("%s", chosen.raw)
	}
	if r := p.as(p.app, "GET", path, ""); r.body["proven"] != true || r.body["chosen"] != true {
		t.Errorf("%s", r.raw)
	}
	wantProblem(t, p.as(p.app, "DELETE", path, ""), 409, errs.CodeConflict)
	check := p.as(p.app, "POST", path+"/check", "")
	if findings, _ := check.body["findings"].([]any); check.body["ok"] != true || len(findings) != 6 {
		t.Errorf("%s", check.raw)
	}
	sent := p.as(p.app, "POST", path+"/test", `{"to":"Ada@x.test","locale":"de"}`)
	if sent.str("status") != "accepted" || sent.str("sender") != id || sent.str("to") != "Ada@x.test" || sent.str("kind") != "test" {
		t.Errorf("%s", sent.raw)
	}
	dns := p.as(p.app, "GET", path+"/dns", "")
	if dns.str("domain") != "acme.test" || !strings.Contains(string(dns.raw), `"found":["v=spf1 mx ~all"]`) {
		t.Errorf("%s", dns.raw)
	}
	if r := p.as(p.app, "GET", path+"/setup", ""); r.status != 200 || !strings.Contains(string(r.raw), "localhost") {
		t.Errorf("%s", r.raw)
	}
	list := p.as(p.app, "GET", "/api/v1/senders?limit=1", "")
	if items, _ := list.body["items"].([]any); len(items) != 1 || list.body["cursor"] != nil {
		t.Errorf("%s", list.raw)
	}
	changed := p.as(p.app, "PATCH", path, `{"sender_name":"Other"}`)
	if changed.str("sender_name") != "Other" || changed.body["proven"] != true {
		t.Errorf("%s", changed.raw)
	}
	if r := p.as(p.app, "PATCH", path, `{"host":"127.0.0.1"}`); !cmp.Equal(r.codes(), []string{"password: required"}) {
		t.Errorf("%s", r.raw)
	}
	if r := p.as(p.app, "PUT", "/v1/application", `{"sender":null}`); r.status != 200 || r.body["sender"] != nil {
		t.Errorf("%s", r.raw)
	}
	if r := p.as(p.app, "DELETE", path, ""); string(r.raw) != `{"object":"SenderDeleted"}` {
		t.Errorf("%s", r.raw)
	}
	for _, r := range []reply{made, chosen, check, sent, list, changed} {
		if strings.Contains(string(r.raw), canary) {
			t.Errorf("the password is shown: %s", r.raw)
		}
	}
	if strings.Contains(p.logs.String(), canary) {
		t.Error("the log holds the password")
	}
}

func TestSendersAreTheApplicationsOwn(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	id := p.as(p.app, "POST", "/v1/senders", p.basic()).str("id")
	p.prove(t)
	mailID := p.as(p.app, "POST", "/v1/senders/"+id+"/test", "").str("id")
	_, text, err := p.apps.CreateKey(t.Context(), p.app.Application.ID, "narrow", []latchkey.Permission{latchkey.PermAccounts})
	if err != nil {
		t.Fatal(err)
	}
	for _, route := range []string{"GET ", "PATCH ", "DELETE ", "POST /check", "POST /test", "POST /proof", "GET /setup", "GET /dns"} {
		method, suffix, _ := strings.Cut(route, " ")
		wantProblem(t, p.as(p.other, method, "/v1/senders/"+id+suffix, ""), 404, errs.CodeNotFound)
		wantProblem(t, p.as(p.app, method, "/v1/senders/snd_x"+suffix, ""), 404, errs.CodeNotFound)
		wantProblem(t, p.send(method, "/v1/senders/"+id+suffix, "", "X-API-KEY: "+text.Reveal()), 403, errs.CodePermission)
	}
	for _, who := range []applications.Created{p.other, p.app} {
		sender := id
		if who.Application.ID == p.app.Application.ID {
			sender = "snd_01jdz3x9c5b6n8p0rs1t2v3w4x"
		}
		if r := p.as(who, "PUT", "/v1/application", `{"sender":"`+sender+`"}`); !cmp.Equal(r.codes(), []string{"sender: invalid_value"}) {
			t.Errorf("%s", r.raw)
		}
	}
	wantProblem(t, p.as(p.other, "GET", "/v1/mails/"+mailID, ""), 404, errs.CodeNotFound)
	if r := p.as(p.other, "GET", "/v1/mails", ""); string(r.raw) != `{"object":"MailList","items":[],"cursor":null}` {
		t.Errorf("%s", r.raw)
	}
}

func TestSenderProblemsOverTheAPI(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	for body, want := range map[string][]string{
		`{}`: {"kind: required", "sender_email: required"},
		`{"kind":"basic","sender_email":7,"port":"x","password":"` + canary + `\u0000","nonsense":1,"fallback":"maybe","secret_expires_at":"soon"}`: {
			"sender_email: invalid_type", "port: invalid_type", "fallback: invalid_type", "secret_expires_at: invalid_date", "host: required", "username: required",
			"password: invalid_value", "nonsense: unknown_field",
		},
		`{"kind":"basic","sender_email":"a@acme.test","host":"localhost","port":143,"username":"u","password":"p"}`: {"port: port_not_allowed"},
		`{"kind":"oauth","provider":"microsoft","sender_email":"a@acme.test","client_id":"x","tenant_id":"common","client_secret":"s","locale":"??"}`: {
			"locale: invalid_value", "client_id: invalid_value", "tenant_id: invalid_value",
		},
	} {
		r := p.as(p.app, "POST", "/v1/senders", body)
		if diff := cmp.Diff(want, r.codes()); r.status != 400 || diff != "" {
			t.Errorf("%s: %d\n%s", body, r.status, diff)
		}
		if strings.Contains(string(r.raw), canary) {
			t.Errorf("the value is shown: %s", r.raw)
		}
	}
	p.host.Misbehave(mailertest.StageAuth, mailertest.Fault{Code: 535, Text: "5.7.8 no, not " + canary})
	r := p.as(p.app, "POST", "/v1/senders", p.basic())
	wantProblem(t, r, 400, errs.CodeSenderCheck)
	if !cmp.Equal(r.codes(), []string{"password: credential_rejected"}) || !strings.Contains(string(r.raw), "5.7.8") || strings.Contains(string(r.raw), canary) {
		t.Errorf("%s", r.raw)
	}
}

func TestTemplatesAndMails(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	wantProblem(t, p.as(p.app, "GET", "/v1/templates/de", ""), 404, errs.CodeNotFound)
	wantProblem(t, p.as(p.app, "PUT", "/v1/templates/xx", `{"subject":"s","text":"{{code}}"}`), 404, errs.CodeNotFound)
	ours := p.as(p.app, "POST", "/v1/templates/de/preview", "")
	if ours.status != 200 || ours.str("locale") != "de" || !strings.Contains(ours.str("text"), "123456") || !strings.Contains(ours.str("html"), "123456") {
		t.Errorf("%s", ours.raw)
	}
	bad := p.as(p.app, "PUT", "/v1/templates/de", `{"subject":"a\nb","text":"nothing","html":"<script>x</script>{{code}}"}`)
	if !cmp.Equal(bad.codes(), []string{"html: invalid_value", "subject: invalid_value", "text: required"}) {
		t.Errorf("%s", bad.raw)
	}
	bad = p.as(p.app, "PUT", "/v1/templates/de", `{"subject":7,"text":"nothing","other":1}`)
	if !cmp.Equal(bad.codes(), []string{"subject: invalid_type", "text: required", "other: unknown_field"}) {
		t.Errorf("%s", bad.raw)
	}
	const own = `{"subject":"Code für {{app.name}}","text":"{{code}}\n{{link}}","html":"<p>{{code}}</p>"}`
	r := p.as(p.app, "PUT", "/v1/templates/de", own)
	if r.status != 200 || r.str("locale") != "de" || r.str("text") != "{{code}}\n{{link}}" {
		t.Errorf("%s", r.raw)
	}
	preview := p.as(p.app, "POST", "/v1/templates/de/preview", "")
	if preview.str("subject") != "Code für Acme" || preview.str("html") != "<p>123456</p>" || !strings.Contains(preview.str("text"), "https://connect.test/signin/") {
		t.Errorf("%s", preview.raw)
	}
	try := p.as(p.app, "POST", "/v1/templates/any/preview", `{"subject":"Try","text":"{{code}} {{locale}}"}`)
	if try.str("text") != "123456 en" || try.body["html"] != nil {
		t.Errorf("%s", try.raw)
	}
	if r := p.as(p.app, "GET", "/v1/templates", ""); !strings.Contains(string(r.raw), `"locale":"de"`) || strings.Contains(string(r.raw), "Try") {
		t.Errorf("%s", r.raw)
	}
	if r := p.as(p.other, "GET", "/v1/templates", ""); string(r.raw) != `{"object":"TemplateList","items":[]}` {
		t.Errorf("%s", r.raw)
	}
	if r := p.as(p.app, "DELETE", "/v1/templates/de", ""); string(r.raw) != `{"object":"TemplateDeleted"}` {
		t.Errorf("%s", r.raw)
	}
	wantProblem(t, p.as(p.app, "DELETE", "/v1/templates/de", ""), 404, errs.CodeNotFound)

	id := p.as(p.app, "POST", "/v1/senders", p.basic()).str("id")
	p.prove(t)
	p.host.Misbehave(mailertest.StageTo, mailertest.Fault{Code: 550, Text: "5.1.1 unknown user"})
	p.advance(time.Second) // so that the ids sort
	p.as(p.app, "POST", "/v1/senders/"+id+"/test", `{"to":"nobody@x.test"}`)
	list := p.as(p.app, "GET", "/v1/mails?limit=1", "")
	items, _ := list.body["items"].([]any)
	if len(items) != 1 || list.str("cursor") == "" || !strings.Contains(string(list.raw), `"code":"recipient_refused"`) || !strings.Contains(string(list.raw), "unknown user") {
		t.Fatalf("%s", list.raw)
	}
	rest := p.as(p.app, "GET", "/v1/mails?cursor="+list.str("cursor"), "")
	if !strings.Contains(string(rest.raw), `"kind":"sender_proof"`) || strings.Contains(string(rest.raw), "connect.test/senders/") {
		t.Errorf("%s", rest.raw)
	}
}
