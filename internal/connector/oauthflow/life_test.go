package oauthflow_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/imap/mailhost"
	"latchkey/internal/connector/oauthflow/idp"
)

func kinds() []idp.Kind { return []idp.Kind{idp.Google, idp.Microsoft, idp.LinkedIn, idp.Instagram} }

func (r *rig) refresh(t testing.TB, c connector.Credential) (connector.Refreshed, error) {
	t.Helper()
	f, ok := r.conn.(connector.Refresher)
	if !ok {
		t.Fatal("not a Refresher")
	}
	return f.Refresh(t.Context(), c)
}

func (r *rig) token(t *testing.T, c connector.Credential) connector.AccessToken {
	t.Helper()
	f, ok := r.conn.(connector.Refresher)
	if !ok {
		t.Fatal("not a Refresher")
	}
	tok, err := f.Token(c)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func (r *rig) check(t *testing.T, c connector.Credential) (connector.Health, error) {
	t.Helper()
	f, ok := r.conn.(connector.Checker)
	if !ok {
		t.Fatal("not a Checker")
	}
	return f.Check(t.Context(), c)
}

func TestCredentialsLive(t *testing.T) {
	for _, kind := range kinds() {
		t.Run(string(kind), func(t *testing.T) {
			r := newRig(t, kind, false)
			c := r.grant(t)
			tok := r.token(t, c)
			if tok.Token == "" || tok.Type != "Bearer" || len(tok.Scopes) == 0 || !tok.ExpiresAt.After(r.now()) {
				t.Errorf("the token is not whole: %+v", tok)
			}
			if strings.Contains(string(c.Params), tok.Token) {
				t.Error("a secret is shown")
			}
			if h, err := r.check(t, c); err != nil || h.Status != latchkey.AccountOK || len(h.Sources) == 0 {
				t.Errorf("check: %+v %v", h, err)
			}
			r.idp.Turn(func(k *idp.Knobs) { k.Outage = true })
			if kind != idp.LinkedIn {
				r.shift.Store(int64(30 * time.Hour)) // an access token of Google's and Microsoft's has ended, Instagram's can be renewed
				if got, err := r.refresh(t, c); err == nil {
					t.Errorf("an outage is an error, not %+v", got)
				}
			}
			r.idp.Turn(func(k *idp.Knobs) { k.Outage = false })
			got, err := r.refresh(t, c)
			if err != nil || got.Refused != nil || got.RefusedApp != "" {
				t.Fatalf("refresh: %+v %v", got, err)
			}
			c.Secret = got.Secret
			if again := r.token(t, c); kind != idp.LinkedIn && again.Token == tok.Token {
				t.Error("a refresh brings another token")
			}
			if h, err := r.check(t, c); err != nil || h.Status != latchkey.AccountOK {
				t.Errorf("check after the refresh: %+v %v", h, err)
			}
			for _, email := range []string{"Anna@gmail.test", "Anna@contoso.test", ""} {
				r.idp.Withdraw(email)
			}
			h, err := r.check(t, c)
			if err != nil || h.Status != latchkey.AccountCredentials || h.Reason == "" {
				t.Errorf("a withdrawn permission is CREDENTIALS: %+v %v", h, err)
			}
		})
	}
}

func TestRefreshRefusals(t *testing.T) {
	const aadsts = "AADSTS"
	for _, c := range []struct {
		kind   idp.Kind
		turn   func(*idp.Knobs)
		reason latchkey.Reason
		app    string
		outage bool
	}{
		{kind: idp.Google, turn: refusal(400, "invalid_grant", "", "Token has been expired or revoked."), reason: latchkey.ReasonConsentRevoked},
		{kind: idp.Google, turn: refusal(400, "invalid_grant", "invalid_rapt", "reauth related error"), reason: latchkey.ReasonTokenExpired},
		{kind: idp.Google, turn: refusal(401, "invalid_client", "", "Unauthorized"), app: "client_secret"},
		{kind: idp.Google, turn: refusal(401, "deleted_client", "", "The OAuth client was deleted."), app: "client_id"},
		{kind: idp.Google, turn: refusal(429, "rate_limit_exceeded", "", ""), outage: true},
		{kind: idp.Google, turn: refusal(400, "what_is_that", "", ""), outage: true},
		{kind: idp.Google, turn: func(k *idp.Knobs) { k.TokenGarbage = true }, outage: true},
		{kind: idp.Google, turn: func(k *idp.Knobs) { k.TokenHuge = true }, outage: true},
		{kind: idp.Microsoft, turn: refusal(400, "invalid_grant", "", aadsts+"50173: changed", 50173), reason: latchkey.ReasonPasswordChanged},
		{kind: idp.Microsoft, turn: refusal(400, "invalid_grant", "", aadsts+"700082: inactive", 700082), reason: latchkey.ReasonTokenExpired},
		{kind: idp.Microsoft, turn: refusal(400, "invalid_grant", "", "", 70000), reason: latchkey.ReasonConsentRevoked},
		{kind: idp.Microsoft, turn: refusal(400, "interaction_required", "", aadsts+"50076", 50076), reason: latchkey.ReasonTokenExpired},
		{kind: idp.Microsoft, turn: refusal(400, "invalid_grant", "consent_required", aadsts+"65001", 65001), reason: latchkey.ReasonConsentRevoked},
		{kind: idp.Microsoft, turn: refusal(401, "invalid_client", "", aadsts+"7000222: expired", 7000222), app: "client_secret_expired"},
		{kind: idp.Microsoft, turn: refusal(400, "unauthorized_client", "", aadsts+"700016", 700016), app: "client_id"},
		{kind: idp.Microsoft, turn: refusal(503, "temporarily_unavailable", "", ""), outage: true},
		{kind: idp.Instagram, turn: refusal(400, "", "", "changed", 190, 460), reason: latchkey.ReasonPasswordChanged},
		{kind: idp.Instagram, turn: refusal(400, "", "", "expired", 190, 463), reason: latchkey.ReasonTokenExpired},
		{kind: idp.Instagram, turn: refusal(400, "", "", "app removed", 190, 458), reason: latchkey.ReasonConsentRevoked},
		{kind: idp.Instagram, turn: refusal(400, "", "", "application", 101, 0), app: "client_id"},
		{kind: idp.Instagram, turn: refusal(400, "", "", "later", 2, 0), outage: true},
	} {
		r := newRig(t, c.kind, false)
		cred := r.grant(t)
		r.shift.Store(int64(30 * time.Hour))
		r.idp.Turn(c.turn)
		got, err := r.refresh(t, cred)
		switch {
		case c.outage:
			if err == nil {
				t.Errorf("%s: want an outage, have %+v", c.kind, got)
			} else if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "rt-") {
				t.Errorf("a secret is in an error: %v", err)
			}
		case err != nil:
			t.Errorf("%s: want %s %s, have %v", c.kind, c.reason, c.app, err)
		case c.app != "":
			if got.RefusedApp != c.app || got.Refused != nil {
				t.Errorf("%s: want the client blamed for %s, have %+v", c.kind, c.app, got)
			}
		default:
			if got.Refused == nil || got.Refused.Reason != c.reason || got.Refused.Status != latchkey.AccountCredentials {
				t.Errorf("%s: want %s, have %+v", c.kind, c.reason, got.Refused)
			}
		}
	}
}

