package hooks_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/hooks"
	"latchkey/internal/safehttp"
	"latchkey/internal/store"
)

func TestEmitNumbersAnAccountsEvents(t *testing.T) {
	t.Parallel()
	l := newLab(t, safehttp.ClientOptions{}, safehttp.Config{})
	now := l.clock.Now().UTC()
	acc := latchkey.Account{
		ID: latchkey.NewAccountID(now), ApplicationID: l.app.ID, Provider: "IMAP", Identity: "a@example.com", Proof: latchkey.ProofTyped,
		Status: latchkey.AccountOK, CreatedAt: now, UpdatedAt: now, StatusAt: now,
	}
	if err := l.store.Accounts().Create(t.Context(), acc); err != nil {
		t.Fatal(err)
	}
	var want []latchkey.Event
	emit := func(ev latchkey.Event) {
		t.Helper()
		err := l.store.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
			got, err := l.hooks.Emit(ctx, tx, ev)
			if err == nil {
				want = append(want, got)
			}
			return err
		})
		if err != nil {
			t.Fatalf("Emit %s: %v", ev.Type, err)
		}
	}
	emit(latchkey.Event{ApplicationID: l.app.ID, Type: latchkey.EventAccountConnected, AccountID: acc.ID, Data: json.RawMessage(`{"a":1}`)})
	emit(latchkey.Event{ApplicationID: l.app.ID, Type: latchkey.EventAccountStatusChanged, AccountID: acc.ID})
	emit(latchkey.Event{ApplicationID: l.app.ID, Type: latchkey.EventLinkStarted, LinkID: "lnk_1"})
	if err := l.store.Accounts().Delete(t.Context(), l.app.ID, acc.ID); err != nil {
		t.Fatal(err)
	}
	emit(latchkey.Event{ApplicationID: l.app.ID, Type: latchkey.EventAccountDeleted, AccountID: acc.ID})

	for i, seq := range []int64{1, 2, 0, 0} {
		e := want[i]
		if e.Sequence != seq || e.ID == "" || e.CreatedAt.IsZero() || !json.Valid(e.Data) {
			t.Errorf("event %d: %+v, want sequence %d and everything filled in", i, e, seq)
		}
	}
	got, err := l.store.Events().List(t.Context(), l.app.ID, store.EventFilter{}, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	byID := map[latchkey.EventID]latchkey.Event{}
	for _, e := range got {
		byID[e.ID] = e
	}
	for _, e := range want {
		if d := cmp.Diff(e, byID[e.ID]); d != "" {
			t.Errorf("what Emit returns is not what was written: %s", d)
		}
	}
	// Nothing is left of an event whose transaction fails.
	failed := errors.New("rolled back")
	err = l.store.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
		if _, err := l.hooks.Emit(ctx, tx, latchkey.Event{ApplicationID: l.app.ID, Type: latchkey.EventLinkFailed}); err != nil {
			return err
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Fatal(err)
	}
	if got, err := l.store.Events().List(t.Context(), l.app.ID, store.EventFilter{Type: latchkey.EventLinkFailed}, "", 10); err != nil || len(got) != 0 {
		t.Errorf("left: %v %v", got, err)
	}
}

func TestNotifyWithoutURLTellsNobody(t *testing.T) {
	t.Parallel()
	l := newLab(t, safehttp.ClientOptions{}, safehttp.Config{})
	err := l.store.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
		return l.hooks.Notify(ctx, tx, hooks.Notification{ApplicationID: l.app.ID, LinkID: "lnk_1", Payload: 1})
	})
	if err != nil {
		t.Fatal(err)
	}
	if ds, err := l.store.Deliveries().ByLink(t.Context(), l.app.ID, "lnk_1"); err != nil || len(ds) != 0 {
		t.Errorf("%v %v", ds, err)
	}
	err = l.store.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
		return l.hooks.Notify(ctx, tx, hooks.Notification{ApplicationID: l.app.ID, URL: "http://x.example", Payload: func() {}})
	})
	if err == nil {
		t.Error("a payload that is no JSON is taken")
	}
}

func TestPayloads(t *testing.T) {
	t.Parallel()
	create := latchkey.Link{ID: "lnk_1", Type: latchkey.LinkCreate, Name: "user-7"}
	again := latchkey.Link{ID: "lnk_2", Type: latchkey.LinkReconnect, Name: "user-7"}
	bare := latchkey.Link{ID: "lnk_3", Type: latchkey.LinkCreate, Test: true}
	for want, p := range map[string]hooks.NotifyPayload{
		`{"status":"CREATION_SUCCESS","account_id":"acc_1","name":"user-7","link_id":"lnk_1"}`:   hooks.SuccessPayload(create, "acc_1"),
		`{"status":"RECONNECTED","account_id":"acc_1","name":"user-7","link_id":"lnk_2"}`:        hooks.SuccessPayload(again, "acc_1"),
		`{"status":"CREATION_SUCCESS","account_id":"acc_1","link_id":"lnk_3","test":true}`:       hooks.SuccessPayload(bare, "acc_1"),
		`{"status":"CREATION_FAILED","name":"user-7","link_id":"lnk_1","error":"access_denied"}`: hooks.FailedPayload(create, errs.CodeAccessDenied),
		`{"status":"LINK_EXPIRED","name":"user-7","link_id":"lnk_1"}`:                            hooks.ExpiredPayload(create),
	} {
		b, err := json.Marshal(p)
		if err != nil || string(b) != want {
			t.Errorf("%s %v, want %s", b, err, want)
		}
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	a, b := hooks.NewSecret(), hooks.NewSecret()
	if a == b || len(a) != len("whsec_")+44 || hooks.CheckSecret(a) != nil {
		t.Errorf("NewSecret: %d characters, %v", len(a), hooks.CheckSecret(a))
	}
	for _, bad := range []string{"", "whsec_", a[6:], "whsec_AAAA", a[:20], a + "AAAA=", "whsec_" + a, "WHSEC_" + a[6:]} {
		if err := hooks.CheckSecret(bad); !errors.Is(err, hooks.ErrSecret) {
			t.Errorf("%q: %v, want ErrSecret", bad, err)
		}
	}
}
