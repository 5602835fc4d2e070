package api_test

import (
	"strings"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/errs"
)

func TestHistory(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	a := h.mailbox(t)
	for i, c := range []latchkey.StatusChange{
		{To: latchkey.AccountOK, Cause: latchkey.CauseWizard},
		{From: latchkey.AccountOK, To: latchkey.AccountCredentials, ToReason: latchkey.ReasonPasswordChanged, Cause: latchkey.CauseCheck},
		{From: latchkey.AccountCredentials, FromReason: latchkey.ReasonPasswordChanged, To: latchkey.AccountOK, Cause: latchkey.CauseAPI},
	} {
		c.At = h.now().Add(time.Duration(i) * time.Minute)
		c.ID, c.ApplicationID, c.AccountID = latchkey.NewStatusChangeID(c.At), a.ApplicationID, a.ID
		if err := h.store.StatusChanges().Add(t.Context(), c, latchkey.HistoryKept); err != nil {
			t.Fatal(err)
		}
	}
	r := h.as(h.app, "GET", "/v1/accounts/box/history?limit=2", "")
	items, _ := r.body["items"].([]any)
	if r.status != 200 || r.str("object") != "StatusChangeList" || len(items) != 2 {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	broke, _ := items[1].(map[string]any)
	to, _ := broke["to"].(map[string]any)
	if broke["action"] != "reconnect" || broke["cause"] != "check" || to["status"] != "CREDENTIALS" || to["reason"] != "password_changed" {
		t.Errorf("%s", r.raw)
	}
	next := h.as(h.app, "GET", "/v1/accounts/"+string(a.ID)+"/history?cursor="+r.str("cursor"), "")
	if next.status != 200 || !strings.Contains(string(next.raw), `"from":null`) || next.body["cursor"] != nil {
		t.Errorf("%d %s", next.status, next.raw)
	}
	wantProblem(t, h.as(h.other, "GET", "/v1/accounts/"+string(a.ID)+"/history", ""), 404, errs.CodeNotFound)
	wantProblem(t, h.as(h.app, "GET", "/v1/accounts/box/history?cursor=nonsense", ""), 400, errs.CodeInvalidParameters)
}
