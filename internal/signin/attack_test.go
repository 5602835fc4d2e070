package signin_test

import (
	"context"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/signin"
	"latchkey/internal/store/sqlstore"
)

// whole puts the test into one window of the budgets.
func (l *lab) whole() {
	if into := l.now().Sub(l.now().Truncate(time.Hour)); into > 50*time.Minute {
		l.advance(time.Hour - into)
	}
}

// TestAStrangerLocksNobodyOut uses up an address's mails and guesses. Whoever has signed in with it on a
// device before goes on there, by code and by mail, as a browser and over the API; the stranger does not, and
// what others' devices carry is of no use.
func TestAStrangerLocksNobodyOut(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *lab) {
		t.Helper()
		ctx := t.Context()
		l.whole()
		v := l.begin("Ada@acme.io", browser)
		v, err := l.signin.Verify(ctx, l.app, v.ID, l.mail().code, signin.By{Browser: browser})
		must(t, err)
		words := l.signin.Remember(v, "")
		got, err := l.signin.Exchange(ctx, l.app, l.begin("ada@acme.io", "").ID, l.mail().code, signin.By{})
		must(t, err)
		eve, err := l.signin.Exchange(ctx, l.app, l.begin("eve@acme.io", "").ID, l.mail().code, signin.By{})
		must(t, err)
		if strings.Contains(words, "ada") || l.signin.Remember(v, words) == words || len(l.signin.Remember(v, words)) != len(words) {
			t.Errorf("a device's words: %q", words)
		}
		wanted := l.begin("ada@acme.io", "")
		l.mail()
		for n := 0; ; n++ {
			s, err := l.signin.Begin(ctx, signin.Request{ApplicationID: l.app, Email: "ada+" + strings.Repeat("x", n) + "@acme.io", By: signin.By{Browser: browser}})
			if err != nil {
				wantCode(t, "the stranger's last mail", err, errs.CodeTooManyRequests)
				break
			}
			m := l.mail()
			for range signin.MaxTries {
				_, _ = l.signin.Verify(ctx, l.app, s.ID, wrong(m.code), signin.By{Browser: browser}) // it is counted below
			}
		}
		_, err = l.signin.Exchange(ctx, l.app, wanted.ID, "000000", signin.By{})
		wantCode(t, "a code after that", err, errs.CodeTooManyRequests)
		other, err := l.signin.Exchange(ctx, l.other, l.beginAt(l.other, "ada@acme.io").ID, l.mail().code, signin.By{})
		must(t, err)
		for what, w := range map[string]string{
			"nothing": "", "another's device": eve.Familiar, "another application's": other.Familiar, "a bent word": words[:22] + bent(words[22:]), "noise": strings.Repeat("A", 44) + ".x.." + strings.Repeat("é", 22),
		} {
			_, err := l.signin.Begin(ctx, signin.Request{ApplicationID: l.app, Email: "ada@acme.io", By: signin.By{Familiar: w}})
			wantCode(t, what, err, errs.CodeTooManyRequests)
		}
		for _, w := range []string{words, got.Familiar, eve.Familiar + "." + words} {
			v, err := l.signin.Begin(ctx, signin.Request{ApplicationID: l.app, Email: "ada@acme.io", By: signin.By{Familiar: w}})
			must(t, err)
			m := l.mail()
			_, err = l.signin.Exchange(ctx, l.app, v.ID, wrong(m.code), signin.By{})
			wantCode(t, "a wrong code", err, errs.CodeWrongCode)
			_, err = l.signin.Exchange(ctx, l.app, v.ID, m.code, signin.By{})
			must(t, err)
		}
		// A device's own budget ends as well.
		sends := 0
		for range 25 {
			if _, err = l.signin.Begin(ctx, signin.Request{ApplicationID: l.app, Email: "ada@acme.io", By: signin.By{Familiar: got.Familiar}}); err == nil {
				sends++
			}
		}
		if sends != 19 {
			t.Errorf("a device sent %d mails and one", sends)
		}
		l.advance(180 * 24 * time.Hour)
		v, err = l.signin.Begin(ctx, signin.Request{ApplicationID: l.app, Email: "ada@acme.io", By: signin.By{Familiar: words}})
		must(t, err)
		if v.Familiar != "" {
			t.Error("a device is familiar for ever")
		}
	})
}

func (l *lab) beginAt(app latchkey.ApplicationID, email string) latchkey.SignIn {
	l.t.Helper()
	v, err := l.signin.Begin(l.t.Context(), signin.Request{ApplicationID: app, Email: email})
	must(l.t, err)
	return v
}

// TestABackendsSignInKeepsItsNetwork: guesses and mails count against the network that began, also where
// the backend names it no more.
func TestABackendsSignInKeepsItsNetwork(t *testing.T) {
	t.Parallel()
	l := newLab(t, sqlstore.Options{Path: filepath.Join(t.TempDir(), "latchkey.db")})
	l.whole()
	looked := 0
	for n := range 20 {
		v, err := l.signin.Begin(t.Context(), signin.Request{ApplicationID: l.app, Email: string(rune('a'+n)) + "@acme.io", By: signin.By{Network: "203.0.113.7"}})
		must(t, err)
		for range signin.MaxTries {
			if _, err := l.signin.Exchange(t.Context(), l.app, v.ID, "123456", signin.By{}); !errs.Is(err, errs.CodeTooManyRequests) {
				looked++
			}
		}
		row, err := l.sql.SignIns().Get(t.Context(), l.app, v.ID)
		must(t, err)
		if strings.Contains(row.Network, "203") || row.Network == "" {
			t.Errorf("the row holds the network %q", row.Network)
		}
	}
	if looked != 60 {
		t.Errorf("%d guesses of one network", looked)
	}
}

