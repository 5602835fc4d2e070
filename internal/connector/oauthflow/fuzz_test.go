package oauthflow

import (
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode"

	"latchkey"
	"latchkey/internal/connector"
)

// bench is a flow whose provider answers what it is told to.
func bench(body *[]byte, status *int) *Flow {
	transport := transportFunc(func(*http.Request) (*http.Response, error) {
		rec := httptest.NewRecorder()
		rec.Header().Set("Content-Type", "application/json")
		rec.WriteHeader(*status)
		if _, err := rec.Write(*body); err != nil {
			return nil, err
		}
		return rec.Result(), nil
	})
	return New(Spec{
		Provider: latchkey.Google, Name: "google", PKCE: true, Nonce: true, IDToken: true, LoginHint: true, Mail: true,
		Endpoints: func(connector.App) (Endpoints, error) {
			return Endpoints{Authorize: "https://p.test/a", Token: "https://p.test/t", JWKS: "https://p.test/k", Issuer: "https://p.test/{tenantid}/v2.0"}, nil
		},
		Scopes: func(connector.App, connector.Options) []string { return []string{"openid", "mail"} },
	}, Config{HTTP: &http.Client{Transport: transport}, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// FuzzReturn: whatever a callback says, a turn comes of it, and nothing of what it said is shown.
func FuzzReturn(f *testing.F) {
	f.Add("code", "", "", "", "")
	f.Add("", "access_denied", "AADSTS65004: no", "user_denied", "")
	f.Add("x#_", "", "", "", "https://p.test/11111111-2222-3333-4444-555555555555/v2.0")
	f.Add("x", "", "", "", "https://p.test//v2.0")
	f.Add("", "consent_required", "\x00\u202eAADSTS99999999999", "", "")
	body, status := []byte("{}"), 200
	flow := bench(&body, &status)
	begun, err := flow.Begin(connector.Start{App: &connector.App{ClientID: "c", ClientSecret: "s"}, CallbackURL: "https://us.test/cb", Entropy: make([]byte, 32)})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, code, problem, description, reason, iss string) {
		values := map[string]string{}
		for name, v := range map[string]string{"code": code, "error": problem, "error_description": description, "error_reason": reason, "iss": iss} {
			if v != "" {
				values[name] = v
			}
		}
		turn, err := flow.Resume(begun.State, connector.Input{StepID: "google.redirect", Action: connector.ActReturn, Values: values, Entropy: make([]byte, 32)})
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case turn.Work != nil:
			if problem != "" || code == "" {
				t.Errorf("an exchange came of %v", values)
			}
		case turn.Step != nil:
			shown, err := json.Marshal(turn.Step)
			if err != nil {
				t.Fatal(err)
			}
			if len(description) > 20 && strings.Contains(string(shown), description) {
				t.Errorf("the provider's words are shown: %s", shown)
			}
		case turn.Failure == nil:
			t.Error("nothing came of it")
		default:
			if strings.ContainsFunc(turn.Failure.Detail, unicode.IsControl) || len(turn.Failure.Detail) > 1500 {
				t.Errorf("the detail is no line for a log: %q", turn.Failure.Detail)
			}
		}
	})
}

// FuzzIDToken: a token that was not signed by the provider is never taken.
func FuzzIDToken(f *testing.F) {
	enc := base64.RawURLEncoding.EncodeToString
	f.Add(enc([]byte(`{"alg":"none"}`))+"."+enc([]byte(`{"sub":"1","aud":"c"}`))+".", []byte(`{"keys":[]}`))
	f.Add(enc([]byte(`{"alg":"RS256","kid":"a"}`))+"."+enc([]byte(`{"iss":"https://p.test/11111111-2222-3333-4444-555555555555/v2.0"}`))+".AAAA", []byte(`{"keys":[{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"}]}`))
	f.Add("a.b.c", []byte("null"))
	f.Add("..", []byte("{"))
	body, status := []byte{}, 200
	f.Fuzz(func(t *testing.T, token string, keys []byte) {
		body = keys
		flow := bench(&body, &status)
		app := connector.App{ClientID: "c"}
		e, err := flow.endpoints(t.Context(), app)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := flow.verifyIDToken(t.Context(), e, app, token, "nonce", "at"); err == nil {
			t.Fatalf("taken: %+v", c)
		}
	})
}

// FuzzTokenAnswer: whatever a token endpoint answers, a turn comes of it.
func FuzzTokenAnswer(f *testing.F) {
	f.Add([]byte(`{"access_token":"a","id_token":"a.b.c","expires_in":"x"}`), 200)
	f.Add([]byte(`{"error":{"code":190,"type":"OAuthException","error_subcode":460}}`), 400)
	f.Add([]byte(`{"error":"invalid_grant","error_codes":["x"],"suberror":3}`), 400)
	f.Add([]byte(`[]`), 500)
	f.Fuzz(func(t *testing.T, answer []byte, code int) {
		if code < 200 || code > 599 {
			code = 200
		}
		flow := bench(&answer, &code)
		s := &state{Start: connector.Start{App: &connector.App{ClientID: "c"}, CallbackURL: "https://us.test/cb"}, Code: "x", Nonce: "n", Verifier: "v"}
		s.Where, _ = flow.Spec.Endpoints(s.app())
		turn, err := flow.exchange(t.Context(), s, nil)
		if err != nil || (turn.Step == nil && turn.Failure == nil) {
			t.Fatalf("%+v %v", turn, err)
		}
	})
}

func TestIssuerMatches(t *testing.T) {
	templated := Endpoints{Issuer: "https://p.test/{tenantid}/v2.0"}
	for iss, ok := range map[string]bool{
		"https://p.test/11111111-2222-3333-4444-555555555555/v2.0":    true,
		"https://p.test/{tenantid}/v2.0":                              true,
		"https://p.test//v2.0":                                        false,
		"https://p.test/a/v2.0":                                       false,
		"https://evil.test/11111111-2222-3333-4444-555555555555/v2.0": false,
	} {
		if got := issuerMatches(templated, map[string]string{"iss": iss}) == ""; got != ok {
			t.Errorf("%s: %v", iss, got)
		}
	}
}

func TestAddresses(t *testing.T) {
	for s, ok := range map[string]bool{
		"a@b.test": true, "@b": false, "a@": false, "a@b@c": false, "a b@c": false, "a\x01auth=x@c": false, "": false, "<a@b>": false,
		strings.Repeat("a", 320) + "@b": false,
	} {
		if isAddress(s) != ok {
			t.Errorf("%q: want %v", s, ok)
		}
	}
}
