package oauthflow_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"latchkey/internal/connector"
	"latchkey/internal/connector/connectortest"
	"latchkey/internal/connector/imap/mailhost"
	"latchkey/internal/connector/oauthflow/idp"
	"latchkey/internal/errs"
)

// way is one way through a flow: what goes wrong at the page, what at the exchange, and how it ends.
type way struct {
	name       string
	page, back func(*idp.Knobs)
	mail       func(*mailhost.Host)
	start      func(*connector.Start)
	values     map[string]string // instead of what the provider sent
	then       []connectortest.Answer
	want       string
}

func authorizeError(code, description string) func(*idp.Knobs) {
	return func(k *idp.Knobs) { k.AuthorizeError, k.AuthorizeDescription = code, description }
}

func refusal(status int, code, sub, description string, numbers ...int) func(*idp.Knobs) {
	return func(k *idp.Knobs) {
		k.TokenRefusal = &idp.Refusal{Status: status, Code: code, Sub: sub, Description: description, Numbers: numbers}
	}
}

func aadsts(n, text string) func(*idp.Knobs) {
	return authorizeError("access_denied", "AADSTS"+n+": "+text+" Trace ID: canary-trace")
}

// forAll are the ways of every provider.
func forAll(grant string) []way {
	return []way{
		{name: "well", want: "grant " + grant},
		{name: "outage", back: func(k *idp.Knobs) { k.Outage = true }, want: "step .unavailable"},
		{name: "hangs", back: func(k *idp.Knobs) { k.TokenHang = true }, want: "step .unavailable"},
		{name: "lies", back: func(k *idp.Knobs) { k.TokenLies = true }, want: "step .unavailable"},
		{name: "ten megabytes", back: func(k *idp.Knobs) { k.TokenHuge = true }, want: "step .unavailable"},
		{name: "garbage", back: func(k *idp.Knobs) { k.TokenGarbage = true }, want: "step .unavailable"},
		{name: "no code", values: map[string]string{}, want: "step .again"},
		{name: "injected code", values: map[string]string{"code": "somebody-elses"}, want: "step .again"},
		{name: "long code", values: map[string]string{"code": strings.Repeat("c", 9000)}, want: "failure credential_rejected"},
		{name: "mix-up", values: map[string]string{"code": "x", "iss": "https://attacker.example"}, want: "failure credential_rejected"},
		{name: "unknown error", values: map[string]string{"error": "what_is_that", "error_description": "canary-raw-text"}, want: "step .again"},
	}
}

func forOpenID() []way {
	bad := func(name string, f func(*idp.Knobs)) way {
		return way{name: name, back: f, want: "failure credential_rejected"}
	}
	return []way{
		bad("wrong audience", func(k *idp.Knobs) { k.WrongAudience = true }),
		bad("wrong issuer", func(k *idp.Knobs) { k.WrongIssuer = true }),
		bad("wrong signature", func(k *idp.Knobs) { k.WrongSignature = true }),
		bad("algorithm none", func(k *idp.Knobs) { k.AlgorithmNone = true }),
		bad("no id token", func(k *idp.Knobs) { k.NoIDToken = true }),
		bad("clock an hour fast", func(k *idp.Knobs) { k.ClockSkew = time.Hour }),
		bad("clock two hours slow", func(k *idp.Knobs) { k.ClockSkew = -2 * time.Hour }),
		{name: "keys down", back: func(k *idp.Knobs) { k.KeysDown = true }, want: "step .unavailable"},
		{name: "strange token type", back: func(k *idp.Knobs) { k.TokenType = "mac" }, want: "step .unavailable"},
	}
}