func TestRefreshTokensRotate(t *testing.T) {
	r := newRig(t, idp.Microsoft, false)
	c := r.grant(t)
	r.idp.Turn(func(k *idp.Knobs) { k.RotateRefreshTokens = true })
	old := c
	for range 3 {
		got, err := r.refresh(t, c)
		if err != nil || got.Secret == nil {
			t.Fatalf("%+v %v", got, err)
		}
		c.Secret = got.Secret
	}
	if got, err := r.refresh(t, old); err != nil || got.Refused == nil {
		t.Errorf("a refresh token that was rotated is refused: %+v %v", got, err)
	}
}

func TestTokensWithoutRefreshEnd(t *testing.T) {
	for _, kind := range []idp.Kind{idp.LinkedIn, idp.Instagram} {
		r := newRig(t, kind, false)
		c := r.grant(t)
		r.shift.Store(int64(61 * 24 * time.Hour))
		got, err := r.refresh(t, c)
		if err != nil || got.Refused == nil || got.Refused.Reason != latchkey.ReasonTokenExpired {
			t.Errorf("%s: after sixty days it has ended: %+v %v", kind, got, err)
		}
	}
	r := newRig(t, idp.Instagram, false)
	c := r.grant(t)
	before := r.idp.Asked("/refresh_access_token")
	got, err := r.refresh(t, c)
	if err != nil || got.Refused != nil || r.idp.Asked("/refresh_access_token") != before {
		t.Errorf("a token younger than a day is left alone: %+v %v", got, err)
	}
}

