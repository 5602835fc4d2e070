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

func sender(app latchkey.ApplicationID, at time.Time) latchkey.Sender {
	return latchkey.Sender{
		ID: latchkey.NewSenderID(at), ApplicationID: app, Kind: latchkey.SenderBasic, Email: "Login@Acme.io", Address: "login@acme.io",
		Host: "smtp.acme.io", Port: 587, Username: "u", Password: "p", Transport: latchkey.TransportSMTP, ProofHash: random(32),
		CreatedAt: ms(at), UpdatedAt: ms(at),
	}
}

func testSenders(t *testing.T, s store.Store) {
	twice(t, s, testSenderRoundTrip)
	t.Run("for update", func(t *testing.T) {
		v := sender(newApp(), moment())
		ok(t, "create", s.Senders().Create(t.Context(), v))
		_, errs := race(parallel, func(int) error {
			return s.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
				got, err := tx.Senders().ForUpdate(ctx, v.ApplicationID, v.ID)
				if err != nil {
					return err
				}
				got.Name += "+"
				return tx.Senders().Update(ctx, got)
			})
		})
		onlyErr(t, "update", errs, nil)
		got, err := s.Senders().Get(t.Context(), v.ApplicationID, v.ID)
		ok(t, "get", err)
		want(t, "no update was lost", len(got.Name), parallel)
	})
}

func testSenderRoundTrip(t *testing.T, ctx context.Context, tx store.Tx) {
	v := sender(newApp(), moment())
	ok(t, "create", tx.Senders().Create(ctx, v))
	wantErr(t, "create again", tx.Senders().Create(ctx, v), store.ErrConflict)
	got, err := tx.Senders().Get(ctx, v.ApplicationID, v.ID)
	ok(t, "get", err)
	want(t, "get", got, v)
	_, err = tx.Senders().Get(ctx, newApp(), v.ID)
	wantErr(t, "another's", err, store.ErrNotFound)
	got, err = tx.Senders().ByProof(ctx, v.ProofHash)
	ok(t, "by proof", err)
	want(t, "by proof", got, v)

	next := v
	next.Kind, next.Email, next.Address, next.Name = latchkey.SenderOAuth, "a@b.c", string(v.ID)+"@b.c", "Acme"
	proved, err := tx.Senders().ProvedWith(ctx, next.Address)
	ok(t, "not proved by anybody", err)
	want(t, "not proved by anybody", proved, false)
	next.Host, next.Port, next.Username, next.Password = "", 0, "", ""
	next.Provider, next.ClientID, next.ClientSecret, next.Tenant, next.ServiceAccount = latchkey.Microsoft, "c", "s", "t", "{}"
	next.Transport, next.SecretExpiresAt, next.Fallback = latchkey.TransportGraph, ms(moment().Add(-20*365*24*time.Hour)), true
	next.ProofExpiresAt, next.SecretTold = ms(moment().Add(time.Hour)), 30
	next.OwnedAt, next.CheckedAt, next.Problem, next.UpdatedAt = ms(moment()), ms(moment()), "credential_rejected", ms(moment().Add(time.Minute))
	update := next
	update.CreatedAt = time.Time{}
	ok(t, "update", tx.Senders().Update(ctx, update))
	got, err = tx.Senders().Get(ctx, v.ApplicationID, v.ID)
	ok(t, "get", err)
	want(t, "updated", got, next)
	proved, err = tx.Senders().ProvedWith(ctx, next.Address)
	ok(t, "proved", err)
	want(t, "proved", proved, true)
	got, err = tx.Senders().ByProof(ctx, v.ProofHash)
	ok(t, "by proof, again", err)
	want(t, "by proof, again", got, next)
	testEndingSecrets(t, ctx, tx, next)

	second := sender(v.ApplicationID, moment().Add(time.Second))
	ok(t, "create a second", tx.Senders().Create(ctx, second))
	list, err := tx.Senders().List(ctx, v.ApplicationID)
	ok(t, "list", err)
	want(t, "list", list, []latchkey.Sender{next, second})
	update.ApplicationID = newApp()
	wantErr(t, "update another's", tx.Senders().Update(ctx, update), store.ErrNotFound)
	wantErr(t, "delete another's", tx.Senders().Delete(ctx, newApp(), v.ID), store.ErrNotFound)
	ok(t, "delete", tx.Senders().Delete(ctx, v.ApplicationID, v.ID))
	wantErr(t, "delete again", tx.Senders().Delete(ctx, v.ApplicationID, v.ID), store.ErrNotFound)
}

