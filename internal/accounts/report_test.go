package accounts_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

func TestReportWritesStatusEventAndHistory(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a := h.account(t, latchkey.Telegram, "")
	a.CheckAt = h.now()
	if err := h.store.Accounts().Update(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	var last latchkey.Account
	report := func(st latchkey.AccountStatus, r latchkey.Reason, secret []byte) {
		t.Helper()
		h.advance(1e9)
		var err error
		if last, err = h.Report(t.Context(), h.app.ID, a.ID, connector.Health{Status: st, Reason: r, Secret: secret}, latchkey.CauseConnection); err != nil {
			t.Fatal(err)
		}
	}
	report(latchkey.AccountOK, "", nil)
	report(latchkey.AccountConnecting, latchkey.ReasonHostUnreachable, nil)
	report(latchkey.AccountConnecting, latchkey.ReasonHostUnreachable, nil)
	report(latchkey.AccountCredentials, latchkey.ReasonSessionTerminated, nil)
	report(latchkey.AccountStopped, latchkey.ReasonSessionTerminated, nil)
	if !last.CheckAt.IsZero() {
		t.Errorf("a stopped account is still due at %s", last.CheckAt)
	}
	report(latchkey.AccountOK, "", []byte("renewed"))
	stored, err := h.Get(t.Context(), h.app.ID, string(a.ID))
	if err != nil || string(stored.Secret) != "renewed" || stored.Status != latchkey.AccountOK {
		t.Errorf("stored: %v, %v", stored.Status, err)
	}

	list, err := h.History(t.Context(), h.app.ID, string(a.ID), store.Page{Limit: 50})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, c := range list {
		got = append(got, string(c.From)+" → "+string(c.To)+" "+string(c.ToReason)+" "+string(c.Cause))
		if i > 0 && !c.At.Before(list[i-1].At) {
			t.Error("not newest first")
		}
	}
	if d := cmp.Diff([]string{
		"STOPPED → OK  connection", "CREDENTIALS → STOPPED session_terminated connection",
		"CONNECTING → CREDENTIALS session_terminated connection", "OK → CONNECTING host_unreachable connection",
	}, got); d != "" {
		t.Error(d)
	}
	evs := h.events(t)
	if len(evs) != len(list) {
		t.Fatalf("%d events for %d changes", len(evs), len(list))
	}
	var data struct{ Status, Reason, Action string }
	if err := json.Unmarshal(evs[1].Data, &data); err != nil || data.Status != "CREDENTIALS" || data.Action != "reconnect" {
		t.Errorf("event: %s, %v", evs[1].Data, err)
	}

	_, err = h.Report(t.Context(), latchkey.NewApplicationID(h.now()), a.ID, connector.Health{Status: latchkey.AccountError}, latchkey.CauseConnection)
	if !errs.Is(err, errs.CodeNotFound) {
		t.Errorf("a foreign account: %v", err)
	}
	if err := h.Delete(t.Context(), h.app.ID, string(a.ID)); err != nil {
		t.Fatal(err)
	}
	if left, err := h.store.StatusChanges().List(t.Context(), h.app.ID, a.ID, store.Page{Limit: 9}); err != nil || len(left) != 0 {
		t.Errorf("history of a forgotten account: %d, %v", len(left), err)
	}
}
