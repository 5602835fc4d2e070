package oauthflow_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/google"
	"latchkey/internal/connector/imap/mailhost"
	"latchkey/internal/connector/instagram"
	"latchkey/internal/connector/linkedin"
	"latchkey/internal/connector/login"
	"latchkey/internal/connector/microsoft"
	"latchkey/internal/connector/oauthflow/idp"
)

const (
	callback = "http://127.0.0.1:8080/oauth/callback"
	tenant   = "11111111-2222-3333-4444-555555555555"
)

// rig is a connector with a provider and a mail host behind it.
type rig struct {
	idp   *idp.Server
	mail  *mailhost.Host
	conn  connector.Connector
	app   connector.App
	shift atomic.Int64
	with  struct{ issuer bool }
}

func (r *rig) now() time.Time { return time.Now().Add(time.Duration(r.shift.Load())) }

func users(kind idp.Kind) []idp.User {
	switch kind {
	case idp.Microsoft:
		return []idp.User{
			{Email: "Anna@contoso.test", Name: "Anna Berg", Subject: "oid-anna", TID: tenant, Mailboxes: []string{"sales@contoso.test"}},
			{Email: "ben@contoso.test", UPN: "ben.upn@contoso.test", Name: "Ben", Subject: "oid-ben", TID: tenant},
			{Email: "per@outlook.test", Name: "Per", Subject: "oid-per", TID: idp.Personal},
		}
	case idp.Instagram:
		return []idp.User{
			{Username: "anna.photos", Name: "Anna Berg", Subject: "17841405793187218"},
			{Username: "private.ben", Name: "Ben", Subject: "17841405793187219", Type: "PERSONAL"},
		}
	default:
		return []idp.User{
			{Email: "Anna@gmail.test", Name: "Anna Berg", Subject: "1001"},
			{Email: "ben@gmail.test", Name: "Ben", Subject: "1002", HD: "gmail.test"},
			{Email: "dora@gmail.test", Name: "Dora", Subject: "782bbtaQ"},
		}
	}
}