// testEndingSecrets uses a time that no other sender of the database has.
func testEndingSecrets(t *testing.T, ctx context.Context, tx store.Tx, v latchkey.Sender) {
	t.Helper()
	ends := v.SecretExpiresAt
	for _, c := range []struct {
		told        int
		first, last time.Duration
		found       bool
	}{{0, 0, -time.Second, true}, {0, -time.Second, time.Second, false}, {30, 0, 0, true}, {30, time.Second, -time.Second, false}, {7, time.Second, time.Second, false}} {
		v.SecretTold = c.told
		ok(t, "update", tx.Senders().Update(ctx, v))
		list, err := tx.Senders().Ending(ctx, ends.Add(c.first), ends.Add(c.last), 30, 1000)
		ok(t, "ending", err)
		want(t, "ending", slices.ContainsFunc(list, func(x latchkey.Sender) bool { return x.ID == v.ID }), c.found)
	}
	v.SecretTold = 30
	ok(t, "update", tx.Senders().Update(ctx, v))
}

func mail(app latchkey.ApplicationID, lane latchkey.SenderID, at time.Time) latchkey.Mail {
	return latchkey.Mail{
		ID: latchkey.NewMailID(at), ApplicationID: app, SenderID: lane, Kind: "signin", To: "ada@acme.io", Body: []byte("123456"),
		Status: latchkey.MailQueued, DueAt: ms(at), ExpiresAt: ms(at.Add(time.Hour)), CreatedAt: ms(at), UpdatedAt: ms(at),
	}
}

func testMails(t *testing.T, s store.Store) {
	twice(t, s, testMailRoundTrip)
	twice(t, s, testLanes)
	twice(t, s, testMailCanceled)
	t.Run("claims race", func(t *testing.T) {
		lane, at := latchkey.NewSenderID(moment()), moment()
		for range parallel {
			ok(t, "create", s.Mails().Create(t.Context(), mail(newApp(), lane, at)))
		}
		claimed := make([][]latchkey.Mail, parallel)
		_, errs := race(parallel, func(i int) (err error) {
			claimed[i], err = s.Mails().Claim(t.Context(), lane, at, at.Add(time.Minute), 2)
			return err
		})
		onlyErr(t, "claim", errs, nil)
		rest, err := s.Mails().Claim(t.Context(), lane, at, at.Add(time.Minute), parallel)
		ok(t, "claim the rest", err)
		seen := map[latchkey.MailID]int{}
		for _, m := range append(slices.Concat(claimed...), rest...) {
			seen[m.ID]++
		}
		want(t, "mails claimed", len(seen), parallel)
		for id, n := range seen {
			if n != 1 {
				t.Errorf("%s was claimed %d times", id, n)
			}
		}
	})
}

func testMailCanceled(t *testing.T, ctx context.Context, tx store.Tx) {
	app, lane, at := newApp(), latchkey.NewSenderID(moment()), moment()
	m := mail(app, lane, at)
	ok(t, "create", tx.Mails().Create(ctx, m))
	wantErr(t, "another's", tx.Mails().Cancel(ctx, newApp(), m.ID, at), store.ErrStale)
	claim := ms(at.Add(time.Minute))
	got, err := tx.Mails().Claim(ctx, lane, at, claim, 10)
	ok(t, "claim", err)
	want(t, "claimed", len(got), 1)
	later := ms(at.Add(time.Second))
	ok(t, "cancel", tx.Mails().Cancel(ctx, app, m.ID, later))
	wantErr(t, "cancel again", tx.Mails().Cancel(ctx, app, m.ID, later), store.ErrStale)
	wantErr(t, "who was sending it says nothing", tx.Mails().Finish(ctx, got[0], claim), store.ErrStale)
	end, err := tx.Mails().Get(ctx, app, m.ID)
	ok(t, "get", err)
	want(t, "its text is gone", len(end.Body), 0)
	want(t, "status", end.Status, latchkey.MailCanceled)
	want(t, "updated", end.UpdatedAt, later)
}