func forMail(pinned string) []way {
	on := func(s mailhost.Service, f mailhost.Fault) func(*mailhost.Host) {
		return func(h *mailhost.Host) { h.Misbehave(s, f) }
	}
	imapOff := mailhost.Fault{Kind: mailhost.RefuseAfter, Text: "User is authenticated but not connected."}
	smtpOff := mailhost.Fault{Kind: mailhost.Refuse, Code: 535, Text: "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant."}
	return []way{
		{name: "wrong nonce", back: func(k *idp.Knobs) { k.WrongNonce = true }, want: "failure credential_rejected"},
		{name: "clock a minute fast", back: func(k *idp.Knobs) { k.ClockSkew = time.Minute }, want: "grant " + pinned},
		{name: "es256", back: func(k *idp.Knobs) { k.ES256 = true }, want: "grant " + pinned},
		{name: "no refresh token", back: func(k *idp.Knobs) { k.NoRefreshToken = true }, want: "step .offline"},
		{name: "imap off", mail: on(mailhost.IMAPS, imapOff), want: "step .imap_off"},
		{name: "smtp off", mail: on(mailhost.Submission, smtpOff), want: "step .smtp_off"},
		{name: "both off", mail: func(h *mailhost.Host) {
			h.Misbehave(mailhost.IMAPS, imapOff)
			h.Misbehave(mailhost.Submission, smtpOff)
		}, want: "step .mail_off"},
		{
			name: "smtp off, reading only", mail: on(mailhost.Submission, smtpOff), want: "grant " + pinned,
			then: []connectortest.Answer{{Step: ".smtp_off", Values: map[string]string{"choice": "read_only"}}},
		},
		{
			name: "smtp off, a strange choice", mail: on(mailhost.Submission, smtpOff), want: "step .smtp_off choice:invalid_value",
			then: []connectortest.Answer{{Step: ".smtp_off", Values: map[string]string{"choice": "nothing"}}},
		},
		{
			name: "imap off, another account", mail: on(mailhost.IMAPS, imapOff), want: "step .redirect",
			then: []connectortest.Answer{{Step: ".imap_off", Values: map[string]string{"choice": "other"}}},
		},
		{name: "mailbox out of reach", mail: on(mailhost.IMAPS, mailhost.Fault{Kind: mailhost.Reset}), want: "step .unavailable"},
		{name: "mailbox refuses", mail: on(mailhost.IMAPS, mailhost.Fault{Kind: mailhost.Refuse, Text: "no"}), want: "step .rejected"},
		{name: "pinned", start: func(s *connector.Start) { s.ExpectedIdentity = strings.ToUpper(pinned) }, want: "grant " + pinned},
		{name: "another account", page: func(k *idp.Knobs) { k.User = "ben" + pinned[strings.Index(pinned, "@"):] }, start: func(s *connector.Start) { s.ExpectedIdentity = pinned }, want: "step .wrong_account"},
		{name: "another account on reconnect", page: func(k *idp.Knobs) { k.User = "ben" + pinned[strings.Index(pinned, "@"):] }, start: func(s *connector.Start) {
			s.Mode, s.Prior = connector.ModeReconnect, &connector.Prior{AccountID: "acc_1", Identity: pinned}
		}, want: "step .wrong_account"},
	}
}

func forGoogle() []way {
	return []way{
		{name: "cancelled", page: authorizeError("access_denied", ""), want: "step .cancelled"},
		{name: "cancelled, again", page: authorizeError("access_denied", ""), want: "step .redirect", then: []connectortest.Answer{{Step: ".cancelled"}}},
		{name: "cancelled, another account", page: authorizeError("access_denied", ""), want: "step .redirect", then: []connectortest.Answer{{Step: ".cancelled", Action: connector.ActSwitchMethod}}},
		{name: "unticked", page: func(k *idp.Knobs) { k.Untick = []string{"https://mail.google.com/"} }, want: "step .scopes"},
		{name: "unticked, again", page: func(k *idp.Knobs) { k.Untick = []string{"https://mail.google.com/"} }, want: "step .redirect", then: []connectortest.Answer{{Step: ".scopes"}}},
		{name: "admin policy", page: authorizeError("admin_policy_enforced", ""), want: "step .blocked"},
		{name: "internal", page: authorizeError("org_internal", ""), want: "step .wrong_type"},
		{name: "embedded browser", page: authorizeError("disallowed_useragent", ""), want: "step .browser"},
		{name: "email in userinfo only", back: func(k *idp.Knobs) { k.OmitEmail = true }, want: "grant anna@gmail.test"},
		{name: "another in userinfo", back: func(k *idp.Knobs) { k.OmitEmail, k.OtherSubject = true, true }, want: "failure credential_rejected"},
		{name: "secret expired", back: func(k *idp.Knobs) { k.SecretExpired = true }, want: "failure provider_unavailable client_secret"},
		{name: "other domain", start: func(s *connector.Start) { s.App.Domain = "gmail.test" }, want: "step .wrong_type"},
		{name: "right domain", start: func(s *connector.Start) { s.App.Domain = "gmail.test" }, page: func(k *idp.Knobs) { k.User = "ben@gmail.test" }, want: "grant ben@gmail.test"},
		{name: "api", start: func(s *connector.Start) { s.App.Protocol = "api" }, want: "grant anna@gmail.test"},
		{name: "api, as if another's mailbox were shared", start: func(s *connector.Start) {
			s.App.Protocol, s.Options.Delegated, s.Email = "api", true, "ben@gmail.test"
		}, page: func(k *idp.Knobs) { k.User = "Anna@gmail.test" }, want: "grant anna@gmail.test"},
		{name: "api refused", start: func(s *connector.Start) { s.App.Protocol = "api" }, back: func(k *idp.Knobs) { k.APIStatus = 403 }, want: "step .blocked"},
		{name: "api, another account", start: func(s *connector.Start) { s.App.Protocol, s.ExpectedIdentity = "api", "carl@gmail.test" }, want: "step .wrong_account"},
	}
}

