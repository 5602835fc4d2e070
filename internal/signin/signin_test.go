package signin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/internal/address"
	"latchkey/internal/errs"
	"latchkey/internal/signin"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

// payload verifies a token against the application's JWKS.
func (l *lab) payload(app latchkey.ApplicationID, token string) map[string]any {
	l.t.Helper()
	set, err := l.signin.JWKS(l.t.Context(), app)
	must(l.t, err)
	parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256, jose.RS256})
	must(l.t, err)
	keys := set.Key(parsed.Signatures[0].Header.KeyID)
	if len(keys) != 1 {
		l.t.Fatalf("%d keys of the token's name in the JWKS", len(keys))
	}
	raw, err := parsed.Verify(keys[0])
	must(l.t, err)
	out := map[string]any{}
	must(l.t, json.Unmarshal(raw, &out))
	return out
}

func TestACodeSignsIn(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *lab) {
		t.Helper()
		v := l.begin(" Ada@Acme.io ", "")
		m := l.mail()
		if m.to != "Ada@acme.io" {
			t.Errorf("the mail went to %q", m.to)
		}
		_, err := l.signin.Exchange(t.Context(), l.app, v.ID, wrong(m.code), signin.By{})
		wantCode(t, "a wrong code", err, errs.CodeWrongCode)
		_, err = l.signin.Exchange(t.Context(), l.other, v.ID, m.code, signin.By{})
		wantCode(t, "another application's backend", err, errs.CodeNotFound)
		_, err = l.signin.Exchange(t.Context(), l.app, v.ID, m.code, signin.By{Browser: browser})
		wantCode(t, "a browser that did not ask", err, errs.CodeNotFound)
		got, err := l.signin.Exchange(t.Context(), l.app, v.ID, m.code[:3]+" - "+m.code[3:], signin.By{})
		must(t, err)
		claims := l.payload(l.app, got.IDToken)
		for name, want := range map[string]any{
			"iss": base + "/oidc/" + string(l.app), "aud": string(l.app), "email": "Ada@acme.io", "email_verified": true,
			"sub": l.signin.Subject(l.app, "ada@acme.io"), "amr": []any{"otp"},
		} {
			if diff := cmp.Diff(want, claims[name]); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
		if claims["sub"] == l.signin.Subject(l.other, "ada@acme.io") || strings.Contains(fmt.Sprint(claims["sub"]), "ada") {
			t.Error("a sub is another in every application, and tells no address")
		}
		_, err = l.signin.Exchange(t.Context(), l.app, v.ID, m.code, signin.By{})
		wantCode(t, "the code again", err, errs.CodeSignInUsed)
		var events []latchkey.Event
		// On PostgreSQL a list ends before the oldest transaction that is still going on.
		for deadline := time.Now().Add(20 * time.Second); len(events) == 0 && time.Now().Before(deadline); {
			events, err = l.sql.Events().List(t.Context(), l.app, store.EventFilter{Type: latchkey.EventSignInCompleted}, "", 10)
			must(t, err)
		}
		if len(events) != 1 || !bytes.Contains(events[0].Data, []byte(`"method": "code"`)) && !bytes.Contains(events[0].Data, []byte(`"method":"code"`)) {
			t.Errorf("events: %+v", events)
		}
	})
}

// TestGuessesInParallel throws wrong codes at one sign-in: five are looked at, and then the right one is
// refused as well.
func TestGuessesInParallel(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *lab) {
		t.Helper()
		v := l.begin("ada@acme.io", "")
		m := l.mail()
		var wg sync.WaitGroup
		var mu sync.Mutex
		seen := map[errs.Code]int{}
		for range 300 {
			wg.Go(func() {
				_, err := l.signin.Exchange(context.WithoutCancel(t.Context()), l.app, v.ID, wrong(m.code), signin.By{})
				mu.Lock()
				defer mu.Unlock()
				seen[errs.As(err).Code]++
			})
		}
		wg.Wait()
		// The fifth look says at once that it was the last.
		if seen[errs.CodeWrongCode] != signin.MaxTries-1 || seen[errs.CodeWrongCode]+seen[errs.CodeTooManyTries]+seen[errs.CodeTooManyRequests] != 300 {
			t.Errorf("answers: %v", seen)
		}
		row, err := l.sql.SignIns().Get(t.Context(), l.app, v.ID)
		must(t, err)
		if row.Current.Tries != signin.MaxTries {
			t.Errorf("%d looks were counted", row.Current.Tries)
		}
		if _, err = l.signin.Exchange(t.Context(), l.app, v.ID, m.code, signin.By{}); errs.As(err).Kind != errs.TooMany {
			t.Errorf("the right code after that: %v", err)
		}
	})
}

