package hosted_test

import (
	"context"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
	"latchkey/internal/pgtest"
	"latchkey/internal/store"
)

// caller is an application that shows the steps itself.
type caller struct {
	t *testing.T
	r *rig
}

func (c caller) connect(user string, edit func(*hosted.DirectSpec)) (hosted.DirectResult, error) {
	d := hosted.DirectSpec{Provider: latchkey.Mock, Values: map[string]string{"username": user, "password": "x"}}
	if edit != nil {
		edit(&d)
	}
	return c.r.engine.Connect(context.Background(), c.r.app, d)
}

func (c caller) open(user string, edit func(*hosted.DirectSpec)) hosted.Checkpoint {
	c.t.Helper()
	res, err := c.connect(user, edit)
	if err != nil || res.Checkpoint == nil {
		c.t.Fatalf("connect %s: %+v, %v", user, res, err)
	}
	return *res.Checkpoint
}

func (c caller) answer(a hosted.CheckpointAnswer) (hosted.DirectResult, error) {
	return c.r.engine.AnswerCheckpoint(context.Background(), c.r.app, a)
}

// poll asks until the account is there.
func (c caller) poll(id latchkey.AccountID) hosted.DirectResult {
	c.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		res, err := c.answer(hosted.CheckpointAnswer{Account: string(id)})
		if err != nil {
			c.t.Fatal(err)
		}
		if res.Checkpoint == nil {
			return res
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.t.Fatal("never connected")
	return hosted.DirectResult{}
}

func TestCheckpointAsksForACode(t *testing.T) {
	for engine, o := range map[string]options{"sqlite": {}, "postgres": {url: "pg"}} {
		t.Run(engine, func(t *testing.T) {
			if o.url != "" {
				o.url = pgtest.URL(t)
			}
			c := caller{t, newRig(t, o)}
			cp := c.open("2fa", func(d *hosted.DirectSpec) { d.ExternalID = "crm-7" })
			if cp.Step.ID != "mock.code" || cp.Busy || cp.AccountID == "" || cp.Provider != latchkey.Mock {
				t.Fatalf("checkpoint: %+v", cp)
			}
			if links, err := c.r.engine.Links(context.Background(), c.r.app.ID, store.LinkFilter{}, store.Page{Limit: 10}); err != nil || len(links) != 0 {
				t.Errorf("the list shows what no page can open: %d, %v", len(links), err)
			}
			wrong, err := c.answer(hosted.CheckpointAnswer{Account: string(cp.AccountID), Action: connector.ActSubmit, Code: "999999"})
			if err != nil || wrong.Checkpoint == nil || len(wrong.Checkpoint.Step.Errors) != 1 || wrong.Checkpoint.Step.Errors[0].Code != errs.CodeWrongCode {
				t.Fatalf("wrong code: %+v, %v", wrong, err)
			}
			if _, err := c.answer(hosted.CheckpointAnswer{Flow: cp.FlowID, Version: cp.Version, Action: connector.ActSubmit, Code: "123456"}); !errs.Is(err, errs.CodeStaleVersion) {
				t.Errorf("an answer to the step before: %v", err)
			}
			if _, err := c.answer(hosted.CheckpointAnswer{Flow: cp.FlowID, Action: connector.ActResend}); !errs.Is(err, errs.CodeTooEarly) {
				t.Errorf("resend at once: %v", err)
			}
			res, err := c.answer(hosted.CheckpointAnswer{Account: string(cp.AccountID), Action: connector.ActSubmit, Values: map[string]string{"code": "123456"}})
			if err != nil || res.Account.ID != cp.AccountID || res.State != "new" || res.Account.ExternalID != "crm-7" {
				t.Fatalf("connected: %+v, %v", res, err)
			}
			if again := c.poll("crm-7"); again.Account.ID != cp.AccountID {
				t.Errorf("asked again: %+v", again)
			}
		})
	}
}

func TestCheckpointIsPolledUntilThePhoneHasScanned(t *testing.T) {
	c := caller{t, newRig(t, options{})}
	cp := c.open("qr", nil)
	if cp.Step.Kind != connector.KindDisplay || cp.Step.Payload == "" || !cp.Busy || cp.Step.Poll == 0 {
		t.Fatalf("checkpoint: %+v", cp)
	}
	first := c.poll(cp.AccountID)
	if first.Account.ID != cp.AccountID || first.State != "new" {
		t.Fatalf("connected: %+v", first)
	}
	mend := c.open("", func(d *hosted.DirectSpec) { d.Reconnect = string(first.Account.ID); d.Values["username"] = "qr" })
	if mend.AccountID != first.Account.ID || mend.FlowID == cp.FlowID {
		t.Fatalf("reconnect: %+v", mend)
	}
	if res := c.poll(mend.AccountID); !res.Reconnected || res.Account.ID != first.Account.ID {
		t.Errorf("reconnected: %+v", res)
	}
}

func TestCheckpointOfALiveWork(t *testing.T) {
	c := caller{t, newRig(t, options{})}
	cp := c.open("live", nil)
	if cp.Step.Kind != connector.KindDisplay || cp.Step.Payload == "" {
		t.Fatalf("the first answer must have the code: %+v", cp)
	}
	if res := c.poll(cp.AccountID); res.Account.ID != cp.AccountID {
		t.Errorf("connected: %+v", res)
	}
}

func TestCheckpointsOfOthersAreUnknown(t *testing.T) {
	c := caller{t, newRig(t, options{})}
	cp := c.open("2fa", nil)
	other := c.r.app
	other.ID = latchkey.NewApplicationID(time.Now())
	for name, a := range map[string]hosted.CheckpointAnswer{
		"by account":  {Account: string(cp.AccountID)},
		"by flow":     {Flow: cp.FlowID},
		"both differ": {Flow: cp.FlowID, Account: "acc_other"},
	} {
		app := other
		if name == "both differ" {
			app = c.r.app
		}
		if _, err := c.r.engine.AnswerCheckpoint(context.Background(), app, a); !errs.Is(err, errs.CodeNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A flow of a browser is no checkpoint.
	v := c.r.browser(c.r.link().Token).do(connector.ActStart)
	if _, err := c.answer(hosted.CheckpointAnswer{Flow: v.FlowID}); !errs.Is(err, errs.CodeNotFound) {
		t.Errorf("a browser's flow: %v", err)
	}
}

func TestCheckpointEndsBadly(t *testing.T) {
	c := caller{t, newRig(t, options{})}
	cp := c.open("2fa", nil)
	var err error
	for range 3 {
		_, err = c.answer(hosted.CheckpointAnswer{Flow: cp.FlowID, Action: connector.ActSubmit, Code: "999999"})
	}
	if !errs.Is(err, errs.CodeTooManyTries) {
		t.Errorf("three wrong codes: %v", err)
	}
	gone := c.open("2fa", nil)
	if _, err := c.answer(hosted.CheckpointAnswer{Flow: gone.FlowID, Action: connector.ActCancel}); !errs.Is(err, errs.CodeCanceled) {
		t.Errorf("canceled: %v", err)
	}
	late := c.open("2fa", nil)
	c.r.clock.move(time.Hour)
	if _, err := c.answer(hosted.CheckpointAnswer{Flow: late.FlowID}); !errs.Is(err, errs.CodeCodeExpired) {
		t.Errorf("too late: %v", err)
	}
	wrong := c.open("qr", func(d *hosted.DirectSpec) { d.ExpectedIdentity = "anna@mock.test" })
	deadline := time.Now().Add(10 * time.Second)
	for err = nil; err == nil && time.Now().Before(deadline); {
		_, err = c.answer(hosted.CheckpointAnswer{Flow: wrong.FlowID})
	}
	if !errs.Is(err, errs.CodeWrongAccount) {
		t.Errorf("another account: %v", err)
	}
}
