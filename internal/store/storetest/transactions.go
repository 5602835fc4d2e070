package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

func testTransactions(t *testing.T, s store.Store) {
	ok(t, "ping", s.Ping(t.Context()))
	t.Run("nested use", func(t *testing.T) { testNestedUse(t, s) })
	t.Run("rolled back", func(t *testing.T) {
		mistake := errors.New("mistake")
		l := link(newApp(), moment())
		err := s.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
			ok(t, "create", tx.Links().Create(ctx, l))
			_, err := tx.Links().Get(ctx, l.ApplicationID, l.ID)
			ok(t, "the transaction sees its own", err)
			return mistake
		})
		wantErr(t, "error", err, mistake)
		_, err = s.Links().Get(t.Context(), l.ApplicationID, l.ID)
		wantErr(t, "get", err, store.ErrNotFound)
	})
	t.Run("panic", func(t *testing.T) {
		l := link(newApp(), moment())
		func() {
			defer func() { want(t, "recovered", recover(), any("boom")) }()
			_ = s.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
				ok(t, "create", tx.Links().Create(ctx, l))
				panic("boom")
			})
		}()
		_, err := s.Links().Get(t.Context(), l.ApplicationID, l.ID)
		wantErr(t, "get", err, store.ErrNotFound)
		ok(t, "the store goes on", s.Links().Create(t.Context(), l))
	})
	t.Run("canceled", func(t *testing.T) {
		l := link(newApp(), moment())
		ctx, cancel := context.WithCancel(t.Context())
		err := s.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
			ok(t, "create", tx.Links().Create(ctx, l))
			cancel()
			return ctx.Err()
		})
		wantErr(t, "error", err, context.Canceled)
		wantErr(t, "a call with an ended context", s.Links().Create(ctx, link(newApp(), moment())), context.Canceled)
		_, err = s.Links().Get(t.Context(), l.ApplicationID, l.ID)
		wantErr(t, "get", err, store.ErrNotFound)
		ok(t, "the store goes on", s.Links().Create(t.Context(), l))
	})
	t.Run("readers do not wait", func(t *testing.T) {
		l := link(newApp(), moment())
		ok(t, "create", s.Links().Create(t.Context(), l))
		ok(t, "transaction", s.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
			changed := l
			changed.Status = latchkey.LinkCompleted
			ok(t, "update", tx.Links().Update(ctx, changed))
			reading, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			got, err := s.Links().Get(reading, l.ApplicationID, l.ID)
			ok(t, "get beside the transaction", err)
			want(t, "nothing uncommitted is seen", got.Status, latchkey.LinkCreated)
			return nil
		}))
		got, err := s.Links().Get(t.Context(), l.ApplicationID, l.ID)
		ok(t, "get", err)
		want(t, "committed", got.Status, latchkey.LinkCompleted)
	})
	t.Run("writers beside transactions", func(t *testing.T) {
		app := newApp()
		_, errs := race(parallel, func(i int) error {
			if i%2 == 0 {
				return s.Links().Create(t.Context(), link(app, moment()))
			}
			return s.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
				if err := tx.Links().Create(ctx, link(app, moment())); err != nil {
					return err
				}
				return tx.Links().Create(ctx, link(app, moment()))
			})
		})
		onlyErr(t, "create", errs, nil)
		list, err := s.Links().List(t.Context(), app, store.LinkFilter{}, store.Page{Limit: 250})
		ok(t, "list", err)
		want(t, "created", len(list), parallel/2*3)
	})
	t.Run("used after its end", func(t *testing.T) {
		var kept store.Tx
		ok(t, "transaction", s.InTx(t.Context(), func(_ context.Context, tx store.Tx) error { kept = tx; return nil }))
		if err := kept.Links().Create(t.Context(), link(newApp(), moment())); err == nil {
			t.Error("a transaction could be used after its end")
		}
	})
}

// testNestedUse calls everything on the store inside its own transaction. A call that is not refused
// would wait for ever on an engine with one writer.
func testNestedUse(t *testing.T, s store.Store) {
	err := s.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		for what, call := range nestedCalls(ctx, s) {
			wantErr(t, what, call(), store.ErrNestedUse)
		}
		return nil
	})
	ok(t, "transaction", err)
}

