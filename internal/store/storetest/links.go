package storetest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

func testLinks(t *testing.T, s store.Store) {
	twice(t, s, testLinkRoundTrip)
	t.Run("pages", func(t *testing.T) { testLinkPages(t, s) })
	t.Run("status as of now", func(t *testing.T) { testLinkStatus(t, s) })
	t.Run("created at once", func(t *testing.T) { testLinkRace(t, s) })
	t.Run("completed once", func(t *testing.T) { testLinkCompletedOnce(t, s) })
	t.Run("opened", func(t *testing.T) {
		l := link(newApp(), moment())
		ok(t, "create", s.Links().Create(t.Context(), l))
		_, errs := race(parallel, func(int) error {
			_, err := s.Links().AddOpened(t.Context(), l.ID, 2)
			return err
		})
		onlyErr(t, "add opened", errs, nil)
		got, err := s.Links().Get(t.Context(), l.ApplicationID, l.ID)
		ok(t, "get", err)
		want(t, "opened", got.OpenedCount, int64(2*parallel))
		_, err = s.Links().AddOpened(t.Context(), "lnk_none", 1)
		wantErr(t, "opened unknown", err, store.ErrNotFound)
	})
	t.Run("for update needs a transaction", func(t *testing.T) {
		if _, err := s.Links().ForUpdate(t.Context(), "lnk_x"); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("error is %v, want a refusal", err)
		}
	})
}

func testLinkRoundTrip(t *testing.T, ctx context.Context, tx store.Tx) {
	since := ms(moment())
	l := link(newApp(), moment())
	l.Type, l.Dialect, l.Name, l.Test = latchkey.LinkReconnect, latchkey.DialectForm, "user \u202e 'quote' \\ %", true
	l.Terms = latchkey.LinkTerms{
		Providers: []string{"*:MAILING"}, SuccessURL: "https://app.example/a?b=c#d", NotifyFailures: true, SyncFrom: &since,
		Metadata: map[string]string{"k": "v\x00w"}, Path: []string{"a"},
	}
	l.CreatedAt, l.UpdatedAt, l.ExpiresAt = moment(), moment(), moment().Add(time.Hour)
	ok(t, "create", tx.Links().Create(ctx, l))
	l.CreatedAt, l.UpdatedAt, l.ExpiresAt = ms(l.CreatedAt), ms(l.UpdatedAt), ms(l.ExpiresAt)

	got, err := tx.Links().Get(ctx, l.ApplicationID, l.ID)
	ok(t, "get", err)
	want(t, "get", got, l)
	none, err := tx.Links().Proxy(ctx, l.ID)
	ok(t, "proxy", err)
	want(t, "no proxy", none, nil)
	through := link(l.ApplicationID, moment())
	through.Proxy = &latchkey.Proxy{Protocol: latchkey.ProxySOCKS5, Host: "fd00::5", Port: 1080, Username: "u", Password: "p\u202e\\ "}
	ok(t, "create with a proxy", tx.Links().Create(ctx, through))
	proxy, err := tx.Links().Proxy(ctx, through.ID)
	ok(t, "proxy", err)
	want(t, "proxy", proxy, through.Proxy)
	_, err = tx.Links().Proxy(ctx, "lnk_none")
	wantErr(t, "proxy of an unknown link", err, store.ErrNotFound)

	got, err = tx.Links().ByToken(ctx, l.TokenHash)
	ok(t, "by token", err)
	want(t, "by token", got, l)

	_, err = tx.Links().Get(ctx, newApp(), l.ID)
	wantErr(t, "another's link", err, store.ErrNotFound)
	_, err = tx.Links().ByToken(ctx, random(32))
	wantErr(t, "unknown token", err, store.ErrNotFound)
	again := link(l.ApplicationID, moment())
	again.TokenHash = l.TokenHash
	wantErr(t, "token taken", tx.Links().Create(ctx, again), store.ErrConflict)
	again.ID, again.TokenHash = l.ID, random(32)
	wantErr(t, "id taken", tx.Links().Create(ctx, again), store.ErrConflict)

	changed := l
	changed.Status, changed.FlowID, changed.AccountID, changed.LastFailure = latchkey.LinkInProgress, "flw_1", "acc_1", "timed_out"
	changed.UpdatedAt, changed.ExpiresAt = ms(moment().Add(time.Second)), time.Time{}
	update := changed
	update.TokenHash, update.Terms, update.CreatedAt, update.OpenedCount = random(32), latchkey.LinkTerms{}, time.Time{}, 99
	ok(t, "update", tx.Links().Update(ctx, update))
	got, err = tx.Links().Get(ctx, l.ApplicationID, l.ID)
	ok(t, "get", err)
	want(t, "updated, but for what never changes", got, changed)
	update.ApplicationID = newApp()
	wantErr(t, "update another's", tx.Links().Update(ctx, update), store.ErrNotFound)
}

