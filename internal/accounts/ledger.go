package accounts

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

// EventTokenIssued tells that access tokens of an account were handed out: to which key, and how
// often since the last such event.
const EventTokenIssued = latchkey.EventAccessTokenIssued

// ActionIssueToken is what the audit trail calls the handing out of access tokens.
const ActionIssueToken = "issue_access_token"

const (
	// ledgerEvery is the least time between two events of one account and key. A row for each token
	// would make the database the bound of a call that reads one.
	ledgerEvery = time.Minute
	ledgerFlush = 15 * time.Second
)

// ledger counts access tokens that were handed out. The first of a minute is written before the token
// leaves the house; those after it are counted, and written as one.
type ledger struct {
	mu   sync.Mutex
	open map[ledgerKey]*ledgerEntry
}

type ledgerKey struct {
	account latchkey.AccountID
	key     latchkey.KeyID
}

type ledgerEntry struct {
	account latchkey.Account // without its secret
	at      time.Time        // of the last event
	waiting int              // tokens since
}

// take counts a token, and returns how many are to be written now; 0 for none.
func (l *ledger) take(a latchkey.Account, key latchkey.KeyID, now time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := ledgerKey{a.ID, key}
	e := l.open[k]
	if e == nil {
		a.Secret = nil
		e = &ledgerEntry{account: a}
		l.open[k] = e
	}
	e.waiting++
	if age := now.Sub(e.at); age >= 0 && age < ledgerEvery {
		return 0
	}
	n := e.waiting
	e.at, e.waiting = now, 0
	return n
}

// giveBack counts tokens again whose event could not be written, and lets the next caller try.
func (l *ledger) giveBack(k ledgerKey, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.open[k]; e != nil {
		e.waiting += n
		e.at = time.Time{}
	}
}

type ledgerLine struct {
	ledgerKey
	account latchkey.Account
	n       int
}

// settle takes out what is waiting: all of it, or what is old enough.
func (l *ledger) settle(now time.Time, all bool) []ledgerLine {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []ledgerLine
	for k, e := range l.open {
		if age := now.Sub(e.at); !all && age >= 0 && age < ledgerEvery {
			continue
		}
		if e.waiting > 0 {
			out = append(out, ledgerLine{ledgerKey: k, account: e.account, n: e.waiting})
			e.at, e.waiting = now, 0
			continue
		}
		delete(l.open, k)
	}
	return out
}

// writeDown sees to it that the token is on record. Where the first of a minute cannot be written,
// no token is handed out.
func (s *Service) writeDown(ctx context.Context, a latchkey.Account, key latchkey.KeyID) error {
	n := s.issued.take(a, key, s.now())
	if n == 0 {
		return nil
	}
	err := s.tellIssued(context.WithoutCancel(ctx), ledgerLine{ledgerKey{a.ID, key}, a, n})
	if err != nil {
		// The token of this call stays here, so it does not count.
		s.issued.giveBack(ledgerKey{a.ID, key}, n-1)
	}
	return err
}

func (s *Service) tellIssued(ctx context.Context, l ledgerLine) error {
	data, err := eventData(l.account, map[string]any{"key_id": l.key, "count": l.n})
	if err != nil {
		return err
	}
	line := store.AuditOf(ctx).Entry() // says from where, for the first of a minute
	line.ID, line.At, line.Outcome, line.Count = latchkey.NewAuditID(s.cfg.Now().UTC()), s.now(), latchkey.AuditOK, l.n
	line.ApplicationID, line.Actor, line.ActorID = l.account.ApplicationID, latchkey.ActorKey, string(l.key)
	line.Action, line.Target = ActionIssueToken, string(l.account.ID)
	return s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := tx.Audit().Add(ctx, line); err != nil {
			return err
		}
		_, err := s.cfg.Events.Emit(ctx, tx, latchkey.Event{
			ApplicationID: l.account.ApplicationID, Type: EventTokenIssued, AccountID: l.account.ID, Data: data,
		})
		return err
	})
}

// keepLedger writes what is waiting, and all of it at the end.
func (s *Service) keepLedger(ctx context.Context) {
	for pause(ctx, ledgerFlush) == nil {
		s.flushLedger(ctx, false)
	}
	s.flushLedger(context.WithoutCancel(ctx), true)
}

func (s *Service) flushLedger(ctx context.Context, all bool) {
	for _, l := range s.issued.settle(s.now(), all) {
		if err := s.tellIssued(ctx, l); err != nil {
			s.issued.giveBack(l.ledgerKey, l.n)
			s.cfg.Log.ErrorContext(ctx, "handed out access tokens not written down", slog.Int("count", l.n),
				slog.String("account_id", string(l.account.ID)), slog.Any("error", err))
		}
	}
}
