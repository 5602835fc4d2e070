package storetest

import (
	"context"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

func testFlows(t *testing.T, s store.Store) {
	t.Run("due", func(t *testing.T) { testFlowsDue(t, s) })
	t.Run("expire", func(t *testing.T) { testFlowsExpire(t, s) })
	twice(t, s, testFlowRoundTrip)
	t.Run("saved once", func(t *testing.T) {
		f := flow(newApp(), moment())
		ok(t, "create", s.Flows().Create(t.Context(), f))
		won, errs := race(parallel, func(int) error {
			next := f
			next.Version++
			return s.Flows().Save(t.Context(), next, f.Version, f.Fence)
		})
		want(t, "saved", won, 1)
		onlyErr(t, "the others", errs, store.ErrStale)
	})
	t.Run("saved once in transactions", func(t *testing.T) {
		f := flow(newApp(), moment())
		ok(t, "create", s.Flows().Create(t.Context(), f))
		won, errs := race(parallel, func(int) error {
			return s.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
				next := f
				next.Version++
				return tx.Flows().Save(ctx, next, f.Version, f.Fence)
			})
		})
		want(t, "saved", won, 1)
		onlyErr(t, "the others", errs, store.ErrStale)
	})
}

func testFlowRoundTrip(t *testing.T, ctx context.Context, tx store.Tx) {
	f := flow(newApp(), moment())
	f.Provider, f.StepID, f.LeaseOwner, f.LeaseUntil, f.WorkDue = latchkey.IMAP, "imap.password", "replica", moment(), moment()
	f.CreatedAt = moment()
	ok(t, "create", tx.Flows().Create(ctx, f))
	f.LeaseUntil, f.WorkDue, f.CreatedAt = ms(f.LeaseUntil), ms(f.WorkDue), ms(f.CreatedAt)
	got, err := tx.Flows().Get(ctx, f.ID)
	ok(t, "get", err)
	want(t, "get", got, f)
	_, err = tx.Flows().Get(ctx, "flw_none")
	wantErr(t, "get unknown", err, store.ErrNotFound)
	wantErr(t, "id taken", tx.Flows().Create(ctx, f), store.ErrConflict)

	next := f
	next.Version, next.Fence, next.Status, next.Body = 2, 7, latchkey.FlowCompleted, []byte("other state")
	next.FailureCode, next.AccountID, next.AccountState = "x", "acc_1", "new"
	next.LeaseOwner, next.LeaseUntil, next.WorkDue = "", time.Time{}, time.Time{}
	save := next
	save.CookieHash, save.CreatedAt, save.LinkID = random(32), time.Time{}, "lnk_other"
	wantErr(t, "wrong version", tx.Flows().Save(ctx, save, 2, 1), store.ErrStale)
	wantErr(t, "wrong fence", tx.Flows().Save(ctx, save, 1, 2), store.ErrStale)
	ok(t, "save", tx.Flows().Save(ctx, save, 1, 1))
	got, err = tx.Flows().Get(ctx, f.ID)
	ok(t, "get", err)
	want(t, "saved, but for what never changes", got, next)
	unknown := next
	unknown.ID = latchkey.NewFlowID(moment())
	wantErr(t, "save unknown", tx.Flows().Save(ctx, unknown, 2, 7), store.ErrNotFound)

	until := moment().Add(time.Minute)
	wantErr(t, "renew with an old fence", tx.Flows().Renew(ctx, f.ID, 1, until), store.ErrStale)
	ok(t, "renew", tx.Flows().Renew(ctx, f.ID, 7, until))
	next.LeaseUntil, next.WorkDue = ms(until), ms(until)
	got, err = tx.Flows().Get(ctx, f.ID)
	ok(t, "get", err)
	want(t, "renewed", got, next)

	got, err = tx.Flows().ByBrowser(ctx, f.LinkID, f.CookieHash)
	ok(t, "by browser", err)
	want(t, "by browser", got.ID, f.ID)
	newer := flow(f.ApplicationID, moment().Add(time.Second))
	newer.LinkID, newer.CookieHash = f.LinkID, f.CookieHash
	ok(t, "create", tx.Flows().Create(ctx, newer))
	got, err = tx.Flows().ByBrowser(ctx, f.LinkID, f.CookieHash)
	ok(t, "by browser", err)
	want(t, "the newest by browser", got.ID, newer.ID)
	_, err = tx.Flows().ByBrowser(ctx, f.LinkID, random(32))
	wantErr(t, "another browser", err, store.ErrNotFound)
	_, err = tx.Flows().ByBrowser(ctx, "lnk_none", f.CookieHash)
	wantErr(t, "another link", err, store.ErrNotFound)

	made := flow(f.ApplicationID, moment().Add(2*time.Second))
	made.AccountID = "acc_1"
	ok(t, "create", tx.Flows().Create(ctx, made))
	got, err = tx.Flows().ByAccount(ctx, f.ApplicationID, "acc_1")
	ok(t, "by account", err)
	want(t, "the newest by account", got.ID, made.ID)
	for name, x := range map[string]struct {
		app latchkey.ApplicationID
		acc latchkey.AccountID
	}{"another application": {"app_other", "acc_1"}, "another account": {f.ApplicationID, "acc_2"}, "no account": {f.ApplicationID, ""}} {
		_, err = tx.Flows().ByAccount(ctx, x.app, x.acc)
		wantErr(t, name, err, store.ErrNotFound)
	}
}