func testMailRoundTrip(t *testing.T, ctx context.Context, tx store.Tx) {
	app, lane, at := newApp(), latchkey.NewSenderID(moment()), moment()
	m := mail(app, lane, at)
	ok(t, "create", tx.Mails().Create(ctx, m))
	wantErr(t, "create again", tx.Mails().Create(ctx, m), store.ErrConflict)
	_, err := tx.Mails().Get(ctx, newApp(), m.ID)
	wantErr(t, "another's", err, store.ErrNotFound)

	early, err := tx.Mails().Claim(ctx, lane, at.Add(-time.Second), at, 10)
	ok(t, "claim too early", err)
	want(t, "nothing is due", len(early), 0)
	until := ms(at.Add(time.Minute))
	got, err := tx.Mails().Claim(ctx, lane, at, until, 10)
	ok(t, "claim", err)
	claimed := m
	claimed.DueAt = until
	want(t, "claimed", got, []latchkey.Mail{claimed})
	again, err := tx.Mails().Claim(ctx, lane, at, until, 10)
	ok(t, "claim again", err)
	want(t, "it is taken", len(again), 0)

	retry := claimed
	retry.Attempts, retry.Code, retry.Detail, retry.DueAt, retry.UpdatedAt = 1, "rate_limited", "421 later", ms(at.Add(2*time.Minute)), ms(at.Add(time.Second))
	wantErr(t, "finish another's claim", tx.Mails().Finish(ctx, retry, at), store.ErrStale)
	ok(t, "finish", tx.Mails().Finish(ctx, retry, until))
	stored, err := tx.Mails().Get(ctx, app, m.ID)
	ok(t, "get", err)
	want(t, "it waits with its body", stored, retry)
	n, err := tx.Mails().CountQueued(ctx, lane)
	ok(t, "count", err)
	want(t, "queued", n, 1)

	_, err = tx.Mails().Claim(ctx, lane, at.Add(time.Hour), at.Add(2*time.Hour), 10)
	ok(t, "claim later", err)
	done := retry
	done.Status, done.Attempts, done.Code, done.Detail, done.SenderID, done.UpdatedAt = latchkey.MailAccepted, 2, "", "", "", ms(at.Add(time.Hour))
	done.DueAt = ms(at.Add(2 * time.Hour))
	ok(t, "accepted by another sender", tx.Mails().Finish(ctx, done, done.DueAt))
	done.Body = nil
	stored, err = tx.Mails().Get(ctx, app, m.ID)
	ok(t, "get", err)
	want(t, "its body is gone", stored, done)
	wantErr(t, "it ends once", tx.Mails().Finish(ctx, done, done.DueAt), store.ErrStale)

	later := mail(app, lane, at.Add(time.Second))
	ok(t, "create", tx.Mails().Create(ctx, later))
	list, err := tx.Mails().List(ctx, app, store.Page{Limit: 10})
	ok(t, "list", err)
	want(t, "newest first", list, []latchkey.Mail{later, done})
	list, err = tx.Mails().List(ctx, app, store.Page{Limit: 10, Before: string(later.ID)})
	ok(t, "list", err)
	want(t, "the next page", list, []latchkey.Mail{done})
	list, err = tx.Mails().ListByStatus(ctx, app, latchkey.MailQueued, store.Page{Limit: 10})
	ok(t, "list queued", err)
	want(t, "queued mails", list, []latchkey.Mail{later})
	list, err = tx.Mails().ListByStatus(ctx, app, latchkey.MailAccepted, store.Page{Limit: 10, Before: string(done.ID)})
	ok(t, "list accepted", err)
	want(t, "accepted mails before the first", len(list), 0)
	failed := mail(app, lane, at)
	failed.Status = latchkey.MailFailed
	ok(t, "create", tx.Mails().Create(ctx, failed))
	list, err = tx.Mails().ListEnded(ctx, app, store.Page{Limit: 10})
	ok(t, "list ended", err)
	want(t, "mails that ended badly", len(list), 1)
	want(t, "the mail that ended badly", list[0].ID, failed.ID)
	if _, err = tx.Mails().DeleteFinished(ctx, at.Add(2*time.Hour), 1000); err != nil {
		t.Error(err)
	}
	_, err = tx.Mails().Get(ctx, app, m.ID)
	wantErr(t, "it is forgotten", err, store.ErrNotFound)
	_, err = tx.Mails().Get(ctx, app, later.ID)
	ok(t, "what waits is not", err)
}