func TestRevoke(t *testing.T) {
	for _, kind := range kinds() {
		r := newRig(t, kind, false)
		v, ok := r.conn.(connector.Revoker)
		if ok != (kind == idp.Google) {
			t.Errorf("%s: Revoker is %v", kind, ok)
		}
		if !ok {
			continue
		}
		c := r.grant(t)
		for range 2 { // the second time there is nothing left, which is as well
			if err := v.Revoke(t.Context(), c); err != nil {
				t.Error(err)
			}
		}
		if got := r.idp.Revoked(); len(got) != 1 {
			t.Errorf("revoked: %v", got)
		}
		if got, err := r.refresh(t, c); err != nil || got.Refused == nil {
			t.Errorf("what was revoked is refused: %+v %v", got, err)
		}
		r.idp.Turn(func(k *idp.Knobs) { k.Outage = true })
		if err := v.Revoke(t.Context(), c); err == nil {
			t.Error("an outage is told")
		}
	}
}

func TestWrongAccountIsGivenBack(t *testing.T) {
	r := newRig(t, idp.Google, false)
	r.idp.Turn(func(k *idp.Knobs) { k.User = "ben@gmail.test" })
	start := r.start()
	start.ExpectedIdentity = "anna@gmail.test"
	turn := r.signIn(t, start)
	if ends(turn) != "step google.wrong_account" {
		t.Fatal(ends(turn))
	}
	if a := turn.Step.Args; a["expected"] != "anna@gmail.test" || a["email"] != "ben@gmail.test" {
		t.Errorf("both are named: %v", a)
	}
	if turn.Unused == nil || turn.Unused.Identity != "ben@gmail.test" {
		t.Fatalf("the grant is not given back: %+v", turn.Unused)
	}
	if err := r.conn.(connector.Revoker).Revoke(t.Context(), r.credential(turn.Unused)); err != nil {
		t.Error(err)
	}
	if got := r.idp.Revoked(); len(got) != 1 || got[0] != "ben@gmail.test" {
		t.Errorf("the grant is given back: %v", got)
	}
	again := r.answer(t, turn, connector.ActSubmit, nil)
	if !strings.Contains(again.Step.URL, "select_account") || strings.Contains(again.Step.URL, "login_hint") {
		t.Errorf("the chooser is asked for: %s", again.Step.URL)
	}
}

func TestAdminConsentLink(t *testing.T) {
	r := newRig(t, idp.Microsoft, false)
	r.idp.Turn(aadsts("90094", ""))
	turn := r.signIn(t, r.start())
	if turn.Step == nil || turn.Step.Kind != connector.KindDisplay {
		t.Fatal(ends(turn))
	}
	if strings.Count(turn.Step.Payload, connector.AdminStatePlaceholder) != 1 || strings.Contains(turn.Step.Payload, "offline_access") {
		t.Errorf("the link: %s", turn.Step.Payload)
	}
	q, err := r.idp.Visit(t.Context(), turn.Step.Payload)
	if err != nil || q.Get("admin_consent") != "True" || q.Get("state") != connector.AdminStatePlaceholder {
		t.Errorf("the administrator comes back with %v %v", q, err)
	}
	r.idp.Turn(func(k *idp.Knobs) { *k = idp.Knobs{Auto: true} })
	at := r.answer(t, turn, connector.ActSubmit, nil)
	if done := r.back(t, at, r.visit(t, at.Step.URL)); done.Grant == nil {
		t.Errorf("after that it goes on: %s", ends(done))
	}
}

func TestACodeIsUsedOnce(t *testing.T) {
	for _, kind := range kinds() {
		r := newRig(t, kind, false)
		at, values := r.away(t, r.start())
		if turn := r.back(t, at, values); turn.Grant == nil {
			t.Fatal(ends(turn))
		}
		if turn := r.back(t, at, values); ends(turn) != "step "+string(kind)+".again" {
			t.Errorf("%s: a replayed code: %s", kind, ends(turn))
		}
	}
}

