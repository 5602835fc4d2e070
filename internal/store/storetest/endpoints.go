package storetest

import (
	"context"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

func endpoint(app latchkey.ApplicationID, at time.Time) latchkey.Endpoint {
	return latchkey.Endpoint{
		ID: latchkey.NewEndpointID(at), ApplicationID: app, Name: "crm", URL: "https://app.example/hook", Events: []string{"account.*"},
		Headers: []latchkey.Header{{Key: "X-Token", Value: "secret"}}, Payload: latchkey.PayloadNative, Secret: "whsec_one",
		CreatedAt: ms(at), UpdatedAt: ms(at),
	}
}

func testEndpoints(t *testing.T, s store.Store) {
	twice(t, s, func(t *testing.T, ctx context.Context, tx store.Tx) {
		e, second := endpoint(newApp(), moment()), endpoint("", moment().Add(time.Second))
		second.ApplicationID = e.ApplicationID
		ok(t, "create", tx.Endpoints().Create(ctx, e))
		wantErr(t, "id taken", tx.Endpoints().Create(ctx, e), store.ErrConflict)
		ok(t, "create", tx.Endpoints().Create(ctx, second))
		got, err := tx.Endpoints().Get(ctx, e.ApplicationID, e.ID)
		ok(t, "get", err)
		want(t, "get", got, e)
		_, err = tx.Endpoints().Get(ctx, newApp(), e.ID)
		wantErr(t, "get another's", err, store.ErrNotFound)
		list, err := tx.Endpoints().List(ctx, e.ApplicationID)
		ok(t, "list", err)
		want(t, "list", list, []latchkey.Endpoint{e, second})

		e.Name, e.URL, e.Events, e.Accounts = "erp", "https://b.example/", []string{"*", "link.created"}, []latchkey.AccountID{"acc_1"}
		e.Headers, e.Payload, e.Lenient, e.Secret, e.OldSecret = nil, latchkey.PayloadAccountStatus, true, "whsec_two", "whsec_one"
		e.OldSecretUntil, e.Paused, e.PausedAt, e.UpdatedAt = ms(moment().Add(time.Hour)), latchkey.PausedGone, ms(moment()), ms(moment().Add(time.Minute))
		ok(t, "update", tx.Endpoints().Update(ctx, e))
		e.FailingSince = ms(moment())
		ok(t, "mark failing", tx.Endpoints().MarkFailing(ctx, e.ID, moment()))
		got, err = tx.Endpoints().Get(ctx, e.ApplicationID, e.ID)
		ok(t, "get", err)
		want(t, "updated", got, e)
		changed := e
		changed.FailingSince = time.Time{}
		ok(t, "update", tx.Endpoints().Update(ctx, changed))
		got, err = tx.Endpoints().Get(ctx, e.ApplicationID, e.ID)
		ok(t, "get", err)
		want(t, "an update leaves the failing mark", got, e)
		other := e
		other.ApplicationID = newApp()
		wantErr(t, "update another's", tx.Endpoints().Update(ctx, other), store.ErrNotFound)
		wantErr(t, "delete another's", tx.Endpoints().Delete(ctx, newApp(), e.ID), store.ErrNotFound)
		ok(t, "delete", tx.Endpoints().Delete(ctx, e.ApplicationID, e.ID))
		wantErr(t, "delete again", tx.Endpoints().Delete(ctx, e.ApplicationID, e.ID), store.ErrNotFound)
		wantErr(t, "mark a deleted one", tx.Endpoints().MarkFailing(ctx, e.ID, moment()), store.ErrNotFound)
	})
}

func testShares(t *testing.T, s store.Store) {
	ctx := t.Context()
	roll, err := s.Shares().Beat(ctx, "a")
	ok(t, "beat", err)
	want(t, "members", roll.Members, []store.Member{{ID: "a", Beat: 1}})
	want(t, "shares", len(roll.Shares), 32)
	free := roll.Shares[3]
	want(t, "a share", free, store.Share{Number: 3})
	won, errs := race(parallel, func(i int) error { return s.Shares().Take(ctx, free, string(rune('a'+i%2))) })
	want(t, "how many took it", won, 1)
	onlyErr(t, "take", errs, store.ErrStale)

	ok(t, "take", s.Shares().Take(ctx, roll.Shares[4], "a"))
	roll, err = s.Shares().Beat(ctx, "a")
	ok(t, "beat", err)
	want(t, "a beat raises the member's", roll.Members, []store.Member{{ID: "a", Beat: 2}})
	want(t, "and its shares'", roll.Shares[4], store.Share{Number: 4, Owner: "a", Beat: 2})
	wantErr(t, "take as it was seen before", s.Shares().Take(ctx, store.Share{Number: 4, Owner: "a", Beat: 1}, "b"), store.ErrStale)
	wantErr(t, "release another's", s.Shares().Release(ctx, 4, "b"), store.ErrStale)
	ok(t, "release", s.Shares().Release(ctx, 4, "a"))

	wantErr(t, "forget one that lives", s.Shares().Forget(ctx, store.Member{ID: "a", Beat: 1}), store.ErrStale)
	roll, err = s.Shares().Beat(ctx, "b")
	ok(t, "beat", err)
	ok(t, "take", s.Shares().Take(ctx, roll.Shares[5], "b"))
	ok(t, "forget", s.Shares().Forget(ctx, roll.Members[1]))
	ok(t, "leave", s.Shares().Leave(ctx, "a"))
	roll, err = s.Shares().Beat(ctx, "c")
	ok(t, "beat", err)
	want(t, "who is left", roll.Members, []store.Member{{ID: "c", Beat: 1}})
	for _, sh := range roll.Shares {
		if sh.Owner != "" {
			t.Errorf("share %d still belongs to %s", sh.Number, sh.Owner)
		}
	}
}

func testExpiry(t *testing.T, s store.Store) {
	ctx, app, now := t.Context(), newApp(), moment()
	told, quiet, done := link(app, now), link(app, now), link(app, now)
	told.TellExpiry = told.ExpiresAt
	done.Status = latchkey.LinkCompleted
	for _, l := range []latchkey.Link{told, quiet, done} {
		ok(t, "create", s.Links().Create(ctx, l))
	}
	due := func() []latchkey.LinkID {
		list, err := s.Links().DueToExpire(ctx, told.ExpiresAt, 10)
		ok(t, "due", err)
		var out []latchkey.LinkID
		for _, l := range list {
			out = append(out, l.ID)
		}
		return out
	}
	list, err := s.Links().DueToExpire(ctx, told.ExpiresAt.Add(-time.Millisecond), 10)
	ok(t, "due", err)
	want(t, "before its time", len(list), 0)
	want(t, "due", due(), []latchkey.LinkID{told.ID})
	n, err := s.Links().WatchExpiry(ctx, app, told.ExpiresAt, 10)
	ok(t, "watch", err)
	want(t, "those that expire later", n, 0)
	n, err = s.Links().WatchExpiry(ctx, app, now, 10)
	ok(t, "watch", err)
	want(t, "watched", n, 1)
	ok(t, "tell", s.Links().TellExpiry(ctx, told.ID, time.Time{}))
	want(t, "due", due(), []latchkey.LinkID{quiet.ID})
	wantErr(t, "tell of none", s.Links().TellExpiry(ctx, "lnk_none", now), store.ErrNotFound)
}

func testFollow(t *testing.T, s store.Store) {
	ctx, now := t.Context(), ms(moment())
	a := latchkey.Application{ID: newApp(), Name: "followed", CreatedAt: now}
	ok(t, "create", s.Applications().Create(ctx, a))
	for _, until := range []time.Time{now, now.Add(time.Hour), now.Add(time.Minute)} {
		ok(t, "follow", s.Applications().Follow(ctx, a.ID, until))
	}
	got, err := s.Applications().FollowedUntil(ctx, a.ID)
	ok(t, "followed", err)
	want(t, "followed until", got, now.Add(time.Hour))
	wantErr(t, "follow none", s.Applications().Follow(ctx, "app_none", now), store.ErrNotFound)
	got, err = s.Applications().FollowedUntil(ctx, a.ID)
	ok(t, "followed", err)
	want(t, "followed until", got, now.Add(time.Hour))
}

// testWatch has commits told, and nothing of what was undone.
func testWatch(t *testing.T, s store.Store) {
	w, ok2 := s.(store.Watcher)
	if !ok2 {
		t.Fatal("the store tells nobody of deliveries")
	}
	ctx, cancel := context.WithCancel(t.Context())
	heard, done := make(chan string, 100), make(chan error, 1)
	go func() {
		done <- w.Watch(ctx, func(queues []string) {
			for _, q := range queues {
				heard <- q
			}
		})
	}()
	d := delivery(newApp(), moment())
	deadline := time.After(20 * time.Second)
	for i := 0; ; i++ { // until it watches
		d.ID, d.Queue = latchkey.NewDeliveryID(moment()), "kept"
		ok(t, "create", s.Deliveries().Create(ctx, d))
		select {
		case q := <-heard:
			want(t, "queue", q, "kept")
		case <-time.After(50 * time.Millisecond):
			continue
		case <-deadline:
			t.Fatal("nobody was told")
		}
		break
	}
	undone := s.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		d.ID, d.Queue = latchkey.NewDeliveryID(moment()), "undone"
		ok(t, "create", tx.Deliveries().Create(ctx, d))
		return context.Canceled
	})
	wantErr(t, "undone", undone, context.Canceled)
	d.ID, d.Queue = latchkey.NewDeliveryID(moment()), "last"
	ok(t, "create", s.Deliveries().Create(ctx, d))
	for q := ""; q != "last"; {
		select {
		case q = <-heard:
			if q == "undone" {
				t.Error("told of what was undone")
			}
		case <-deadline:
			t.Fatal("nobody was told")
		}
	}
	cancel()
	ok(t, "watch", <-done)
}