func TestTheTwoNewestMailsAreGood(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *lab) {
		t.Helper()
		v := l.begin("ada@acme.io", "")
		first := l.mail()
		_, err := l.signin.Resend(t.Context(), l.app, v.ID, signin.By{})
		wantCode(t, "another mail at once", err, errs.CodeTooEarly)
		for range signin.MaxTries {
			_, _ = l.signin.Exchange(t.Context(), l.app, v.ID, wrong(first.code), signin.By{}) // they are counted below
		}
		l.advance(signin.ResendAfter)
		_, err = l.signin.Resend(t.Context(), l.app, v.ID, signin.By{})
		must(t, err)
		second := l.mail()
		if first.code != second.code {
			_, err = l.signin.Exchange(t.Context(), l.app, v.ID, first.code, signin.By{})
			wantCode(t, "a code that was guessed at five times", err, errs.CodeWrongCode)
		}
		l.advance(signin.ResendAfter)
		_, err = l.signin.Resend(t.Context(), l.app, v.ID, signin.By{})
		must(t, err)
		third := l.mail()
		o, err := l.signin.Open(t.Context(), second.link, "")
		must(t, err)
		if o.Code != second.code || o.Over || o.Used {
			t.Errorf("the link of the mail before: %+v", o)
		}
		_, err = l.signin.Open(t.Context(), first.link, "")
		wantCode(t, "the link of the mail before that", err, errs.CodeNotFound)
		if _, err = l.signin.Exchange(t.Context(), l.app, v.ID, second.code, signin.By{}); err != nil {
			t.Errorf("the code of the mail before: %v", err)
		}
		_, err = l.signin.Exchange(t.Context(), l.app, v.ID, third.code, signin.By{})
		wantCode(t, "the newest code, after the other was used", err, errs.CodeSignInUsed)
	})
}

func TestTimesEnd(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *lab) {
		t.Helper()
		v := l.begin("ada@acme.io", browser)
		m := l.mail()
		l.advance(signin.Lifetime)
		_, err := l.signin.Verify(t.Context(), l.app, v.ID, m.code, signin.By{Browser: browser})
		wantCode(t, "an old code", err, errs.CodeCodeExpired)
		_, err = l.signin.Consume(t.Context(), m.link, browser)
		wantCode(t, "an old link", err, errs.CodeCodeExpired)
		_, err = l.signin.Resend(t.Context(), l.app, v.ID, signin.By{Browser: browser})
		must(t, err)
		proved, err := l.signin.Consume(t.Context(), l.mail().link, browser)
		must(t, err)
		to := l.signin.Redirect(proved)
		l.advance(2 * time.Minute)
		if again := l.signin.Redirect(proved); again != "" {
			t.Error("a grant is handed out for ever")
		}
		u, err := url.Parse(to)
		must(t, err)
		_, err = l.signin.Redeem(t.Context(), l.app, u.Query().Get("code"), signin.By{})
		wantCode(t, "an old grant", err, errs.CodeWrongCode)
	})
}