func nestedCalls(ctx context.Context, s store.Store) map[string]func() error {
	app, now := newApp(), moment()
	return map[string]func() error{
		"InTx":                  func() error { return s.InTx(ctx, func(context.Context, store.Tx) error { return nil }) },
		"Enqueue":               func() error { return s.Enqueue(ctx, store.Job{Kind: "job"}) },
		"Applications.Create":   func() error { return s.Applications().Create(ctx, latchkey.Application{ID: app, Name: "n"}) },
		"Applications.Get":      func() error { _, err := s.Applications().Get(ctx, app); return err },
		"Applications.ByName":   func() error { _, err := s.Applications().ByName(ctx, "n"); return err },
		"Applications.List":     func() error { _, err := s.Applications().List(ctx); return err },
		"Applications.Update":   func() error { return s.Applications().Update(ctx, latchkey.Application{ID: app, Name: "n"}) },
		"Keys.Create":           func() error { return s.Keys().Create(ctx, latchkey.APIKey{ID: "key_1"}) },
		"Keys.ByHash":           func() error { _, err := s.Keys().ByHash(ctx, nil); return err },
		"Keys.List":             func() error { _, err := s.Keys().List(ctx, app); return err },
		"Keys.Delete":           func() error { return s.Keys().Delete(ctx, app, "key_1") },
		"Keys.DeletePrepared":   func() error { return s.Keys().DeletePrepared(ctx, nil) },
		"Links.Create":          func() error { return s.Links().Create(ctx, link(app, now)) },
		"Links.Get":             func() error { _, err := s.Links().Get(ctx, app, "lnk_1"); return err },
		"Links.ByToken":         func() error { _, err := s.Links().ByToken(ctx, nil); return err },
		"Links.ForUpdate":       func() error { _, err := s.Links().ForUpdate(ctx, "lnk_1"); return err },
		"Links.Update":          func() error { return s.Links().Update(ctx, link(app, now)) },
		"Links.List":            func() error { _, err := s.Links().List(ctx, app, store.LinkFilter{}, store.Page{Limit: 1}); return err },
		"Links.AddOpened":       func() error { _, err := s.Links().AddOpened(ctx, "lnk_1", 1); return err },
		"Flows.Create":          func() error { return s.Flows().Create(ctx, flow(app, now)) },
		"Flows.Get":             func() error { _, err := s.Flows().Get(ctx, "flw_1"); return err },
		"Flows.ByAccount":       func() error { _, err := s.Flows().ByAccount(ctx, "app_1", "acc_1"); return err },
		"Flows.ByBrowser":       func() error { _, err := s.Flows().ByBrowser(ctx, "lnk_1", nil); return err },
		"Flows.Save":            func() error { return s.Flows().Save(ctx, flow(app, now), 1, 1) },
		"Flows.Renew":           func() error { return s.Flows().Renew(ctx, "flw_1", 1, now) },
		"Flows.Due":             func() error { _, err := s.Flows().Due(ctx, now, 1); return err },
		"Flows.Stranded":        func() error { _, err := s.Flows().Stranded(ctx, now, 1); return err },
		"Flows.Expire":          func() error { _, err := s.Flows().Expire(ctx, now, 1); return err },
		"Flows.DeleteFinished":  func() error { _, err := s.Flows().DeleteFinished(ctx, now, 1); return err },
		"Accounts.Create":       func() error { return s.Accounts().Create(ctx, account(app, now)) },
		"Accounts.Get":          func() error { _, err := s.Accounts().Get(ctx, app, "acc_1"); return err },
		"Accounts.ForUpdate":    func() error { _, err := s.Accounts().ForUpdate(ctx, app, "acc_1"); return err },
		"Accounts.Update":       func() error { return s.Accounts().Update(ctx, account(app, now)) },
		"Accounts.NextSequence": func() error { _, _, err := s.Accounts().NextSequence(ctx, "acc_1", now); return err },
		"Accounts.Delete":       func() error { return s.Accounts().Delete(ctx, app, "acc_1") },
		"Accounts.List":         func() error { _, err := s.Accounts().List(ctx, app, store.Page{Limit: 1}); return err },
		"Events.Add":            func() error { return s.Events().Add(ctx, event(app, now)) },
		"Events.Add many":       func() error { return s.Events().Add(ctx, event(app, now), event(app, now)) },
		"Events.List":           func() error { _, err := s.Events().List(ctx, app, store.EventFilter{}, "", 1); return err },
		"Events.DeleteBefore":   func() error { _, err := s.Events().DeleteBefore(ctx, now, 1); return err },
		"Deliveries.Create":     func() error { return s.Deliveries().Create(ctx, delivery(app, now)) },
		"Deliveries.Get":        func() error { _, err := s.Deliveries().Get(ctx, "dlv_1"); return err },
		"Deliveries.Record":     func() error { return s.Deliveries().Record(ctx, store.Tried{Delivery: delivery(app, now)}) },
		"Deliveries.Cancel":     func() error { _, err := s.Deliveries().Cancel(ctx, "q", now, 1); return err },
		"Endpoints.Create":      func() error { return s.Endpoints().Create(ctx, endpoint(app, now)) },
		"Shares.Beat":           func() error { _, err := s.Shares().Beat(ctx, "me"); return err },
		"Deliveries.ByLink":     func() error { _, err := s.Deliveries().ByLink(ctx, app, "lnk_1"); return err },
		"Deliveries.Attempts":   func() error { _, err := s.Deliveries().Attempts(ctx, "dlv_1"); return err },
		"Deliveries.AttemptsOf": func() error { _, err := s.Deliveries().AttemptsOf(ctx, "app_1", "whe_1", "dlv_1", "dlv_2"); return err },
		"Deliveries.Delete":     func() error { _, err := s.Deliveries().DeleteFinished(ctx, now, 1); return err },
		"Idempotency.Claim":     func() error { _, _, err := s.Idempotency().Claim(ctx, answer(now), now); return err },
		"Idempotency.Finish":    func() error { return s.Idempotency().Finish(ctx, answer(now)) },
		"Idempotency.Release":   func() error { return s.Idempotency().Release(ctx, answer(now)) },
		"Idempotency.Delete":    func() error { _, err := s.Idempotency().DeleteExpired(ctx, now, 1); return err },
		"Tries.Count":           func() error { _, err := s.Tries().Count(ctx, "b", time.Hour, now); return err },
		"Checks.Due":            func() error { _, err := s.Checks().Due(ctx, latchkey.IMAP, now, store.Due{}, 1); return err },
		"Checks.Stranded":       func() error { _, err := s.Checks().Stranded(ctx, latchkey.IMAP, now, 1); return err },
		"Checks.Claim":          func() error { return s.Checks().Claim(ctx, "acc_1", now, now) },
		"Checks.Finish":         func() error { return s.Checks().Finish(ctx, account(app, now), now) },
		"StatusChanges.Add":     func() error { return s.StatusChanges().Add(ctx, latchkey.StatusChange{ID: "hst_1"}, 1) },
		"StatusChanges.List":    func() error { _, err := s.StatusChanges().List(ctx, app, "acc_1", store.Page{Limit: 1}); return err },
		"StatusChanges.Of":      func() error { return s.StatusChanges().DeleteOf(ctx, "acc_1") },
		"StatusChanges.Before":  func() error { _, err := s.StatusChanges().DeleteBefore(ctx, now, 1); return err },
		"ReconnectURLs.Create":  func() error { return s.ReconnectURLs().Create(ctx, latchkey.ReconnectURL{ID: "rcu_1"}, 1) },
		"ReconnectURLs.ByToken": func() error { _, err := s.ReconnectURLs().ByToken(ctx, nil); return err },
		"ReconnectURLs.Of":      func() error { _, err := s.ReconnectURLs().DeleteOf(ctx, app, "acc_1"); return err },
		"ReconnectURLs.Delete":  func() error { _, err := s.ReconnectURLs().DeleteExpired(ctx, now, 1); return err },
		"Tries.DeleteExpired":   func() error { _, err := s.Tries().DeleteExpired(ctx, now, 1); return err },
	}
}
