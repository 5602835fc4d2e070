package accounts

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/connector"
)

// TestJudge plays checks one after the other, each when the one before asked for it, and reads off when
// the status changed. In a script o is a good check, x an outage, r a refusal, R one while the provider
// is under suspicion, u one when nothing else is known, b a blocked mailbox; (r)n is n of them.
func TestJudge(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		from   latchkey.AccountStatus
		script string
		want   string // the changes, with the number of the check that made them
	}{
		"well":                              {"OK", "ooooo", ""},
		"one outage is nothing":             {"OK", "oxooxo", ""},
		"two outages are said":              {"OK", "oxxo", "3:CONNECTING host_unreachable, 4:OK"},
		"just back, it takes three":         {"OK", "xxoxxoxxxo", "2:CONNECTING host_unreachable, 3:OK, 9:CONNECTING host_unreachable, 10:OK"},
		"one refusal is nothing":            {"OK", "rorooro", ""},
		"two refusals are said":             {"OK", "orro", "3:CREDENTIALS password_changed, 4:OK"},
		"a refusal in an outage is nothing": {"OK", "xrxrxr", "3:CONNECTING host_unreachable"},
		"refused after an outage":           {"OK", "xxrr", "2:CONNECTING host_unreachable, 4:CREDENTIALS password_changed"},
		"outage of a refused account":       {"CREDENTIALS", "xxxxxxxxxxxx", ""},
		"it repairs itself":                 {"CREDENTIALS", "rrro", "4:OK"},
		"blocked":                           {"OK", "bb", "2:ERROR account_blocked"},
		"suspicion is said as an outage":    {"OK", "RRRRR", "2:CONNECTING provider_trouble"},
		"just started":                      {"OK", "uuo", ""},
		"just started, and refused":         {"OK", "uur", "3:CREDENTIALS password_changed"},
		"suspicion passes":                  {"OK", "RRRo", "2:CONNECTING provider_trouble, 4:OK"},
		"suspicion proves right":            {"OK", "RRRrr", "2:CONNECTING provider_trouble, 4:CREDENTIALS password_changed"},
		"an outage without end":             {"OK", strings.Repeat("x", 40), "2:CONNECTING host_unreachable, n:ERROR host_unreachable"},
		"and its end":                       {"ERROR", "xxo", "3:OK"},
		"refusals without end":              {"OK", strings.Repeat("R", 40), "2:CONNECTING provider_trouble, n:CREDENTIALS password_changed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
			start := now
			p := policy{every: DefaultCheckEvery, patience: DefaultCheckPatience}
			made := now.Add(-30 * 24 * time.Hour)
			a := latchkey.Account{Status: c.from, StatusAt: made, CreatedAt: made}
			if c.from == "CREDENTIALS" {
				a.Reason = latchkey.ReasonPasswordChanged
			}
			var got []string
			for i, r := range c.script {
				was, why := a.Status, a.Reason
				h := map[rune]connector.Health{
					'o': {Status: "OK"}, 'x': {Status: "CONNECTING", Reason: latchkey.ReasonHostUnreachable},
					'r': {Status: "CREDENTIALS", Reason: latchkey.ReasonPasswordChanged}, 'R': {Status: "CREDENTIALS", Reason: latchkey.ReasonPasswordChanged},
					'u': {Status: "CREDENTIALS", Reason: latchkey.ReasonPasswordChanged},
					'b': {Status: "ERROR", Reason: latchkey.ReasonBlocked},
				}[r]
				p.judge(&a, h, now, map[rune]trust{'R': suspected, 'u': unsure}[r])
				if a.Status != was || a.Reason != why {
					a.StatusAt = now
					n := fmt.Sprint(i + 1)
					if len(c.script) == 40 && i > 5 {
						n = "n"
						if d := now.Sub(start); d < p.patience || d > p.patience+time.Hour {
							t.Errorf("said after %s", d)
						}
					}
					got = append(got, strings.TrimSpace(fmt.Sprintf("%s:%s %s", n, a.Status, a.Reason)))
				}
				wait := p.next(a, now)
				if wait <= 0 || wait > 120*p.every {
					t.Fatalf("check %d: the next is in %s", i+1, wait)
				}
				now = now.Add(wait)
			}
			if s := strings.Join(got, ", "); s != c.want {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
		})
	}
}