// TestALinkBelongsToItsBrowser opens and uses a link as scanners, thieves and its owner do.
func TestALinkBelongsToItsBrowser(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *lab) {
		t.Helper()
		v := l.begin("ada@acme.io", browser)
		m := l.mail()
		thief := strings.Repeat("x", 43)
		for _, who := range []string{"", thief, browser, browser} {
			o, err := l.signin.Open(t.Context(), m.link, who)
			must(t, err)
			if o.Here != (who == browser) || o.Used || o.Over || o.Code != m.code {
				t.Errorf("opened by %q: %+v", who, o)
			}
		}
		for _, who := range []string{"", thief} {
			_, err := l.signin.Consume(t.Context(), m.link, who)
			wantCode(t, "used elsewhere", err, errs.CodeOtherBrowser)
			_, err = l.signin.Verify(t.Context(), l.app, v.ID, m.code, signin.By{Browser: who})
			wantCode(t, "the code elsewhere", err, errs.CodeNotFound)
			_, err = l.signin.Look(t.Context(), v.ID, who)
			wantCode(t, "its page elsewhere", err, errs.CodeNotFound)
		}
		_, err := l.signin.Exchange(t.Context(), l.app, v.ID, m.code, signin.By{})
		wantCode(t, "the code of a browser's sign-in from a backend", err, errs.CodeNotFound)
		proved, err := l.signin.Consume(t.Context(), m.link, browser)
		must(t, err)
		_, err = l.signin.Consume(t.Context(), m.link, browser)
		wantCode(t, "a second click", err, errs.CodeSignInUsed)

		u, err := url.Parse(l.signin.Redirect(proved))
		must(t, err)
		q := u.Query()
		if u.Host != "app.acme.test" || q.Get("x") != "1" || q.Get("state") != "s t" || q.Get("signin_id") != string(v.ID) {
			t.Errorf("the way back is %s", u)
		}
		_, err = l.signin.Exchange(t.Context(), l.other, v.ID, q.Get("code"), signin.By{})
		wantCode(t, "the grant at another application", err, errs.CodeWrongCode)
		_, err = l.signin.Exchange(t.Context(), l.app, l.begin("eve@acme.io", "").ID, q.Get("code"), signin.By{})
		wantCode(t, "the grant for another sign-in", err, errs.CodeWrongCode)
		got, err := l.signin.Exchange(t.Context(), l.app, v.ID, q.Get("code"), signin.By{})
		must(t, err)
		if claims := l.payload(l.app, got.IDToken); claims["email"] != "ada@acme.io" || !cmp.Equal(claims["amr"], []any{"email"}) {
			t.Errorf("claims: %v", claims)
		}
		_, err = l.signin.Exchange(t.Context(), l.app, v.ID, q.Get("code"), signin.By{})
		wantCode(t, "the grant again", err, errs.CodeSignInUsed)
	})
}

// TestBudgetsSurviveANewMail guesses and sends until the hour's budgets are used up.
func TestBudgetsSurviveANewMail(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *lab) {
		t.Helper()
		if into := l.now().Sub(l.now().Truncate(time.Hour)); into > 50*time.Minute {
			l.advance(time.Hour - into) // the whole test lies in one window
		}
		guesses, sends := 0, 0
		var last error
		for sends < 30 {
			// +tags are one mailbox.
			v, err := l.signin.Begin(t.Context(), signin.Request{ApplicationID: l.app, Email: fmt.Sprintf("ada+%d@acme.io", sends)})
			if last = err; err != nil {
				break
			}
			sends++
			for range signin.MaxTries {
				if _, err := l.signin.Exchange(t.Context(), l.app, v.ID, "123456", signin.By{}); errs.Is(err, errs.CodeWrongCode) || errs.Is(err, errs.CodeTooManyTries) {
					guesses++
				}
			}
		}
		if e := errs.As(last); e.Code != errs.CodeTooManyRequests || e.RetryAfter <= 0 || e.RetryAfter > time.Hour {
			t.Errorf("one mail too many: %v", last)
		}
		if sends != 20 || guesses != 20 {
			t.Errorf("%d mails and %d guesses in an hour", sends, guesses)
		}
		// Another address, another application and the next hour have their own.
		for _, r := range []signin.Request{{ApplicationID: l.app, Email: "bob@acme.io"}, {ApplicationID: l.other, Email: "ada@acme.io"}} {
			if _, err := l.signin.Begin(t.Context(), r); err != nil {
				t.Errorf("%s at %s: %v", r.Email, r.ApplicationID, err)
			}
		}
		l.advance(time.Hour)
		l.begin("ada@acme.io", "")
	})
}

