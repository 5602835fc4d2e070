package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/errs"
)

// asked is what a test reads of a checkpoint.
type asked struct {
	Object       string `json:"object"`
	CheckpointID string `json:"checkpoint_id"`
	AccountID    string `json:"account_id"`
	State        string `json:"state"`
	Checkpoint   struct {
		Kind    string   `json:"kind"`
		ID      string   `json:"id"`
		Type    string   `json:"type"`
		QRCode  string   `json:"qrcode"`
		Payload string   `json:"payload"`
		PollMS  int      `json:"poll_ms"`
		Actions []string `json:"actions"`
		Errors  []struct {
			Field string `json:"field"`
			Code  string `json:"code"`
		} `json:"errors"`
	} `json:"checkpoint"`
}

func readAsked(t *testing.T, body string) asked {
	t.Helper()
	var a asked
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return a
}

func TestCheckpointOverHTTP(t *testing.T) {
	h := newHouse(t, nil)
	r := h.as(h.trial, "POST", "/v1/accounts", `{"provider":"MOCK","username":"2fa","password":"`+canary+`","account_id":"crm-1"}`)
	cp := readAsked(t, string(r.raw))
	if r.status != 202 || cp.Object != "Checkpoint" || cp.Checkpoint.Kind != "form" || cp.Checkpoint.ID != "mock.code" || cp.AccountID == "" {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	ref := `"account_id":"` + cp.AccountID + `"`
	wantProblem(t, h.as(h.trial, "POST", "/v1/accounts/checkpoint/resend", `{`+ref+`}`), 425, errs.CodeTooEarly)
	wantProblem(t, h.as(h.other, "POST", "/v1/accounts/checkpoint", `{`+ref+`,"code":"123456"}`), 404, errs.CodeNotFound)
	wantProblem(t, h.as(h.trial, "POST", "/v1/accounts/checkpoint", `{`+ref+`,"action":"refresh"}`), 409, errs.CodeActionNotOffered)
	r = h.as(h.trial, "POST", "/v1/accounts/checkpoint", `{`+ref+`,"action":"take_over","code":"1","values":{"code":"2"},"nope":1}`)
	if diff := cmp.Diff([]string{"action: invalid_value", "code: unsupported", "nope: unknown_field"}, r.codes()); diff != "" {
		t.Error(diff)
	}
	r = h.as(h.trial, "POST", "/v1/accounts/checkpoint", `{`+ref+`,"code":"999999"}`)
	if cp := readAsked(t, string(r.raw)); r.status != 202 || len(cp.Checkpoint.Errors) != 1 || cp.Checkpoint.Errors[0].Code != "wrong_code" {
		t.Errorf("%d %s", r.status, r.raw)
	}
	r = h.as(h.trial, "POST", "/api/v1/accounts/checkpoint", `{"provider":"MOCK",`+ref+`,"code":"888888"}`)
	if r.status != 401 || r.str("type") != "errors/invalid_checkpoint_solution" {
		t.Errorf("%d %s", r.status, r.raw)
	}
	r = h.as(h.trial, "POST", "/v1/accounts/checkpoint", `{"checkpoint_id":"`+cp.CheckpointID+`","values":{"code":"123456"}}`)
	if got := readAsked(t, string(r.raw)); r.status != 201 || got.Object != "AccountCreated" || got.AccountID != cp.AccountID || got.State != "new" {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	if r = h.as(h.trial, "GET", "/v1/accounts/crm-1", ""); r.str("id") != cp.AccountID {
		t.Errorf("%s", r.raw)
	}
	if r = h.as(h.trial, "GET", "/v1/links", ""); len(r.body["items"].([]any)) != 0 { //nolint:forcetypeassert // a list has items
		t.Errorf("the list of links shows it: %s", r.raw)
	}
	if strings.Contains(h.logs.String(), canary) {
		t.Error("the password is in the log")
	}
}

func TestCheckpointAsClientLibrariesKnowIt(t *testing.T) {
	h := newHouse(t, nil)
	r := h.as(h.trial, "POST", "/api/v1/accounts", `{"provider":"MOCK","username":"qr","password":"x"}`)
	cp := readAsked(t, string(r.raw))
	if r.status != 202 || cp.Checkpoint.Type != "QRCODE" || cp.Checkpoint.QRCode == "" || cp.Checkpoint.QRCode != cp.Checkpoint.Payload || cp.Checkpoint.PollMS == 0 {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	r = h.as(h.trial, "POST", "/api/v1/accounts/checkpoint", `{"provider":"MOCK","account_id":"`+cp.AccountID+`","code":"TRY_ANOTHER_WAY"}`)
	if other := readAsked(t, string(r.raw)); r.status != 202 || other.Checkpoint.ID != "mock.pairing" {
		t.Errorf("%d %s", r.status, r.raw)
	}
}
