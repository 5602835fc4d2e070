package storetest

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

func testAccounts(t *testing.T, s store.Store) {
	twice(t, s, testAccountRoundTrip)
	t.Run("sequence", func(t *testing.T) { testSequence(t, s) })
	t.Run("external id taken once", func(t *testing.T) {
		app := newApp()
		won, errs := race(parallel, func(int) error {
			a := account(app, moment())
			a.ExternalID = "theirs"
			return s.Accounts().Create(t.Context(), a)
		})
		want(t, "created", won, 1)
		onlyErr(t, "the others", errs, store.ErrConflict)
		a := account(newApp(), moment())
		a.ExternalID = "theirs"
		ok(t, "the same name in another application", s.Accounts().Create(t.Context(), a))
	})
	t.Run("pages", func(t *testing.T) {
		app := newApp()
		var ids, seen []latchkey.AccountID
		for range 23 {
			a := account(app, moment())
			ids = append(ids, a.ID)
			ok(t, "create", s.Accounts().Create(t.Context(), a))
		}
		slices.Sort(ids)
		slices.Reverse(ids)
		for p := (store.Page{Limit: 5}); ; {
			list, err := s.Accounts().List(t.Context(), app, p)
			ok(t, "list", err)
			if len(list) == 0 {
				break
			}
			for _, a := range list {
				seen = append(seen, a.ID)
			}
			p.Before = string(list[len(list)-1].ID)
		}
		want(t, "all, once, newest first", seen, ids)
	})
	t.Run("for update", func(t *testing.T) {
		a := account(newApp(), moment())
		a.ExternalID = "counted"
		ok(t, "create", s.Accounts().Create(t.Context(), a))
		_, errs := race(parallel, func(i int) error {
			return s.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
				key := "counted"
				if i%2 == 0 {
					key = string(a.ID)
				}
				got, err := tx.Accounts().ForUpdate(ctx, a.ApplicationID, key)
				if err != nil {
					return err
				}
				got.Warnings = append(got.Warnings, "w")
				return tx.Accounts().Update(ctx, got)
			})
		})
		onlyErr(t, "update", errs, nil)
		got, err := s.Accounts().Get(t.Context(), a.ApplicationID, string(a.ID))
		ok(t, "get", err)
		want(t, "no update was lost", len(got.Warnings), parallel)
		if _, err := s.Accounts().ForUpdate(t.Context(), a.ApplicationID, string(a.ID)); err == nil {
			t.Error("ForUpdate outside a transaction was not refused")
		}
	})
}

func testAccountRoundTrip(t *testing.T, ctx context.Context, tx store.Tx) {
	a := account(newApp(), moment())
	a.ExternalID, a.Name, a.Reason, a.Test = "user~1@x", "Ada ü 😀", latchkey.ReasonTLS, true
	a.Sources = []latchkey.Source{{ID: "imap", Status: latchkey.AccountOK}, {ID: "smtp", Status: latchkey.AccountError, Reason: latchkey.ReasonTLS}}
	a.Params, a.Options = json.RawMessage(`{"host" : "mail.example.com"}`), json.RawMessage(`{"path":["a"]}`)
	a.Metadata, a.Warnings, a.Secret = map[string]string{"a": "b"}, []string{"no_smtp"}, []byte{0, 1, 2, 0xff}
	a.Notify = latchkey.Notify{Email: "ada@home.test", Locale: "ar", MailID: latchkey.NewMailID(moment()), URLID: latchkey.NewReconnectURLID(moment()), MailedAt: ms(moment())}
	a.CreatedAt = moment()
	ok(t, "create", tx.Accounts().Create(ctx, a))
	a.CreatedAt = ms(a.CreatedAt)
	for _, key := range []string{string(a.ID), a.ExternalID} {
		got, err := tx.Accounts().Get(ctx, a.ApplicationID, key)
		ok(t, "get", err)
		want(t, "get by "+key, got, a)
		_, err = tx.Accounts().Get(ctx, newApp(), key)
		wantErr(t, "another's account", err, store.ErrNotFound)
	}
	plain := account(a.ApplicationID, moment())
	plain.Secret = nil
	ok(t, "create without a name of theirs", tx.Accounts().Create(ctx, plain))
	got, err := tx.Accounts().Get(ctx, a.ApplicationID, string(plain.ID))
	ok(t, "get", err)
	want(t, "empty values", got, plain)
	_, err = tx.Accounts().Get(ctx, a.ApplicationID, "")
	wantErr(t, "no name finds nothing", err, store.ErrNotFound)
	ok(t, "a second one without", tx.Accounts().Create(ctx, account(a.ApplicationID, moment())))

	next := a
	next.Name, next.Status, next.Reason, next.Secret = "Ada", latchkey.AccountCredentials, latchkey.ReasonPasswordChanged, []byte("new")
	next.Notify = latchkey.Notify{}
	next.Sources, next.Metadata, next.Warnings, next.Params, next.Options = nil, nil, nil, nil, nil
	next.StatusAt, next.UpdatedAt, next.CheckedAt = ms(moment().Add(time.Hour)), ms(moment().Add(time.Hour)), time.Time{}
	update := next
	update.Sequence, update.CreatedAt = 41, time.Time{}
	ok(t, "update", tx.Accounts().Update(ctx, update))
	got, err = tx.Accounts().Get(ctx, a.ApplicationID, string(a.ID))
	ok(t, "get", err)
	want(t, "updated, but for what never changes", got, next)
	update.ApplicationID = newApp()
	wantErr(t, "update another's", tx.Accounts().Update(ctx, update), store.ErrNotFound)

	wantErr(t, "delete another's", tx.Accounts().Delete(ctx, newApp(), a.ID), store.ErrNotFound)
	ok(t, "delete", tx.Accounts().Delete(ctx, a.ApplicationID, a.ID))
	_, err = tx.Accounts().Get(ctx, a.ApplicationID, string(a.ID))
	wantErr(t, "get deleted", err, store.ErrNotFound)
	wantErr(t, "delete again", tx.Accounts().Delete(ctx, a.ApplicationID, a.ID), store.ErrNotFound)
}

// testSequence counts in transactions of which every third is undone: the numbers have no gap.
func testSequence(t *testing.T, s store.Store) {
	a := account(newApp(), moment())
	ok(t, "create", s.Accounts().Create(t.Context(), a))
	numbers := make([]int64, parallel)
	race(parallel, func(i int) error {
		return s.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
			n, _, err := tx.Accounts().NextSequence(ctx, a.ID, moment())
			if err != nil {
				return err
			}
			if i%3 == 0 {
				return context.Canceled
			}
			numbers[i] = n
			return nil
		})
	})
	numbers = slices.DeleteFunc(numbers, func(n int64) bool { return n == 0 })
	slices.Sort(numbers)
	wanted := make([]int64, len(numbers))
	for i := range wanted {
		wanted[i] = int64(i + 1)
	}
	want(t, "numbers", numbers, wanted)
	want(t, "how many", len(numbers), parallel-(parallel+2)/3)
	err := s.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
		_, _, err := tx.Accounts().NextSequence(ctx, "acc_none", moment())
		return err
	})
	wantErr(t, "of none", err, store.ErrNotFound)
}