func TestRightCodesAreNoGuesses(t *testing.T) {
	t.Parallel()
	l := newLab(t, sqlstore.Options{Path: filepath.Join(t.TempDir(), "latchkey.db")})
	for range 20 {
		v := l.begin("ada@acme.io", "")
		_, err := l.signin.Exchange(t.Context(), l.app, v.ID, l.mail().code, signin.By{})
		must(t, err)
	}
	l.advance(time.Hour)
	for n := range 110 {
		_, err := l.signin.Begin(t.Context(), signin.Request{ApplicationID: l.app, Email: fmt.Sprintf("u%d@acme.io", n), By: signin.By{Browser: browser, Network: "203.0.113.7"}})
		if (err != nil) != (n >= 100) {
			t.Fatalf("mail %d of one network: %v", n+1, err)
		}
	}
	must(t, l.signin.PutSettings(t.Context(), l.other, signin.Settings{SendsPerHour: 16}))
	refused := 0
	for n := range 64 {
		if _, err := l.signin.Begin(t.Context(), signin.Request{ApplicationID: l.other, Email: fmt.Sprintf("v%d@acme.io", n)}); err != nil {
			wantCode(t, "an application's budget", err, errs.CodeTooManyRequests)
			refused++
		}
	}
	if refused < 48 {
		t.Errorf("an application with a budget of 16 sent %d", 64-refused)
	}
}

// TestRefusedAddressesLookLikeOthers compares everything that a stranger could: the answer, and the work,
// as the rows that it left and the transactions that it took.
func TestRefusedAddressesLookLikeOthers(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *lab) {
		t.Helper()
		ctx := t.Context()
		_, err := l.signin.AddRules(ctx, l.app, latchkey.SignInAllow, []string{"*@acme.io", "*.acme.org", "eve@other.io", "login@acme.net"})
		must(t, err)
		_, err = l.signin.AddRules(ctx, l.app, latchkey.SignInBlock, []string{"eve@other.io", "bad@acme.io", "@evil.acme.org"})
		must(t, err)
		must(t, l.sql.Senders().Create(ctx, latchkey.Sender{
			ID: latchkey.NewSenderID(time.Now()), ApplicationID: l.app, Kind: latchkey.SenderBasic, Email: "login@acme.net", Address: "login@acme.net", CreatedAt: time.Now(),
		}))
		l.known = []string{"op@acme.io"}
		for _, c := range []struct {
			app         latchkey.ApplicationID
			email, want string
		}{
			{l.app, "ada@acme.io", ""},
			{l.app, "ADA@a.b.acme.org", ""},
			{l.app, "ada@acme.org", signin.WithheldNotAllowed},
			{l.app, "Bad@ACME.io", signin.WithheldBlocked},
			{l.app, "eve@other.io", signin.WithheldBlocked},
			{l.app, "x@evil.acme.org", signin.WithheldBlocked},
			{l.app, "Login@acme.net", signin.WithheldSender},
			{l.app, "login+ada@acme.net", signin.WithheldSender},
			{l.app, "bad+1@acme.io", signin.WithheldBlocked},
			{l.app, "login@latchkey.test", signin.WithheldSender},
			{l.app, "eve+2@other.io", signin.WithheldBlocked},
			{l.app, "b.a.d@acme.io", ""},
			{l.other, "login@acme.net", ""},
			{l.other, "bad@acme.io", ""},
			{"", "op@acme.io", ""},
			{"", "ada@acme.io", signin.WithheldUnknown},
		} {
			before := l.store.txs
			v, err := l.signin.Begin(ctx, signin.Request{ApplicationID: c.app, Email: c.email})
			must(t, err)
			if took := l.store.txs - before; took != 1 || v.Withheld != c.want || v.Status != latchkey.SignInPending || v.Sends != 1 {
				t.Errorf("%s at %q: %d transactions, %+v", c.email, c.app, took, v)
			}
			got := l.fate(c.app)
			if got.To != v.Email || (got.Status == latchkey.MailFailed) != (c.want != "") || got.Code != c.want || len(got.Body) > 0 {
				t.Errorf("%s: the outbox holds %+v", c.email, got)
			}
			if c.want == "" {
				if m := l.mail(); m.to != v.Email {
					t.Errorf("a mail went to %s", m.to)
				}
			}
		}
	})
}

// TestWithheldCodesAreRefused takes the one chance in a million away as well, and nothing of them is kept.
func TestWithheldCodesAreRefused(t *testing.T) {
	t.Parallel()
	l := newLab(t, sqlstore.Options{Path: filepath.Join(t.TempDir(), "latchkey.db")})
	_, err := l.signin.AddRules(t.Context(), l.app, latchkey.SignInBlock, []string{"ada@acme.io"})
	must(t, err)
	v := l.begin("ada@acme.io", "")
	_, err = l.signin.Exchange(t.Context(), l.app, v.ID, l.last.Code, signin.By{})
	wantCode(t, "the right code of a mail that was withheld", err, errs.CodeWrongCode)
	_, err = l.signin.Open(t.Context(), strings.TrimPrefix(l.last.Link, base+"/signin/link/"), "")
	wantCode(t, "its link", err, errs.CodeNotFound)
	if got := l.fate(l.app); len(got.Body) > 0 || got.Attempts != 0 || got.Code != signin.WithheldBlocked {
		t.Errorf("it is kept: %+v", got)
	}
}