// testLinkPages reads links that all have the same time, some made while the pages are read.
func testLinkPages(t *testing.T, s store.Store) {
	app := newApp()
	var ids []latchkey.LinkID
	for i := range 57 {
		l := link(app, moment())
		if i%2 == 0 {
			l.Name = "even"
		}
		ids = append(ids, l.ID)
		ok(t, "create", s.Links().Create(t.Context(), l))
		ok(t, "create another's", s.Links().Create(t.Context(), link(newApp(), moment())))
	}
	slices.Sort(ids)
	slices.Reverse(ids)
	var seen []latchkey.LinkID
	for p := (store.Page{Limit: 10}); ; {
		list, err := s.Links().List(t.Context(), app, store.LinkFilter{}, p)
		ok(t, "list", err)
		if len(list) == 0 {
			break
		}
		for _, l := range list {
			seen = append(seen, l.ID)
		}
		p.Before = string(list[len(list)-1].ID)
		ok(t, "create meanwhile", s.Links().Create(t.Context(), link(app, moment().Add(time.Hour))))
	}
	want(t, "all, once, newest first", seen, ids)
	list, err := s.Links().List(t.Context(), app, store.LinkFilter{Name: "even"}, store.Page{Limit: 250})
	ok(t, "list by name", err)
	want(t, "by name", len(list), 29)
	list, err = s.Links().List(t.Context(), app, store.LinkFilter{Name: "nobody"}, store.Page{Limit: 250})
	ok(t, "list by name", err)
	want(t, "by unknown name", len(list), 0)
}

// testLinkStatus compares the filter with latchkey.Link.StatusAt around every moment that counts.
func testLinkStatus(t *testing.T, s store.Store) {
	app, base := newApp(), ms(moment())
	statuses := []latchkey.LinkStatus{
		latchkey.LinkCreated, latchkey.LinkInProgress, latchkey.LinkCompleted, latchkey.LinkFailed, latchkey.LinkCanceled, latchkey.LinkExpired,
	}
	var all []latchkey.Link
	for _, st := range statuses {
		for _, name := range []string{"", "n"} {
			l := link(app, moment())
			l.Status, l.Name, l.ExpiresAt = st, name, base
			all = append(all, l)
			ok(t, "create", s.Links().Create(t.Context(), l))
		}
	}
	for _, now := range []time.Time{
		base.Add(-time.Nanosecond), base.Add(-time.Millisecond), base, base.Add(time.Millisecond),
		base.Add(latchkey.FlowGrace - time.Nanosecond), base.Add(latchkey.FlowGrace), base.Add(latchkey.FlowGrace + time.Hour),
	} {
		for _, st := range statuses {
			for _, name := range []string{"", "n"} {
				var wanted []latchkey.LinkID
				for _, l := range all {
					if l.StatusAt(now) == st && (name == "" || l.Name == name) {
						wanted = append(wanted, l.ID)
					}
				}
				list, err := s.Links().List(t.Context(), app, store.LinkFilter{Status: st, Name: name, Now: now}, store.Page{Limit: 250})
				ok(t, "list", err)
				var got []latchkey.LinkID
				for _, l := range list {
					got = append(got, l.ID)
				}
				slices.Sort(wanted)
				slices.Sort(got)
				want(t, string(st)+" "+name+" at "+now.Sub(base).String(), got, wanted)
			}
		}
	}
}

// testLinkRace has many create links at once, some of them with a token that is taken.
func testLinkRace(t *testing.T, s store.Store) {
	app := newApp()
	token := random(32)
	won, errs := race(4*parallel, func(i int) error {
		l := link(app, moment())
		if i%4 == 0 {
			l.TokenHash = token
		}
		return s.Links().Create(t.Context(), l)
	})
	want(t, "created", won, 3*parallel+1)
	onlyErr(t, "token taken", errs, store.ErrConflict)
	list, err := s.Links().List(t.Context(), app, store.LinkFilter{}, store.Page{Limit: 250})
	ok(t, "list", err)
	want(t, "listed", len(list), 3*parallel+1)
}

func testLinkCompletedOnce(t *testing.T, s store.Store) {
	l := link(newApp(), moment())
	ok(t, "create", s.Links().Create(t.Context(), l))
	taken := errors.New("taken")
	won, errs := race(parallel, func(int) error {
		return s.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
			got, err := tx.Links().ForUpdate(ctx, l.ID)
			if err != nil {
				return err
			}
			if got.Status == latchkey.LinkCompleted {
				return taken
			}
			got.Status = latchkey.LinkCompleted
			return tx.Links().Update(ctx, got)
		})
	})
	want(t, "completed", won, 1)
	onlyErr(t, "the others", errs, taken)
	err := s.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
		_, err := tx.Links().ForUpdate(ctx, "lnk_none")
		return err
	})
	wantErr(t, "for update of none", err, store.ErrNotFound)
}
