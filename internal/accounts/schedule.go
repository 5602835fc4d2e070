package accounts

import (
	"context"
	"errors"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

const (
	// checkBatch is how many due accounts are listed at once.
	checkBatch = 256
	// checkLease is how long a claim keeps other replicas away: longer than a check with the renewal
	// that may come before it, and short enough that an account whose replica died is not forgotten.
	checkLease = 3 * time.Minute
	// checkTryTimeout bounds one scheduled check.
	checkTryTimeout = 30 * time.Second
	// lanesFull is how long to rest where all that is due has to wait for its lane.
	lanesFull = 200 * time.Millisecond
	// strandedEvery is how often to look for accounts that a clock in the future left behind.
	strandedEvery = 10 * time.Minute
)

// FirstCheck says when an account that was connected now is checked first: within the usual pause, each
// at another part of it, so that accounts connected in one burst do not come back as one. It is zero
// where nobody can check it.
func (s *Service) FirstCheck(a latchkey.Account, now time.Time) time.Time {
	if _, ok := s.cfg.Connectors[a.Provider].(connector.Checker); !ok || s.cfg.CheckEvery < 0 {
		return time.Time{}
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(a.ID)) // never fails
	part := 0.5 + 0.5*float64(h.Sum32()%1024)/1024
	return now.Add(time.Duration(part * float64(s.cfg.CheckEvery))).UTC().Truncate(time.Millisecond)
}

// checkProvider works off one provider's due accounts. It goes through the list page by page: accounts
// whose lane is busy are passed over, and met again on the next round.
func (s *Service) checkProvider(ctx context.Context, p latchkey.Provider, checker connector.Checker) {
	slots := make(chan struct{}, s.cfg.CheckWorkers)
	var wg sync.WaitGroup
	defer wg.Wait()
	var after store.Due
	var swept time.Time
	for ctx.Err() == nil {
		if now := s.now(); now.Sub(swept) >= strandedEvery || now.Before(swept) {
			swept = now
			s.unstrand(ctx, p)
		}
		due, err := s.cfg.Store.Checks().Due(ctx, p, s.now(), after, checkBatch)
		if err != nil && ctx.Err() == nil {
			s.cfg.Log.ErrorContext(ctx, "accounts due to be checked not listed", slog.String("provider", string(p)), slog.Any("error", err))
		}
		begun := s.checkPage(ctx, checker, due, slots, &wg)
		rest := s.checkPoll()
		if len(due) == checkBatch {
			after, rest = due[len(due)-1], 0
			if begun == 0 {
				rest = lanesFull
			}
		} else {
			after = store.Due{}
		}
		if pause(ctx, rest) != nil {
			return
		}
	}
}

// checkPoll is how often to look for due accounts: often enough that a pause of seconds is kept.
func (s *Service) checkPoll() time.Duration {
	if s.cfg.CheckPoll > 0 {
		return s.cfg.CheckPoll
	}
	return min(max(s.cfg.CheckEvery/60, 20*time.Millisecond), 5*time.Second)
}

// checkPage begins the checks of one page, in an order of its own: replicas that read the same page
// do not run after the same account. It returns how many it began.
func (s *Service) checkPage(ctx context.Context, checker connector.Checker, due []store.Due, slots chan struct{}, wg *sync.WaitGroup) int {
	rand.Shuffle(len(due), func(i, j int) { due[i], due[j] = due[j], due[i] })
	begun := 0
	var claims sync.WaitGroup
	for _, d := range due {
		l := s.laneOf(d.Provider, d.Params)
		if !s.enter(ctx, l) {
			continue
		}
		select {
		case <-ctx.Done():
			l.leave()
			claims.Wait()
			return begun
		case slots <- struct{}{}:
		}
		begun++
		claims.Add(1)
		wg.Go(func() {
			defer func() { <-slots; l.leave() }()
			claim := s.now().Add(checkLease)
			err := s.cfg.Store.Checks().Claim(ctx, d.ID, d.CheckAt, claim)
			claims.Done()
			switch {
			case err == nil:
				s.checkClaimed(ctx, checker, l, d, claim)
			case !errors.Is(err, store.ErrStale) && ctx.Err() == nil:
				s.cfg.Log.ErrorContext(ctx, "an account due to be checked was not claimed", slog.String("account_id", string(d.ID)), slog.Any("error", err))
			}
		})
	}
	claims.Wait() // so that the next page lists others
	return begun
}

// checkClaimed does one scheduled check, and writes what came of it. Where the process ends before, the
// claim runs out and somebody else does it.
func (s *Service) checkClaimed(ctx context.Context, checker connector.Checker, l *lane, d store.Due, claim time.Time) {
	if !s.begin(d.ID) {
		return // somebody asked for a check; that one says when the next is
	}
	defer s.end(d.ID)
	a, err := s.cfg.Store.Accounts().Get(ctx, d.ApplicationID, string(d.ID))
	if err != nil {
		s.notChecked(ctx, d.ID, err)
		return
	}
	if !a.CheckAt.Equal(claim) || a.Status == latchkey.AccountStopped {
		return
	}
	before := a.Status
	if a = s.freshForCheck(ctx, a, false); refused(a.Status) && !refused(before) || !a.CheckAt.Equal(claim) {
		return // the renewal has just said so; the claim's end is soon enough for the next look
	}
	h := s.tryOnce(ctx, checker, a)
	if ctx.Err() != nil {
		return
	}
	t := s.weigh(ctx, l, a, h)
	if err := s.conclude(context.WithoutCancel(ctx), a, claim, h, t); err != nil && !errs.Is(err, errs.CodeNotFound) {
		s.notChecked(ctx, d.ID, err)
	}
}

func (s *Service) notChecked(ctx context.Context, id latchkey.AccountID, err error) {
	if ctx.Err() == nil && !errors.Is(err, store.ErrNotFound) {
		s.cfg.Log.ErrorContext(ctx, "account not checked", slog.String("account_id", string(id)), slog.Any("error", err))
	}
}

// tryOnce asks the connector. What it cannot say is an outage, of which nothing follows.
func (s *Service) tryOnce(ctx context.Context, checker connector.Checker, a latchkey.Account) connector.Health {
	ctx, cancel := context.WithTimeout(ctx, checkTryTimeout)
	defer cancel()
	cred, err := s.credential(ctx, a)
	if err == nil || errs.Is(err, errs.CodeNotFound) {
		var h connector.Health
		if h, err = checker.Check(ctx, cred); err == nil {
			return h
		}
	}
	return connector.Health{Status: latchkey.AccountConnecting, Reason: latchkey.ReasonHostUnreachable, Detail: err.Error()}
}

// weigh tells the lane of a result, and says how far a refusal is to be believed.
func (s *Service) weigh(ctx context.Context, l *lane, a latchkey.Account, h connector.Health) trust {
	switch {
	case h.Status == latchkey.AccountOK:
		s.works(l)
		return trusted
	case h.Status == latchkey.AccountConnecting, a.Status == h.Status:
		return trusted // nothing that anybody could doubt
	}
	return s.refusal(ctx, l)
}

// conclude writes what a scheduled check found. Mostly nothing has changed, and it is one statement; if
// the account was mended or deleted in the meantime, the check says nothing about it.
func (s *Service) conclude(ctx context.Context, checked latchkey.Account, claim time.Time, h connector.Health, t trust) error {
	now := s.now()
	s.observe(checked, h)
	a := s.judged(checked, h, now, t)
	if h.Secret == nil && a.Status == checked.Status && a.Reason == checked.Reason && slices.Equal(a.Sources, checked.Sources) {
		if err := s.cfg.Store.Checks().Finish(ctx, a, claim); err != nil && !errors.Is(err, store.ErrStale) {
			return err
		}
		s.logChange(ctx, checked, a, latchkey.CauseCheck, h.Detail)
		return nil
	}
	wrote := false
	err := s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		stored, err := tx.Accounts().ForUpdate(ctx, checked.ApplicationID, string(checked.ID))
		if err != nil {
			return known(err)
		}
		if wrote = stored.CheckAt.Equal(claim) && stored.UpdatedAt.Equal(checked.UpdatedAt); !wrote {
			return nil
		}
		a = s.judged(stored, h, now, t)
		if h.Secret != nil {
			a.Secret, a.UpdatedAt = h.Secret, now
			if _, ok := s.cfg.Connectors[a.Provider].(connector.Refresher); ok {
				a.RefreshAt = now // the renewal loop learns when it ends
			}
		}
		return s.keep(ctx, tx, &a, stored, latchkey.CauseCheck)
	})
	if err == nil && wrote {
		s.logChange(ctx, checked, a, latchkey.CauseCheck, h.Detail)
	}
	return err
}