func TestAddressesThatAreNone(t *testing.T) {
	t.Parallel()
	l := newLab(t, sqlstore.Options{Path: filepath.Join(t.TempDir(), "latchkey.db")})
	for _, bad := range []string{"", "ada", `"ada lovelace"@acme.io`, "ada@acme.io\r\nBcc: eve@evil.io", "ada@acme.io, eve@evil.io", "ada@[127.0.0.1]", "a@b@c.io", strings.Repeat("a", 250) + "@b.io"} {
		_, err := l.signin.Begin(t.Context(), signin.Request{ApplicationID: l.app, Email: bad})
		if e := errs.As(err); len(e.Fields) != 1 || e.Fields[0].Code != errs.CodeInvalidEmail || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	// One mailbox, however its domain is written; what is stored is what mail goes to.
	v := l.begin("ada@Bücher.example", "")
	w := l.begin("ADA@xn--bcher-kva.example", "")
	if v.Address != w.Address || v.Email != "ada@xn--bcher-kva.example" || l.signin.Subject(l.app, v.Address) != l.signin.Subject(l.app, w.Address) {
		t.Errorf("%q and %q are two mailboxes", v.Address, w.Address)
	}
	if m := l.mail(); strings.Contains(m.raw, "Bücher") {
		t.Error("the mail goes to a name that DNS does not know")
	}
	// What is said of a browser makes no header of its own.
	_, err := l.signin.Begin(t.Context(), signin.Request{ApplicationID: l.app, Email: "bob@acme.io", Device: "x\r\nBcc: eve@evil.io", Locale: "en\r\nX: y"})
	must(t, err)
	l.mail()
	if m := l.mail(); strings.Contains(m.raw, "\nBcc") || strings.Contains(m.raw, "\nX: y") {
		t.Errorf("a header was made:\n%s", m.raw)
	}
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Ada@ACME.io": "ada@acme.io", "acme.io": "*@acme.io", "@Acme.io": "*@acme.io", "*@acme.io": "*@acme.io", "*.acme.io": "*@*.acme.io",
		"*@*.Bücher.example": "*@*.xn--bcher-kva.example", "*": "", "*@*": "", "*@io": "", "a*@acme.io": "a*@acme.io", "ada@*.io": "", "": "", "*@*.*.io": "",
	} {
		got, ok := signin.Pattern(in)
		if got = map[bool]string{true: got}[ok]; got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
	if _, err := address.Parse("a*@acme.io"); err != nil {
		t.Error("an asterisk is a letter of addresses, and stands for itself")
	}
}

// TestSecretsOfSignInsAreNotInTheFile looks for codes and tokens in the database.
func TestSecretsOfSignInsAreNotInTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "latchkey.db")
	l := newLab(t, sqlstore.Options{Path: path})
	v := l.begin("visible@acme.io", browser)
	m := l.mail()
	_, err := l.signin.Verify(t.Context(), l.app, v.ID, m.code, signin.By{Browser: browser})
	must(t, err)
	row, err := l.sql.SignIns().Get(t.Context(), l.app, v.ID)
	must(t, err)
	u, err := url.Parse(l.signin.Redirect(row))
	must(t, err)
	_, grant, _ := strings.Cut(u.Query().Get("code"), ".")
	_, token, _ := strings.Cut(m.link, ".")
	var file []byte
	for _, f := range []string{path, path + "-wal"} {
		raw, err := os.ReadFile(f)
		must(t, err)
		file = append(file, raw...)
	}
	if !bytes.Contains(file, []byte("visible@acme.io")) {
		t.Error("the search finds nothing at all")
	}
	for what, s := range map[string]string{"code": m.code + "\r\n", "link": token, "grant": grant, "cookie": browser} {
		if bytes.Contains(file, []byte(s)) || len(s) < 8 {
			t.Errorf("the database holds the %s", what)
		}
	}
}