func TestVerifyApp(t *testing.T) {
	for _, kind := range kinds() {
		r := newRig(t, kind, false)
		v, ok := r.conn.(connector.AppVerifier)
		if !ok {
			t.Fatal("not an AppVerifier")
		}
		find := func(app connector.App, url string) map[string]bool {
			t.Helper()
			found, err := v.VerifyApp(t.Context(), app, url)
			if err != nil {
				t.Fatal(err)
			}
			out := map[string]bool{}
			for _, f := range found {
				out[f.Code] = f.OK
				if !f.OK && len(f.Detail) < 20 {
					t.Errorf("%s: %s says nothing to do: %q", kind, f.Code, f.Detail)
				}
			}
			return out
		}
		if got := find(r.app, callback); !got["client_id"] || !got["client_secret"] {
			t.Errorf("%s: a right client: %v", kind, got)
		}
		wrong := r.app
		wrong.ClientSecret = "wrong"
		if got := find(wrong, callback); len(got) != 1 || got["client_secret"] {
			t.Errorf("%s: a wrong secret: %v", kind, got)
		}
		wrong = r.app
		wrong.ClientID = "nobody"
		if got := find(wrong, callback); len(got) != 1 || got["client_id"] {
			t.Errorf("%s: a wrong id: %v", kind, got)
		}
		if ok, has := find(r.app, "http://other.example/cb")["redirect_uri"]; ok || !has {
			t.Errorf("%s: a wrong redirect URI is found", kind)
		}
		r.idp.Turn(func(k *idp.Knobs) { k.Outage = true })
		if kind == idp.Google { // its discovery document is down, too
			continue
		}
		if got := find(r.app, callback); got["provider"] || len(got) != 1 {
			t.Errorf("%s: an outage: %v", kind, got)
		}
	}
}

func (r *rig) direct(t *testing.T, start connector.Start, values map[string]string) connector.Turn {
	t.Helper()
	d, ok := r.conn.(connector.DirectConnector)
	if !ok {
		t.Fatal("not a DirectConnector")
	}
	start.Entropy = nil
	turn, err := d.Direct(start, values)
	return r.do(t, turn, err)
}

func TestDirect(t *testing.T) {
	for _, kind := range kinds() {
		r := newRig(t, kind, false)
		turn := r.signIn(t, r.start())
		if turn.Grant == nil {
			t.Fatal(ends(turn))
		}
		identity := turn.Grant.Identity
		var secret struct {
			Access  string `json:"access_token"`
			Refresh string `json:"refresh_token"`
		}
		if err := json.Unmarshal(turn.Grant.Secret, &secret); err != nil {
			t.Fatal(err)
		}
		values := map[string]string{"access_token": secret.Access, "refresh_token": secret.Refresh}
		if kind == idp.Microsoft {
			values["email"] = identity
		}
		if got := r.direct(t, r.start(), values); ends(got) != "grant "+identity {
			t.Errorf("%s: with tokens: %s", kind, ends(got))
		}
		if secret.Refresh != "" {
			if got := r.direct(t, r.start(), map[string]string{"refresh_token": secret.Refresh}); ends(got) != "grant "+identity {
				t.Errorf("%s: with a refresh token alone: %s", kind, ends(got))
			}
		}
		name := "step " + string(kind) + ".direct "
		if got := r.direct(t, r.start(), map[string]string{"access_token": "not-one", "email": "anna@x.test", "expires_at": "4102444800"}); ends(got) != name+"access_token:credential_rejected" {
			t.Errorf("%s: with a wrong token: %s", kind, ends(got))
		}
		if got := r.direct(t, r.start(), map[string]string{"access_token": "has space", "expires_at": "soon"}); !strings.Contains(ends(got), "access_token:invalid_value") || !strings.Contains(ends(got), "expires_at:invalid_date") {
			t.Errorf("%s: nonsense: %s", kind, ends(got))
		}
		if kind == idp.Google {
			values["email"] = "ben@gmail.test"
			if got := r.direct(t, r.start(), values); ends(got) != name+"access_token:credential_rejected" {
				t.Errorf("another's mailbox: %s", ends(got))
			}
			r.mail.Misbehave(mailhost.IMAPS, mailhost.Fault{Kind: mailhost.RefuseAfter, Text: "IMAP is disabled"})
			delete(values, "email")
			if got := r.direct(t, r.start(), values); ends(got) != name+":imap_disabled" {
				t.Errorf("IMAP off: %s", ends(got))
			}
		}
	}
}