// TestPauses has the bounds within which the next check comes.
func TestPauses(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	old, p := now.Add(-24*time.Hour), policy{every: DefaultCheckEvery, patience: DefaultCheckPatience}
	for name, c := range map[string]struct {
		a        latchkey.Account
		min, max time.Duration
	}{
		"well":             {latchkey.Account{Status: "OK", StatusAt: old, CreatedAt: old}, 12 * time.Minute, 18 * time.Minute},
		"well for long":    {latchkey.Account{Status: "OK", StatusAt: now.Add(-longStable - 1)}, 25 * time.Minute, 35 * time.Minute},
		"new":              {latchkey.Account{Status: "OK", StatusAt: now, CreatedAt: now}, 12 * time.Minute, 18 * time.Minute},
		"just mended":      {latchkey.Account{Status: "OK", StatusAt: now, CreatedAt: old}, 4 * time.Minute, 6 * time.Minute},
		"one outage":       {latchkey.Account{Status: "OK", StatusAt: old, Watch: latchkey.Watch{Failures: 1}}, 45 * time.Second, 75 * time.Second},
		"one refusal":      {latchkey.Account{Status: "OK", StatusAt: old, Watch: latchkey.Watch{Failures: 1, Doubts: 1}}, 90 * time.Second, 2 * time.Minute},
		"held back":        {latchkey.Account{Status: "CONNECTING", Watch: latchkey.Watch{Failures: 9, Doubts: 9}}, 25 * time.Minute, 35 * time.Minute},
		"outage":           {latchkey.Account{Status: "CONNECTING", Watch: latchkey.Watch{Failures: 2}}, 45 * time.Second, 75 * time.Second},
		"long outage":      {latchkey.Account{Status: "CONNECTING", Watch: latchkey.Watch{Failures: 90}}, 25 * time.Minute, 35 * time.Minute},
		"broken":           {latchkey.Account{Status: "ERROR", Watch: latchkey.Watch{Failures: 90}}, 50 * time.Minute, 70 * time.Minute},
		"refused":          {latchkey.Account{Status: "CREDENTIALS", Watch: latchkey.Watch{Failures: 1}}, 50 * time.Minute, 70 * time.Minute},
		"refused for long": {latchkey.Account{Status: "PERMISSIONS", Watch: latchkey.Watch{Failures: 50}}, 20 * time.Hour, 28 * time.Hour},
		"stopped":          {latchkey.Account{Status: "STOPPED"}, 0, 0},
	} {
		for range 20 {
			if got := p.next(c.a, now); got < c.min || got > c.max {
				t.Errorf("%s: %s, want %s to %s", name, got, c.min, c.max)
			}
		}
	}
}

// TestClockJumps: neither a clock that leaps ahead nor one that is put back makes a short outage long.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	p := policy{every: DefaultCheckEvery, patience: DefaultCheckPatience}
	down := connector.Health{Status: "CONNECTING", Reason: latchkey.ReasonTLS}
	no := connector.Health{Status: "CREDENTIALS", Reason: latchkey.ReasonPasswordChanged}
	a := latchkey.Account{Status: "OK"}
	p.judge(&a, down, now, trusted)
	p.judge(&a, down, now.Add(time.Minute), trusted)
	now = now.Add(365 * 24 * time.Hour)
	if p.judge(&a, down, now, trusted); a.Status != "CONNECTING" {
		t.Errorf("a leap of the clock made it %s", a.Status)
	}
	now = now.Add(-2 * 365 * 24 * time.Hour)
	for range 10 {
		now = now.Add(30 * time.Minute)
		p.judge(&a, down, now, trusted)
	}
	if a.Status != "CONNECTING" {
		t.Errorf("five hours after the clock was put back it is %s", a.Status)
	}
	for range 3 {
		now = now.Add(30 * time.Minute)
		p.judge(&a, down, now, trusted)
	}
	if a.Status != "ERROR" {
		t.Errorf("after more than six hours it is %s", a.Status)
	}
	b := latchkey.Account{Status: "OK"}
	p.judge(&b, no, now, trusted)
	p.judge(&b, no, now.Add(-time.Hour), trusted)
	if b.Status != "OK" || b.Watch.Doubts != 1 {
		t.Errorf("two refusals at no distance were believed: %s, %d", b.Status, b.Watch.Doubts)
	}
}

func TestSuspicion(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	play := func(l *lane, good, bad, shared int) bool {
		for range good {
			l.count(now, true, 0)
		}
		for range bad {
			l.count(now, false, shared)
		}
		return l.suspected(now)
	}
	if play(&lane{}, 0, suspicious-1, 0) {
		t.Error("a few refusals are suspicious")
	}
	if play(&lane{}, 100, 60, 0) {
		t.Error("a minority of refusals is suspicious")
	}
	if !play(&lane{}, 0, 1, 5000) {
		t.Error("a replica that has just started does not learn of the others' refusals")
	}
	l := &lane{}
	if !play(l, 10, suspicious, 0) {
		t.Error("a majority of refusals is not suspicious")
	}
	now = now.Add(circuitWindow)
	if !l.suspected(now) {
		t.Error("silence ends the suspicion at once")
	}
	if play(l, acquitted, 0, 0) {
		t.Error("good results do not end the suspicion")
	}
	if l = (&lane{}); !play(l, 0, suspicious, 0) || l.suspected(now.Add(suspicionEnds+1)) {
		t.Error("it does not end by itself")
	}
}