func forMicrosoft() []way {
	return []way{
		{name: "cancelled", page: aadsts("65004", "User declined."), want: "step .cancelled"},
		{name: "admin approval", page: aadsts("90094", "Admin consent is required."), want: "step .admin_consent"},
		{name: "consent required", page: authorizeError("consent_required", "AADSTS65001"), want: "step .admin_consent"},
		{name: "admin approval, again", page: aadsts("90094", ""), want: "step .redirect", then: []connectortest.Answer{{Step: ".admin_consent"}}},
		{name: "not assigned", page: aadsts("50105", ""), want: "step .not_assigned"},
		{name: "policy", page: aadsts("53003", ""), want: "step .blocked"},
		{name: "wrong kind", page: authorizeError("invalid_request", "AADSTS50020: not in tenant"), want: "step .wrong_type"},
		{name: "multi-factor", back: refusal(400, "interaction_required", "basic_action", "AADSTS50076: MFA", 50076), want: "step .again"},
		{name: "multi-factor, again", back: refusal(400, "interaction_required", "basic_action", "AADSTS50076: MFA", 50076), want: "step .redirect", then: []connectortest.Answer{{Step: ".again"}}},
		{name: "wrong secret", start: func(s *connector.Start) { s.App.ClientSecret = "wrong" }, want: "failure provider_unavailable client_secret"},
		{name: "secret expired", back: func(k *idp.Knobs) { k.SecretExpired = true }, want: "failure provider_unavailable client_secret_expired"},
		{name: "a tenant that is none", start: func(s *connector.Start) { s.App.Tenant = "a/../b" }, want: "failure provider_unavailable tenant"},
		{name: "tenant of another", back: func(k *idp.Knobs) { k.WrongTID = true }, want: "failure credential_rejected"},
		{name: "personal, at organizations", start: func(s *connector.Start) { s.App.Tenant = "organizations" }, page: func(k *idp.Knobs) { k.User = "per@outlook.test" }, want: "step .wrong_type"},
		{name: "work, at consumers", start: func(s *connector.Start) { s.App.Tenant = "consumers" }, want: "step .wrong_type"},
		{name: "own tenant", start: func(s *connector.Start) { s.App.Tenant = tenant }, want: "grant anna@contoso.test"},
		{name: "login name differs", page: func(k *idp.Knobs) { k.User = "ben@contoso.test" }, want: "grant ben@contoso.test"},
		{name: "pinned by login name", start: func(s *connector.Start) { s.ExpectedIdentity = "ben.upn@contoso.test" }, page: func(k *idp.Knobs) { k.User = "ben@contoso.test" }, want: "grant ben.upn@contoso.test"},
		{name: "shared mailbox", start: func(s *connector.Start) { s.Options.Delegated, s.Email = true, "sales@contoso.test" }, want: "grant sales@contoso.test"},
		{name: "shared mailbox of others", start: func(s *connector.Start) { s.Options.Delegated, s.Email = true, "board@contoso.test" }, want: "step .rejected"},
		{name: "api", start: func(s *connector.Start) { s.App.Protocol = "api" }, want: "grant anna@contoso.test"},
		{name: "api, shared mailbox", start: func(s *connector.Start) {
			s.App.Protocol, s.Options.Delegated, s.Email = "api", true, "sales@contoso.test"
		}, want: "grant sales@contoso.test"},
		{name: "api without a mailbox", start: func(s *connector.Start) { s.App.Protocol = "api" }, back: func(k *idp.Knobs) { k.APIStatus = 404 }, want: "step .wrong_type"},
		{name: "mixed resources", start: func(s *connector.Start) { s.App.ExtraScopes = []string{"Mail.Read"} }, want: "failure provider_unavailable permissions"},
	}
}

