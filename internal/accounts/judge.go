package accounts

import (
	"math/rand/v2"
	"time"

	"latchkey"
	"latchkey/internal/connector"
)

const (
	// DefaultCheckEvery is the pause between two checks of an account that is well. All other pauses are
	// parts or multiples of it.
	DefaultCheckEvery = 15 * time.Minute
	// DefaultCheckPatience is how long a server may be away, or a provider's refusals be held back,
	// before it is taken for true.
	DefaultCheckPatience = 6 * time.Hour
	// DefaultCheckRate is how many accounts of one provider, or of one mail host, are checked in a
	// second, over all replicas.
	DefaultCheckRate = 20
)

const (
	// Outages and refusals have to be seen that often; time alone does not count, since clocks jump.
	outagesSaid     = 2
	outagesUnsettle = 3 // for an account that changed within the last hour
	outagesError    = 6
	refusalsSaid    = 2
	refusalsHeld    = 6
	// longStable is how long an account must have been well to be looked at half as often.
	longStable = 7 * 24 * time.Hour
)

// trust is how far refusals are to be believed now.
type trust int

const (
	trusted trust = iota
	// unsure: this process has just started, and has seen nothing but refusals there. Another may have
	// known why.
	unsure
	// suspected: most accounts are refused at once.
	suspected
)

// policy is how long things are waited for.
type policy struct{ every, patience time.Duration }

// confirm is the least time between a refusal and the one that confirms it: a minute and a half
// where checks are every quarter of an hour.
func (p policy) confirm() time.Duration { return p.every / 10 }

// judge puts on the account what a scheduled check makes of it. t says how far refusals are to be
// believed now. It is pure but for the clock, which is given.
func (p policy) judge(a *latchkey.Account, h connector.Health, now time.Time, t trust) {
	if a.Watch.Since.After(now) {
		a.Watch.Since = now // the clock was put back
	}
	switch h.Status {
	case latchkey.AccountOK:
		put(a, h)
		well(a)
	case latchkey.AccountConnecting:
		p.outage(a, h, now)
	default:
		p.verdict(a, h, now, t)
	}
}

// outage is what an outage makes of an account: nothing at first, then CONNECTING, then ERROR. It tells
// nothing about a credential that was refused before.
func (p policy) outage(a *latchkey.Account, h connector.Health, now time.Time) {
	failed(a, now)
	undoubt(a) // a refusal in the midst of an outage proves nothing
	switch a.Status {
	case latchkey.AccountOK:
		need := outagesSaid
		if now.Sub(a.StatusAt) < 4*p.every && a.StatusAt.After(a.CreatedAt) {
			need = outagesUnsettle
		}
		if a.Watch.Failures >= need {
			put(a, h)
		}
	case latchkey.AccountConnecting:
		if a.Watch.Failures >= outagesError && now.Sub(a.Watch.Since) >= p.patience {
			h.Status = latchkey.AccountError
			put(a, h)
		}
	}
}

// failed counts a check that did not find the account well.
func failed(a *latchkey.Account, now time.Time) {
	if a.Watch.Failures == 0 {
		a.Watch.Since = now
	}
	a.Watch.Failures++
}

// verdict is what a refusal makes of an account. One is no reason to send anybody through the wizard:
// it is said when a later check confirms it.
func (p policy) verdict(a *latchkey.Account, h connector.Health, now time.Time, t trust) {
	failed(a, now)
	if a.Status == h.Status && a.Reason == h.Reason {
		put(a, h)
		undoubt(a)
		return
	}
	if !p.believe(a, h, now, t) {
		if t == suspected && a.Watch.Doubts >= refusalsSaid && a.Status == latchkey.AccountOK {
			a.Status, a.Reason = latchkey.AccountConnecting, latchkey.ReasonProviderTrouble
		}
		return
	}
	put(a, h)
	undoubt(a)
	a.Watch.Failures, a.Watch.Since = 1, now
}

// believe notes a refusal, and tells whether it has been found often and long enough.
func (p policy) believe(a *latchkey.Account, h connector.Health, now time.Time, t trust) bool {
	w := &a.Watch
	if w.Doubt != h.Status || w.DoubtSince.After(now) {
		w.Doubt, w.Doubts, w.DoubtSince = h.Status, 0, now
	}
	w.DoubtReason = h.Reason
	w.Doubts++
	age := now.Sub(w.DoubtSince)
	if t != trusted {
		return w.Doubts >= refusalsHeld && age >= p.patience
	}
	return w.Doubts >= refusalsSaid && age >= p.confirm()/2
}

func undoubt(a *latchkey.Account) {
	w := &a.Watch
	w.Doubt, w.DoubtReason, w.Doubts, w.DoubtSince = "", "", 0, time.Time{}
}

// next is how long to wait for the next check; 0 means that there is none.
func (p policy) next(a latchkey.Account, now time.Time) time.Duration {
	w := a.Watch
	switch {
	case a.Status == latchkey.AccountStopped:
		return 0
	case w.Doubts > refusalsSaid: // held back: the provider has enough to do
		return spread(grow(p.every/3, w.Doubts-refusalsSaid, 2*p.every))
	case w.Doubts > 0:
		return p.confirm() + spread(p.confirm()/5)
	case a.Status == latchkey.AccountOK && w.Failures > 0:
		return spread(p.every / 15)
	case a.Status == latchkey.AccountOK:
		switch age := now.Sub(a.StatusAt); {
		case age >= 0 && age < 4*p.every && a.StatusAt.After(a.CreatedAt):
			return spread(p.every / 3) // it was mended only just now
		case age > longStable:
			return spread(2 * p.every)
		}
		return spread(p.every)
	case a.Status == latchkey.AccountConnecting:
		return spread(min(grow(p.every/15, w.Failures-outagesSaid, 2*p.every), max(p.patience/outagesError, time.Second)))
	case a.Status == latchkey.AccountError:
		return spread(4 * p.every)
	}
	// The end user has to act; that the old password works again is noticed all the same.
	return spread(grow(4*p.every, w.Failures-1, 96*p.every))
}

// grow doubles d n times, up to most.
func grow(d time.Duration, n int, most time.Duration) time.Duration {
	for range min(max(n, 0), 20) {
		if d *= 2; d >= most {
			return most
		}
	}
	return min(d, most)
}

// spread moves d by up to 15 %, so that accounts that were checked together drift apart.
func spread(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.85 + 0.3*rand.Float64())) //nolint:gosec // spreading needs no secrecy
}