func newRig(t testing.TB, kind idp.Kind, issuer bool) *rig {
	t.Helper()
	r := &rig{app: connector.App{ID: "pap_1", ClientID: "client-1", ClientSecret: "canary-secret-1", Protocol: "imap"}}
	r.with.issuer = issuer
	var err error
	r.idp, err = idp.Start(idp.Config{Kind: kind, Users: users(kind), Now: r.now, Clients: []idp.Client{
		{ID: "client-1", Secret: "canary-secret-1", RedirectURIs: []string{callback}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	r.idp.Turn(func(k *idp.Knobs) { k.Auto = true })
	if r.mail, err = mailhost.Start(mailhost.Config{Tokens: r.idp.Allows}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.idp.Close(); err != nil {
			t.Error(err)
		}
		if err := r.mail.Close(); err != nil {
			t.Error(err)
		}
	})
	r.conn = r.connector(t, kind)
	return r
}

func (r *rig) connector(t testing.TB, kind idp.Kind) connector.Connector {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport, Timeout: 1500 * time.Millisecond}
	log := slog.New(slog.DiscardHandler)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(r.mail.CAPEM())
	tlsFor := func(name string) *tls.Config {
		return &tls.Config{ServerName: name, RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	dial := login.DialFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	})
	in := login.Server{Host: "127.0.0.1", Port: r.mail.Port(mailhost.IMAPS), Encryption: login.TLS}
	out := login.Server{Host: "127.0.0.1", Port: r.mail.Port(mailhost.Submission), Encryption: login.STARTTLS}
	issuer := ""
	if r.with.issuer {
		issuer = r.idp.Issuer()
	}
	switch kind {
	case idp.Google:
		r.app.Provider = latchkey.Google
		return google.New(google.Config{HTTP: client, Dial: dial, TLS: tlsFor, Issuer: r.idp.Issuer(), IMAP: in, SMTP: out, APIURL: r.idp.URL(), Now: r.now, Log: log})
	case idp.Microsoft:
		r.app.Provider = latchkey.Microsoft
		return microsoft.New(microsoft.Config{
			HTTP: client, Dial: dial, TLS: tlsFor, Issuer: issuer, Authority: r.idp.URL(), GraphURL: r.idp.URL(), IMAP: in, SMTP: out, Now: r.now, Log: log,
		})
	case idp.LinkedIn:
		r.app.Provider = latchkey.LinkedIn
		return linkedin.New(linkedin.Config{HTTP: client, Issuer: issuer, URL: r.idp.URL(), Now: r.now, Log: log})
	default:
		r.app.Provider = latchkey.Instagram
		return instagram.New(instagram.Config{HTTP: client, URL: r.idp.URL(), Now: r.now, Log: log})
	}
}

func (r *rig) start() connector.Start {
	app := r.app
	return connector.Start{Mode: connector.ModeCreate, LinkID: "lnk_1", CallbackURL: callback, App: &app, Entropy: make([]byte, 32)}
}

// ear hears what is shown meanwhile.
type ear struct{}

func (ear) Show(context.Context, connector.Step) error { return nil }

func (ear) Next(ctx context.Context) (connector.Input, error) {
	<-ctx.Done()
	return connector.Input{}, ctx.Err()
}

// do does Works until something else comes of them.
func (r *rig) do(t testing.TB, turn connector.Turn, err error) connector.Turn {
	t.Helper()
	for range 5 {
		if err != nil {
			t.Fatal(err)
		}
		if turn.Work == nil {
			return turn
		}
		turn, err = r.conn.Do(t.Context(), *turn.Work, ear{})
	}
	t.Fatal("no end of works")
	return turn
}

// away begins a flow and goes to the provider.
func (r *rig) away(t testing.TB, start connector.Start) (connector.Turn, map[string]string) {
	t.Helper()
	turn, err := r.conn.Begin(start)
	turn = r.do(t, turn, err)
	if turn.Step == nil || turn.Step.Kind != connector.KindRedirect {
		t.Fatalf("want a redirect, have %+v", turn)
	}
	return turn, r.visit(t, turn.Step.URL)
}

func (r *rig) visit(t testing.TB, url string) map[string]string {
	t.Helper()
	q, err := r.idp.Visit(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if q.Get("state") != connector.StatePlaceholder {
		t.Fatalf("the state did not come back: %v", q)
	}
	q.Del("state")
	values := map[string]string{}
	for name := range q {
		values[name] = q.Get(name)
	}
	return values
}

// back returns from the provider.
func (r *rig) back(t testing.TB, at connector.Turn, values map[string]string) connector.Turn {
	t.Helper()
	return r.answer(t, at, connector.ActReturn, values)
}

func (r *rig) answer(t testing.TB, at connector.Turn, a connector.Action, values map[string]string) connector.Turn {
	t.Helper()
	turn, err := r.conn.Resume(at.State, connector.Input{StepID: at.Step.ID, Action: a, Values: values, Entropy: make([]byte, 32)})
	return r.do(t, turn, err)
}

// signIn is the whole way.
func (r *rig) signIn(t testing.TB, start connector.Start) connector.Turn {
	t.Helper()
	at, values := r.away(t, start)
	return r.back(t, at, values)
}

func (r *rig) grant(t *testing.T) connector.Credential {
	t.Helper()
	turn := r.signIn(t, r.start())
	if turn.Grant == nil {
		t.Fatalf("want a grant, have %+v %+v", turn.Step, turn.Failure)
	}
	return r.credential(turn.Grant)
}

func (r *rig) credential(g *connector.Grant) connector.Credential {
	app := r.app
	return connector.Credential{AccountID: "acc_1", Identity: g.Identity, Params: g.Params, Secret: g.Secret, App: &app}
}

// ends is a word for how a turn ends.
func ends(turn connector.Turn) string {
	switch {
	case turn.Grant != nil:
		return "grant " + turn.Grant.Identity
	case turn.Failure != nil && turn.Failure.RefusedApp != "":
		return "failure " + string(turn.Failure.Code) + " " + turn.Failure.RefusedApp
	case turn.Failure != nil:
		return "failure " + string(turn.Failure.Code)
	case turn.Step != nil:
		s := "step " + turn.Step.ID
		for _, e := range turn.Step.Errors {
			s += " " + e.Field + ":" + string(e.Code)
		}
		return s
	}
	return "nothing"
}