func TestWithoutAPerson(t *testing.T) {
	r := newRig(t, idp.Microsoft, false)
	start := r.start()
	start.App.Tenant = tenant
	r.app.Tenant = tenant
	turn := r.direct(t, start, map[string]string{"email": "ben@contoso.test"})
	if ends(turn) != "grant ben@contoso.test" {
		t.Fatalf("client credentials: %s", ends(turn))
	}
	c := r.credential(turn.Grant)
	r.shift.Store(int64(2 * time.Hour))
	h, err := r.check(t, c)
	if err != nil || h.Status != latchkey.AccountOK || h.Secret == nil {
		t.Errorf("it renews itself: %+v %v", h, err)
	}
	start.App.Tenant = "common"
	if got := r.direct(t, start, map[string]string{"email": "ben@contoso.test"}); ends(got) != "failure provider_unavailable tenant" {
		t.Errorf("without a tenant: %s", ends(got))
	}

	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	private, err1 := x509.MarshalPKCS8PrivateKey(key)
	public, err2 := x509.MarshalPKIXPublicKey(key.Public())
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	g := newRig(t, idp.Google, false)
	g.idp.AddClient(idp.Client{ID: "robot@project.test", ServiceKeyPEM: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})})
	raw, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "robot@project.test", "private_key_id": "k1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})), "token_uri": "http://attacker.example/",
	})
	if err != nil {
		t.Fatal(err)
	}
	g.app.ServiceAccount = string(raw)
	if got := g.direct(t, g.start(), map[string]string{"email": "Anna@gmail.test"}); ends(got) != "grant anna@gmail.test" {
		t.Errorf("service account: %s", ends(got))
	}
	if got := g.direct(t, g.start(), map[string]string{"email": "stranger@other.test"}); ends(got) != "failure provider_unavailable permissions" {
		t.Errorf("a mailbox of no domain of ours: %s", ends(got))
	}
	v, ok := g.conn.(connector.AppVerifier)
	if !ok {
		t.Fatal("not an AppVerifier")
	}
	app := g.app
	app.ClientID = ""
	if found, err := v.VerifyApp(t.Context(), app, callback); err != nil || len(found) != 1 || !found[0].OK {
		t.Errorf("a right key: %+v %v", found, err)
	}
	app.ServiceAccount = strings.Replace(app.ServiceAccount, "robot@", "nobody@", 1)
	if found, err := v.VerifyApp(t.Context(), app, callback); err != nil || len(found) != 1 || found[0].OK {
		t.Errorf("a wrong key: %+v %v", found, err)
	}
	g.app.ServiceAccount = `{"type":"service_account"}`
	if got := g.direct(t, g.start(), map[string]string{"email": "anna@gmail.test"}); ends(got) != "failure provider_unavailable client_secret" {
		t.Errorf("a broken key: %s", ends(got))
	}
}

func TestDiscoveryIsReadOnce(t *testing.T) {
	r := newRig(t, idp.Google, false)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			turn, err := r.conn.Begin(r.start())
			if err != nil || turn.Work == nil {
				t.Errorf("%+v %v", turn, err)
				return
			}
			if turn, err = r.conn.Do(t.Context(), *turn.Work, ear{}); err != nil || turn.Step == nil || turn.Step.Kind != connector.KindRedirect {
				t.Errorf("%+v %v", turn, err)
			}
		})
	}
	wg.Wait()
	if n := r.idp.Asked("/.well-known/openid-configuration"); n != 1 {
		t.Errorf("the document was read %d times", n)
	}
}

func TestDiscoveryLies(t *testing.T) {
	for name, turn := range map[string]func(*idp.Knobs){
		"another issuer": func(k *idp.Knobs) { k.DiscoveryIssuer = "https://issuer.example" },
		"outage":         func(k *idp.Knobs) { k.Outage = true },
	} {
		r := newRig(t, idp.Google, false)
		r.idp.Turn(turn)
		begun, err := r.conn.Begin(r.start())
		if got := r.do(t, begun, err); ends(got) != "step google.unavailable" {
			t.Errorf("%s: %s", name, ends(got))
		}
	}
	r := newRig(t, idp.Google, false)
	r.idp.Turn(func(k *idp.Knobs) { k.PromiseIssuer, k.CallbackIssuer = true, "-" })
	if got := r.signIn(t, r.start()); ends(got) != "failure credential_rejected" {
		t.Errorf("a promised iss that is missing: %s", ends(got))
	}
}