// TestProgramsThatPressButtonsUseNothingUp presses the button behind a backend's link again and again. The
// code still signs in, and so does a grant, once.
func TestProgramsThatPressButtonsUseNothingUp(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *lab) {
		t.Helper()
		ctx := t.Context()
		grant := func(link string) string {
			t.Helper()
			v, err := l.signin.Consume(ctx, link, "")
			must(t, err)
			u, err := url.Parse(l.signin.Redirect(v))
			must(t, err)
			return u.Query().Get("code")
		}
		v := l.begin("ada@acme.io", "")
		m := l.mail()
		pressed := grant(m.link)
		grant(m.link)
		row, err := l.sql.SignIns().Get(ctx, l.app, v.ID)
		must(t, err)
		if row.Status != latchkey.SignInPending || !row.ProvedAt.IsZero() {
			t.Errorf("a click made it %s", row.Status)
		}
		if o, err := l.signin.Open(ctx, m.link, ""); err != nil || o.Used || !o.Here {
			t.Errorf("the link after that: %+v, %v", o, err)
		}
		_, err = l.signin.Exchange(ctx, l.app, v.ID, m.code, signin.By{})
		must(t, err)
		_, err = l.signin.Exchange(ctx, l.app, v.ID, pressed, signin.By{})
		wantCode(t, "the scanner's grant", err, errs.CodeSignInUsed)
		if o, err := l.signin.Open(ctx, m.link, ""); err != nil || !o.Used {
			t.Errorf("the link in the end: %+v, %v", o, err)
		}

		v = l.begin("bob@acme.io", "")
		m = l.mail()
		g := grant(m.link)
		_, err = l.signin.Exchange(ctx, l.other, v.ID, g, signin.By{})
		wantCode(t, "the grant at another application", err, errs.CodeWrongCode)
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for range 20 {
			wg.Go(func() {
				if got, err := l.signin.Exchange(context.WithoutCancel(ctx), l.app, v.ID, g, signin.By{}); err == nil && got.SignIn.Method == latchkey.SignInByLink {
					mu.Lock()
					won++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Errorf("the grant was good %d times", won)
		}
		v = l.begin("cyd@acme.io", "")
		g = grant(l.mail().link)
		l.advance(2 * time.Minute)
		_, err = l.signin.Exchange(ctx, l.app, v.ID, g, signin.By{})
		wantCode(t, "an old grant", err, errs.CodeWrongCode)
		l.advance(signin.Lifetime)
		_, err = l.signin.Exchange(ctx, l.app, v.ID, g, signin.By{})
		wantCode(t, "a very old grant", err, errs.CodeWrongCode)
	})
}

// TestGuessesOverReplicas throws 300 wrong codes and the right one at three replicas on one database, all at
// once: at most five are looked at, nobody waits for somebody who waits for them, and no error is ours.
func TestGuessesOverReplicas(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *lab) {
		t.Helper()
		replicas := []*signin.Service{l.signin, l.replica(), l.replica()}
		v := l.begin("ada@acme.io", browser)
		m := l.mail()
		var wg sync.WaitGroup
		var mu sync.Mutex
		seen := map[errs.Code]int{}
		for n := range 301 {
			code := wrong(m.code)
			if n == 150 {
				code = m.code
			}
			wg.Go(func() {
				_, err := replicas[n%3].Verify(context.WithoutCancel(t.Context()), l.app, v.ID, code, signin.By{Browser: browser})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					seen["right"]++
					return
				}
				seen[errs.As(err).Code]++
			})
		}
		wg.Wait()
		if seen[errs.CodeInternal] > 0 || seen[errs.CodeWrongCode] > signin.MaxTries || seen["right"] > 1 {
			t.Errorf("answers: %v", seen)
		}
		row, err := l.sql.SignIns().Get(t.Context(), l.app, v.ID)
		must(t, err)
		if row.Current.Tries > signin.MaxTries || (row.Status == latchkey.SignInProved) != (seen["right"] == 1) {
			t.Errorf("%d looks, %s", row.Current.Tries, row.Status)
		}
	})
}

// TestAnOperatorsGrantStaysInItsBrowser: a grant that somebody else brings signs nobody in, and is not used
// up by them.
func TestAnOperatorsGrantStaysInItsBrowser(t *testing.T) {
	t.Parallel()
	l := newLab(t, sqlstore.Options{Path: filepath.Join(t.TempDir(), "latchkey.db")})
	l.known = []string{"op@acme.io"}
	v, err := l.signin.Begin(t.Context(), signin.Request{Email: "op@acme.io", RedirectURI: "/dashboard/in", By: signin.By{Browser: browser}})
	must(t, err)
	v, err = l.signin.Verify(t.Context(), "", v.ID, l.mail().code, signin.By{Browser: browser})
	must(t, err)
	u, err := url.Parse(l.signin.Redirect(v))
	must(t, err)
	for _, who := range []string{"", strings.Repeat("x", 43)} {
		_, err = l.signin.Redeem(t.Context(), "", u.Query().Get("code"), signin.By{Browser: who})
		wantCode(t, "in another browser", err, errs.CodeOtherBrowser)
	}
	_, err = l.signin.Redeem(t.Context(), "", u.Query().Get("code"), signin.By{Browser: browser})
	must(t, err)
}

// bent is another text of the same letters.
func bent(s string) string { return s[1:] + s[:1] }
