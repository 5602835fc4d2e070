package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

func testKeeps(t *testing.T, s store.Store) {
	twice(t, s, testKeepHands)
	t.Run("due", func(t *testing.T) { testDueKeeps(t, s) })
	t.Run("owners", func(t *testing.T) { testKeepers(t, s) })
	t.Run("claims race", func(t *testing.T) {
		k := keep(newApp(), moment())
		ok(t, "want", s.Keeps().Want(t.Context(), k))
		k.Fence = 1
		won, errs := race(parallel, func(i int) error {
			_, err := s.Keeps().Claim(t.Context(), k, fmt.Sprintf("owner %d", i))
			return err
		})
		want(t, "claimed", won, 1)
		onlyErr(t, "the others", errs, store.ErrStale)
	})
}

func keep(app latchkey.ApplicationID, due time.Time) store.Keep {
	return store.Keep{AccountID: latchkey.NewAccountID(moment()), ApplicationID: app, Provider: latchkey.WhatsApp, Due: ms(due)}
}

func testKeepHands(t *testing.T, ctx context.Context, tx store.Tx) {
	k := keep(newApp(), moment())
	wantErr(t, "get none", second(tx.Keeps().Get(ctx, k.AccountID)), store.ErrNotFound)
	wantErr(t, "stop none", tx.Keeps().Stop(ctx, k.AccountID), store.ErrNotFound)
	ok(t, "want", tx.Keeps().Want(ctx, k))
	k.Fence = 1
	read := func(what string, wanted store.Keep) {
		t.Helper()
		got, err := tx.Keeps().Get(ctx, k.AccountID)
		ok(t, "get", err)
		want(t, what, got, wanted)
	}
	read("wanted", k)
	held, err := tx.Keeps().Claim(ctx, k, "one")
	ok(t, "claim", err)
	want(t, "held", held, store.Keep{AccountID: k.AccountID, ApplicationID: k.ApplicationID, Provider: k.Provider, Due: k.Due, Owner: "one", Fence: 2})
	read("held", held)
	wantErr(t, "claim again", second(tx.Keeps().Claim(ctx, k, "two")), store.ErrStale)
	wantErr(t, "claim what is held", second(tx.Keeps().Claim(ctx, held, "two")), store.ErrStale)
	wantErr(t, "release by one who lost it", tx.Keeps().Release(ctx, k, k.Due, 0), store.ErrStale)
	later := ms(moment().Add(time.Minute))
	ok(t, "release", tx.Keeps().Release(ctx, held, later, 3))
	free := held
	free.Owner, free.Due, free.Fails = "", later, 3
	read("released", free)
	held, err = tx.Keeps().Claim(ctx, free, "two")
	ok(t, "claim by another", err)
	ok(t, "stop", tx.Keeps().Stop(ctx, k.AccountID))
	held.Due = time.Time{}
	read("stopped", held)
	ok(t, "want again", tx.Keeps().Want(ctx, k))
	read("wanted again", store.Keep{AccountID: k.AccountID, ApplicationID: k.ApplicationID, Provider: k.Provider, Due: k.Due, Fence: held.Fence + 1})
	wantErr(t, "delete by one who lost it", tx.Keeps().Delete(ctx, held), store.ErrStale)
	held.Fence++
	ok(t, "delete", tx.Keeps().Delete(ctx, held))
	wantErr(t, "get after", second(tx.Keeps().Get(ctx, k.AccountID)), store.ErrNotFound)
}

func second[T any](_ T, err error) error { return err }

func testDueKeeps(t *testing.T, s store.Store) {
	ctx, app := t.Context(), newApp()
	base := time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC) // before all others in this database
	var ids []latchkey.AccountID
	for i := range 4 {
		k := keep(app, base.Add(time.Duration(4-i)*time.Minute))
		ok(t, "want", s.Keeps().Want(ctx, k))
		ids = append(ids, k.AccountID)
	}
	k, err := s.Keeps().Get(ctx, ids[3])
	ok(t, "get", err)
	_, err = s.Keeps().Claim(ctx, k, "one of due")
	ok(t, "claim", err)
	ok(t, "stop", s.Keeps().Stop(ctx, ids[2]))
	due, err := s.Keeps().Due(ctx, base.Add(5*time.Minute), 10)
	ok(t, "due", err)
	var got []latchkey.AccountID
	for _, d := range due {
		got = append(got, d.AccountID)
	}
	want(t, "due: neither held nor stopped, the longest due first", got, []latchkey.AccountID{ids[1], ids[0]})
	n, err := s.Keeps().Waiting(ctx, base.Add(3*time.Minute+time.Second), 10)
	ok(t, "waiting", err)
	want(t, "waiting", n, 1)
	held, err := s.Keeps().Held(ctx, "one of due")
	ok(t, "held", err)
	want(t, "held", len(held), 1)
	ok(t, "leave", s.Keeps().Leave(ctx, "one of due", base))
}