func testFlowsDue(t *testing.T, s store.Store) {
	ctx, now := t.Context(), ms(moment())
	make := func(due time.Time, status latchkey.FlowStatus) latchkey.FlowID {
		f := flow(newApp(), moment())
		f.WorkDue, f.Status = due, status
		ok(t, "create", s.Flows().Create(ctx, f))
		return f.ID
	}
	make(time.Time{}, latchkey.FlowInProgress)
	make(now.Add(-time.Hour), latchkey.FlowCompleted)
	make(now.Add(time.Millisecond), latchkey.FlowInProgress)
	second := make(now, latchkey.FlowInProgress)
	first := make(now.Add(-time.Minute), latchkey.FlowInProgress)

	ids, err := s.Flows().Due(ctx, now, 10)
	ok(t, "due", err)
	want(t, "due", ids, []latchkey.FlowID{first, second})
	ids, err = s.Flows().Due(ctx, now, 1)
	ok(t, "due", err)
	want(t, "one due", ids, []latchkey.FlowID{first})
	ids, err = s.Flows().Stranded(ctx, now.Add(-time.Second), 10)
	ok(t, "stranded", err)
	for _, id := range ids {
		if id == first {
			t.Error("a flow that is due soon counts as stranded")
		}
	}

	n, err := s.Flows().DeleteFinished(ctx, moment().Add(time.Hour), 10)
	ok(t, "delete finished", err)
	want(t, "deleted", n, 1)
	_, err = s.Flows().Get(ctx, first)
	ok(t, "a flow in progress stays", err)
}

func testFlowsExpire(t *testing.T, s store.Store) {
	ctx, now := t.Context(), ms(moment()).Add(24*time.Hour)
	old, young, done, endless := flow(newApp(), moment()), flow(newApp(), moment()), flow(newApp(), moment()), flow(newApp(), moment())
	old.ExpiresAt, young.ExpiresAt, done.ExpiresAt, endless.ExpiresAt = now.Add(-time.Millisecond), now, now.Add(-time.Hour), time.Time{}
	old.WorkDue, old.LeaseOwner, old.LeaseUntil = now, "replica", now
	done.Status = latchkey.FlowCompleted
	for _, f := range []latchkey.Flow{old, young, done, endless} {
		ok(t, "create", s.Flows().Create(ctx, f))
	}
	for { // other tests' flows may be among them
		n, err := s.Flows().Expire(ctx, now, 1)
		ok(t, "expire", err)
		if n == 0 {
			break
		}
	}
	got, err := s.Flows().Get(ctx, old.ID)
	ok(t, "get", err)
	want(t, "status", got.Status, latchkey.FlowExpired)
	want(t, "body", got.Body, nil)
	want(t, "updated", got.UpdatedAt, now)
	want(t, "work", got.WorkDue, time.Time{})
	wantErr(t, "a save that comes late", s.Flows().Save(ctx, old, old.Version, old.Fence), store.ErrStale)
	wantErr(t, "a renewal that comes late", s.Flows().Renew(ctx, old.ID, old.Fence, now), store.ErrStale)
	for _, f := range []latchkey.Flow{young, done, endless} {
		got, err := s.Flows().Get(ctx, f.ID)
		ok(t, "get", err)
		want(t, "untouched", got, f)
	}
}
