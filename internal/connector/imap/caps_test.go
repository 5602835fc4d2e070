package imap_test

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/imap"
	"latchkey/internal/connector/imap/mailhost"
)

func TestCaps(t *testing.T) {
	l := newLab(t, func(_ *mailhost.Host, cfg *imap.Config, _ *[]string) {
		cfg.Limits = imap.Limits{VerifiesPerLink: 12, LookupsPerLink: 3, TriesPerLogin: 4, LoginsPerHost: 5, KnownHostFactor: 1}
	})
	turn := l.toPassword(connector.Start{LinkID: "lnk_a"})
	for i := range 4 {
		turn = l.at(l.answer(turn, map[string]string{"password": "wrong" + strconv.Itoa(i)}), "imap.password", "password:wrong_password")
	}
	before := l.host.Counts()
	for range 3 { // a guess that was not let through is not let through by being repeated
		turn = l.at(l.answer(turn, map[string]string{"password": password}), "imap.password", ":too_many_tries")
	}
	if m := turn.Step.Errors[0].Args["minutes"]; m == "" || m == "0" {
		t.Errorf("minutes %q", m)
	}
	// Another link does not help with the same login, nor does the name's case.
	other := l.toPassword(connector.Start{LinkID: "lnk_b"})
	l.at(l.answer(other, map[string]string{"password": password, "imap_user": "MARIA@demo.test"}), "imap.password", ":too_many_tries")
	if got := l.host.Counts(); got.IMAPLogins != before.IMAPLogins || got.IMAPRefused != before.IMAPRefused {
		t.Error("the host was asked beyond the cap")
	}
	// One password, many logins.
	var last connector.Turn
	for i := range 6 {
		last = l.answer(l.toPassword(connector.Start{LinkID: latchkey.LinkID("lnk_s" + strconv.Itoa(i))}),
			l.typed(map[string]string{"imap_user": "user" + strconv.Itoa(i), "smtp_host": "", "password": "Summer2026"}))
	}
	l.at(last, "imap.password", ":too_many_tries")
	// Later it works again.
	l.now = l.now.Add(time.Hour)
	l.granted(l.answer(turn, map[string]string{"password": password}))
	// Lookups.
	turn = l.at(l.begin(connector.Start{LinkID: "lnk_z"}), "imap.email")
	for i := range 3 {
		l.answer(turn, map[string]string{"email": "a@d" + strconv.Itoa(i) + ".demo.test"})
	}
	l.at(l.answer(turn, map[string]string{"email": email}), "imap.email", "email:too_many_tries")
}

func TestVerifiesPerLink(t *testing.T) {
	l := newLab(t, func(_ *mailhost.Host, cfg *imap.Config, _ *[]string) { cfg.Limits.VerifiesPerLink = 3 })
	turn := l.toPassword(connector.Start{LinkID: "lnk_scan"})
	for i := range 3 {
		turn = l.at(l.answer(turn, l.typed(map[string]string{"imap_port": strconv.Itoa(1 + i), "smtp_host": ""})), "imap.password", "imap_host:connection_refused")
	}
	l.at(l.answer(turn, l.typed(map[string]string{"imap_port": "9", "smtp_host": ""})), "imap.password", ":too_many_tries")
}

// TestManyFlowsIntoOneMailbox: the caps are for guesses, and a right password is none.
func TestManyFlowsIntoOneMailbox(t *testing.T) {
	l := newLab(t)
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			turn, err := l.conn.Direct(connector.Start{LinkID: latchkey.LinkID("lnk_" + strconv.Itoa(i))}, l.fields(nil))
			if err != nil {
				t.Error(err)
				return
			}
			if turn, err = l.conn.Do(t.Context(), *turn.Work, l); err != nil || turn.Grant == nil {
				t.Errorf("%d: %+v, %v", i, turn.Step, err)
			}
		})
	}
	wg.Wait()
}