func testKeepers(t *testing.T, s store.Store) {
	ctx, now := t.Context(), ms(moment())
	ok(t, "join", s.Keeps().Join(ctx, "alive", now.Add(time.Minute)))
	ok(t, "join", s.Keeps().Join(ctx, "dead", now.Add(-time.Second)))
	wantErr(t, "join again", s.Keeps().Join(ctx, "alive", now), store.ErrConflict)
	n, err := s.Keeps().Alive(ctx, now)
	ok(t, "alive", err)
	want(t, "alive", n, 1)
	claim := func(owner string) store.Keep {
		k := keep(newApp(), now)
		ok(t, "want", s.Keeps().Want(ctx, k))
		k.Fence = 1
		k, err := s.Keeps().Claim(ctx, k, owner)
		ok(t, "claim", err)
		return k
	}
	mine, lost := claim("alive"), claim("dead")
	freed, err := s.Keeps().Bury(ctx, now)
	ok(t, "bury", err)
	want(t, "freed", freed, 1)
	wantErr(t, "the dead wakes up", s.Keeps().Beat(ctx, "dead", now.Add(time.Minute)), store.ErrStale)
	wantErr(t, "the dead writes", s.Keeps().Release(ctx, lost, now, 0), store.ErrStale)
	ok(t, "beat", s.Keeps().Beat(ctx, "alive", now.Add(time.Minute)))
	got, err := s.Keeps().Get(ctx, mine.AccountID)
	ok(t, "get", err)
	want(t, "the living keeps", got, mine)
	ok(t, "leave", s.Keeps().Leave(ctx, "alive", now))
	got, err = s.Keeps().Get(ctx, mine.AccountID)
	ok(t, "get", err)
	want(t, "nobody holds what was left", got.Owner, "")
	want(t, "nor writes it", got.Fence, mine.Fence+1)
}

func testMemories(t *testing.T, s store.Store) {
	ctx := t.Context()
	a := account(newApp(), moment())
	ok(t, "create", s.Accounts().Create(ctx, a))
	k := keep(a.ApplicationID, moment())
	k.AccountID = a.ID
	ok(t, "want", s.Keeps().Want(ctx, k))
	ref := store.MemoryRef{AccountID: a.ID, ApplicationID: a.ApplicationID, Fence: 1}
	m := s.Memories()
	values := map[string][]byte{"one": random(40), "two": random(3), "none": {}}
	ok(t, "put", m.Put(ctx, ref, "session", "g1", values))
	ok(t, "put", m.Put(ctx, ref, "session", "g10", map[string][]byte{"one": {9}}))
	ok(t, "put", m.Put(ctx, ref, "prekey", "", map[string][]byte{"one": {8}}))
	got, err := m.List(ctx, ref, "session", "g1")
	ok(t, "list", err)
	want(t, "list", got, map[string][]byte{"one": values["one"], "two": values["two"], "none": nil})
	ok(t, "put again", m.Put(ctx, ref, "session", "g1", map[string][]byte{"two": {7}}))
	got, err = m.Get(ctx, ref, "session", "g1", "two", "three")
	ok(t, "get", err)
	want(t, "get", got, map[string][]byte{"two": {7}})
	stale := ref
	stale.Fence = 2
	wantErr(t, "put by one who lost it", m.Put(ctx, stale, "session", "g1", map[string][]byte{"two": {1}}), store.ErrStale)
	wantErr(t, "delete by one who lost it", m.Delete(ctx, stale, "session", "g1"), store.ErrStale)
	wantErr(t, "clear by one who lost it", m.Clear(ctx, stale), store.ErrStale)
	for _, bad := range []string{"a/b", "ü", "a|b", "a b"} {
		if err := m.Put(ctx, ref, "session", bad, map[string][]byte{"x": {1}}); err == nil {
			t.Errorf("the name %q was taken", bad)
		}
	}
	ok(t, "delete", m.Delete(ctx, ref, "session", "g1", "one", "none"))
	ok(t, "delete a group", m.Delete(ctx, ref, "session", "g10"))
	got, err = m.List(ctx, ref, "session", "g1")
	ok(t, "list", err)
	want(t, "what is left", got, map[string][]byte{"two": {7}})
	ok(t, "clear", m.Clear(ctx, ref))
	got, err = m.List(ctx, ref, "prekey", "")
	ok(t, "list", err)
	want(t, "cleared", got, map[string][]byte{})
	ok(t, "put", m.Put(ctx, ref, "prekey", "", values))
	ok(t, "forget the account", s.Accounts().Delete(ctx, a.ApplicationID, a.ID))
	got, err = m.List(ctx, ref, "prekey", "")
	ok(t, "list", err)
	want(t, "the memory goes with the account", got, map[string][]byte{})
	if err := m.Put(ctx, ref, "prekey", "", values); err == nil {
		t.Error("the memory of an account that is gone was written")
	}
}