func forLinkedIn() []way {
	return []way{
		{name: "cancelled", page: authorizeError("user_cancelled_authorize", ""), want: "step .cancelled"},
		{name: "cancelled login", page: authorizeError("user_cancelled_login", ""), want: "step .cancelled"},
		{name: "scope", page: authorizeError("unauthorized_scope_error", ""), want: "failure provider_unavailable permissions"},
		{name: "wrong secret", start: func(s *connector.Start) { s.App.ClientSecret = "wrong" }, want: "failure provider_unavailable client_secret"},
		{name: "another in userinfo", back: func(k *idp.Knobs) { k.OtherSubject = true }, want: "failure credential_rejected"},
		{name: "another person", start: func(s *connector.Start) { s.ExpectedIdentity = "1002" }, want: "step .wrong_account"},
		{name: "another person, but for the case", start: func(s *connector.Start) { s.ExpectedIdentity = "782BBTAQ" }, page: func(k *idp.Knobs) { k.User = "dora@gmail.test" }, want: "step .wrong_account"},
		{name: "pinned", start: func(s *connector.Start) { s.ExpectedIdentity = "782bbtaQ" }, page: func(k *idp.Knobs) { k.User = "dora@gmail.test" }, want: "grant 782bbtaQ"},
		{name: "unticked", page: func(k *idp.Knobs) { k.Untick = []string{"w_member_social"} }, start: func(s *connector.Start) { s.App.ExtraScopes = []string{"w_member_social"} }, want: "step .scopes"},
	}
}

func forInstagram() []way {
	return []way{
		{name: "cancelled", page: func(k *idp.Knobs) { k.AuthorizeError, k.AuthorizeReason = "access_denied", "user_denied" }, want: "step .cancelled"},
		{name: "wrong id", start: func(s *connector.Start) { s.App.ClientSecret = "wrong" }, want: "failure provider_unavailable client_secret"},
		{name: "personal", page: func(k *idp.Knobs) { k.User = "private.ben" }, want: "step .wrong_type"},
		{name: "another person", start: func(s *connector.Start) { s.ExpectedIdentity = "17841405793187219" }, want: "step .wrong_account"},
		{name: "unticked", page: func(k *idp.Knobs) { k.Untick = []string{"instagram_business_manage_messages"} }, want: "step .scopes"},
	}
}

func TestWays(t *testing.T) {
	for _, kind := range []struct {
		kind   idp.Kind
		issuer bool
		ways   [][]way
	}{
		{idp.Google, true, [][]way{forAll("anna@gmail.test"), forOpenID(), forMail("anna@gmail.test"), forGoogle()}},
		{idp.Microsoft, false, [][]way{forAll("anna@contoso.test"), forOpenID(), forMail("anna@contoso.test"), forMicrosoft()}},
		{idp.Microsoft, true, [][]way{forAll("anna@contoso.test")}},
		{idp.LinkedIn, false, [][]way{forAll("1001"), forOpenID(), forLinkedIn()}},
		{idp.LinkedIn, true, [][]way{forLinkedIn()}},
		{idp.Instagram, false, [][]way{forAll("17841405793187218"), forInstagram()}},
	} {
		name := string(kind.kind)
		if kind.issuer {
			name += " with an issuer"
		}
		t.Run(name, func(t *testing.T) {
			r := newRig(t, kind.kind, kind.issuer)
			for _, ws := range kind.ways {
				for _, w := range ws {
					t.Run(w.name, func(t *testing.T) { r.walk(t, kind.kind, w) })
				}
			}
		})
	}
}