func testLanes(t *testing.T, ctx context.Context, tx store.Tx) {
	at := moment().Add(-time.Hour) // before what other tests leave
	first, second := latchkey.NewSenderID(at), latchkey.NewSenderID(at)
	for _, m := range []latchkey.Mail{mail(newApp(), second, at.Add(time.Second)), mail(newApp(), first, at), mail(newApp(), second, at.Add(2*time.Second))} {
		ok(t, "create", tx.Mails().Create(ctx, m))
	}
	lanes, err := tx.Mails().Lanes(ctx, at.Add(time.Minute), 100)
	ok(t, "lanes", err)
	lanes = slices.DeleteFunc(lanes, func(l latchkey.SenderID) bool { return l != first && l != second })
	want(t, "who waits longest is first, and each is told once", lanes, []latchkey.SenderID{first, second})

	take := func(what, holder string, now time.Time, wanted bool) {
		t.Helper()
		got, err := tx.Mails().TakeLane(ctx, first, holder, now, now.Add(time.Minute))
		ok(t, what, err)
		want(t, what, got, wanted)
	}
	take("a free lane", "a", at, true)
	take("a taken one", "b", at.Add(time.Second), false)
	take("again by its holder", "a", at.Add(30*time.Second), true)
	take("before the end", "b", at.Add(89*time.Second), false)
	take("after it", "b", at.Add(90*time.Second), true)
	take("the one before is out", "a", at.Add(91*time.Second), false)
}

func testSettings(t *testing.T, s store.Store) {
	twice(t, s, func(t *testing.T, ctx context.Context, tx store.Tx) {
		app := newApp()
		set := func(kind, body string) store.Setting {
			return store.Setting{ApplicationID: app, Kind: kind, Body: json.RawMessage(body), UpdatedAt: ms(moment())}
		}
		en, fr, other := set("template/en", `{"a":1}`), set("template/fr", `{}`), set("signin", `{"b":2}`)
		for _, v := range []store.Setting{fr, set("template/en", `{}`), en, other} {
			ok(t, "put", tx.Settings().Put(ctx, v))
		}
		got, err := tx.Settings().Get(ctx, app, "template/en")
		ok(t, "get", err)
		want(t, "the last one counts", got, en)
		list, err := tx.Settings().List(ctx, app, "template/")
		ok(t, "list", err)
		want(t, "list", list, []store.Setting{en, fr})
		_, err = tx.Settings().Get(ctx, newApp(), "template/en")
		wantErr(t, "another's", err, store.ErrNotFound)
		wantErr(t, "delete another's", tx.Settings().Delete(ctx, newApp(), "signin"), store.ErrNotFound)
		ok(t, "delete", tx.Settings().Delete(ctx, app, "signin"))
		_, err = tx.Settings().Get(ctx, app, "signin")
		wantErr(t, "deleted", err, store.ErrNotFound)
	})
}