// judged is the account as a check leaves it.
func (s *Service) judged(a latchkey.Account, h connector.Health, now time.Time, t trust) latchkey.Account {
	p := s.policy()
	was := a.Status
	p.judge(&a, h, now, t)
	a.CheckedAt = now
	if a.Status != was {
		a.StatusAt = now
	}
	a.CheckAt = s.checkAfter(a, now)
	return a
}

// checkAfter is when an account that was looked at now is looked at again; zero for never.
func (s *Service) checkAfter(a latchkey.Account, now time.Time) time.Time {
	if s.cfg.CheckEvery < 0 {
		return time.Time{}
	}
	wait := s.policy().next(a, now)
	if wait <= 0 {
		return time.Time{}
	}
	return now.Add(wait).Truncate(time.Millisecond)
}

func (s *Service) policy() policy {
	p := policy{every: s.cfg.CheckEvery, patience: s.cfg.CheckPatience}
	if p.every < 0 {
		p.every = DefaultCheckEvery
	}
	return p
}

// unstrand brings accounts back whose next check lies further ahead than any pause: the clock was wrong
// when it was written.
func (s *Service) unstrand(ctx context.Context, p latchkey.Provider) {
	for ctx.Err() == nil {
		now := s.now()
		far, err := s.cfg.Store.Checks().Stranded(ctx, p, now.Add(200*s.cfg.CheckEvery+time.Hour), checkBatch)
		if err != nil {
			return // the next round meets the trouble again, and says so
		}
		for _, d := range far {
			at := now.Add(time.Duration(rand.Int64N(int64(s.cfg.CheckEvery)))) //nolint:gosec // spreading needs no secrecy
			if err := s.cfg.Store.Checks().Claim(ctx, d.ID, d.CheckAt, at); err != nil && !errors.Is(err, store.ErrStale) {
				return
			}
		}
		if len(far) < checkBatch {
			return
		}
	}
}