// walk goes one way, through the suite that every connector passes. The code is got beforehand: with
// the suite's random bytes, which are all zero, the request is the same.
func (r *rig) walk(t *testing.T, kind idp.Kind, w way) {
	t.Helper()
	r.idp.Turn(func(k *idp.Knobs) {
		*k = idp.Knobs{Auto: true}
		if w.page != nil {
			w.page(k)
		}
	})
	for _, s := range []mailhost.Service{mailhost.IMAPS, mailhost.Submission} {
		r.mail.Misbehave(s, mailhost.Fault{})
	}
	if w.mail != nil {
		w.mail(r.mail)
	}
	r.conn = r.connector(t, kind) // nothing is remembered of the way before
	start := r.start()
	if w.start != nil {
		w.start(&start)
	}
	values := w.values
	begun, err := r.conn.Begin(start)
	begun = r.do(t, begun, err)
	if values == nil && begun.Step != nil {
		values = r.visit(t, begun.Step.URL)
	}
	r.idp.Turn(func(k *idp.Knobs) {
		if w.back != nil {
			w.back(k)
		}
	})
	sc := connectortest.Script{Name: "way", Start: start}
	if begun.Step != nil {
		sc.Answers = append(sc.Answers, connectortest.Answer{Step: string(kind) + ".redirect", Action: connector.ActReturn, Values: values})
	}
	for _, a := range w.then {
		a.Step = string(kind) + a.Step
		sc.Answers = append(sc.Answers, a)
	}
	sort, what, _ := strings.Cut(w.want, " ")
	what, more, _ := strings.Cut(what, " ")
	switch sort {
	case "grant":
		sc.WantGrant = what
	case "failure":
		sc.WantFailure = errs.Code(what)
	default:
		sc.WantStep = string(kind) + what
		if _, code, ok := strings.Cut(more, ":"); ok {
			sc.WantErrors = []errs.Code{errs.Code(code)}
		}
	}
	spy := &spied{Connector: r.conn}
	connectortest.Run(t, connectortest.Suite{
		New: func(*testing.T) connector.Connector { return spy }, Scripts: []connectortest.Script{sc},
		SharedText: func(key string) bool { return strings.HasPrefix(key, "error.") },
	})
	spy.check(t, w)
	if sort == "failure" && spy.refusedApp != more {
		t.Errorf("the client is blamed for %q, want %q", spy.refusedApp, more)
	}
}

func TestAuthorizeURL(t *testing.T) {
	r := newRig(t, idp.Microsoft, false)
	start := r.start()
	start.Email, start.Entropy = "anna@contoso.test", []byte(strings.Repeat("e", 32))
	turn, err := r.conn.Begin(start)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(turn.Step.URL)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for name, want := range map[string]string{
		"client_id": "client-1", "redirect_uri": callback, "response_type": "code", "state": connector.StatePlaceholder,
		"login_hint": "anna@contoso.test", "code_challenge_method": "S256", "prompt": "",
	} {
		if q.Get(name) != want {
			t.Errorf("%s = %q, want %q", name, q.Get(name), want)
		}
	}
	if q.Get("nonce") == "" || q.Get("code_challenge") == "" || q.Get("nonce") == q.Get("code_challenge") || strings.Contains(turn.Step.URL, "canary-secret") {
		t.Errorf("nonce and challenge are drawn apart, and no secret is in the address: %s", turn.Step.URL)
	}
	other := r.start()
	other.Entropy = []byte(strings.Repeat("f", 32))
	turn, err = r.conn.Begin(other)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(turn.Step.URL, q.Get("nonce")) || !strings.Contains(turn.Step.URL, "prompt=select_account") {
		t.Errorf("another flow has its own nonce, and without an address the chooser: %s", turn.Step.URL)
	}
	if start.Entropy = nil; true {
		if _, err := r.conn.Begin(start); err == nil {
			t.Error("no nonce is drawn of nothing")
		}
	}
	for _, kind := range []idp.Kind{idp.LinkedIn, idp.Instagram} {
		r := newRig(t, kind, false)
		turn, err := r.conn.Begin(r.start())
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(turn.Step.URL, "code_challenge") || strings.Contains(turn.Step.URL, "nonce") {
			t.Errorf("%s takes no PKCE and no nonce: %s", kind, turn.Step.URL)
		}
	}
}
