package hosted_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
	"latchkey/internal/store"
)

// breakIt makes the account ask for its end user.
func (r *rig) breakIt(id latchkey.AccountID, st latchkey.AccountStatus, why latchkey.Reason) {
	r.t.Helper()
	ctx := context.Background()
	acc, err := r.store.Accounts().Get(ctx, r.app.ID, string(id))
	if err != nil {
		r.t.Fatal(err)
	}
	acc.Status, acc.Reason = st, why
	if err := r.store.Accounts().Update(ctx, acc); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) reconnectURL(account string, expires time.Duration) hosted.CreatedReconnectURL {
	r.t.Helper()
	u, err := r.engine.CreateReconnectURL(context.Background(), r.app, hosted.ReconnectURLSpec{
		Account: account, ExpiresAt: r.clock.now().Add(expires), Name: "user 7",
		Terms: latchkey.LinkTerms{NotifyURL: "https://app.example/n", SuccessURL: "https://app.example/done", Locale: "de"},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return u
}

func TestReconnectURL(t *testing.T) {
	r := newRig(t, options{})
	ctx := context.Background()
	first := r.browser(r.link(func(s *hosted.LinkSpec) { s.Terms.ExternalID = "crm-7" }).Token).login("anna")
	id := first.Result.AccountID
	u := r.reconnectURL("crm-7", 30*24*time.Hour)
	see := func(token string) (hosted.Reconnecting, error) { return r.engine.Reconnecting(ctx, token) }

	if v, err := see(u.Token); err != nil || v.Mendable() || v.Shown != "anna@mock.test" || v.Locale != "de" || v.Application.ID != r.app.ID {
		t.Errorf("%+v, %v", v, err)
	}
	if made, err := r.engine.Reconnect(ctx, u.Token, ""); err != nil || made.Token != "" {
		t.Errorf("an account that works got a link: %v", err)
	}
	r.breakIt(id, latchkey.AccountConnecting, latchkey.ReasonHostUnreachable)
	if v, err := see(u.Token); err != nil || v.Mendable() {
		t.Errorf("an outage can be mended: %+v, %v", v, err)
	}
	r.breakIt(id, latchkey.AccountCredentials, latchkey.ReasonPasswordChanged)
	before, err := r.engine.Links(ctx, r.app.ID, store.LinkFilter{}, store.Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // as a mail scanner does
		if v, err := see(u.Token); err != nil || !v.Mendable() || v.Reason != latchkey.ReasonPasswordChanged {
			t.Errorf("%+v, %v", v, err)
		}
	}
	if after, err := r.engine.Links(ctx, r.app.ID, store.LinkFilter{}, store.Page{Limit: 100}); err != nil || len(after) != len(before) {
		t.Errorf("looking made %d links, %v", len(after)-len(before), err)
	}

	r.clock.move(20 * 24 * time.Hour) // weeks later
	made, err := r.engine.Reconnect(ctx, u.Token, "192.0.2.1")
	if err != nil || made.Link.Type != latchkey.LinkReconnect || made.Link.Name != "user 7" || made.Link.Terms.ReconnectAccount != id ||
		made.Link.ExpiresAt.Sub(r.clock.now()) > time.Hour {
		t.Fatalf("%+v, %v", made.Link, err)
	}
	b := r.browser(made.Token)
	if v := b.view(); v.Reason != latchkey.ReasonPasswordChanged {
		t.Errorf("the link's first page says %q", v.Reason)
	}
	b.do(connector.ActStart)
	if v := b.do(connector.ActSubmit, "password", "new"); v.Result == nil || v.Result.AccountID != id || v.Result.State != "existing" {
		t.Errorf("it ends with %+v, step %+v", v.Result, v.Step)
	}
	kinds := r.heard.kinds()
	if kinds[len(kinds)-1] != hosted.NoticeReconnected {
		t.Errorf("notices: %v", kinds)
	}
	if v, err := see(u.Token); err != nil || v.Status != latchkey.AccountOK {
		t.Errorf("afterwards: %+v, %v", v, err)
	}
	list, err := r.store.StatusChanges().List(ctx, r.app.ID, id, store.Page{Limit: 5})
	if err != nil || len(list) != 2 || list[0].Cause != latchkey.CauseWizard || list[0].FromReason != latchkey.ReasonPasswordChanged || list[1].From != "" {
		t.Errorf("history: %+v, %v", list, err)
	}

	r.clock.move(11 * 24 * time.Hour)
	if _, err := see(u.Token); !errs.Is(err, errs.CodeLinkExpired) {
		t.Errorf("expired: %v", err)
	}
	if _, err := r.engine.Reconnect(ctx, u.Token, ""); !errs.Is(err, errs.CodeLinkExpired) {
		t.Errorf("expired: %v", err)
	}
}

func TestReconnectURLIsLimitedAndRevoked(t *testing.T) {
	r := newRig(t, options{})
	ctx := context.Background()
	id := r.browser(r.link().Token).login("anna").Result.AccountID
	r.breakIt(id, latchkey.AccountCredentials, latchkey.ReasonPasswordChanged)
	u, other := r.reconnectURL(string(id), time.Hour), r.reconnectURL(string(id), time.Hour)
	good := 0
	var err error
	for range 20 {
		if _, err = r.engine.Reconnect(ctx, u.Token, ""); err == nil {
			good++
		}
	}
	if !errs.Is(err, errs.CodeTooManyTries) || good < 12 || good > 13 {
		t.Errorf("%d links, then %v", good, err)
	}
	if _, err := r.engine.Reconnect(ctx, other.Token, ""); err != nil {
		t.Errorf("the other URL: %v", err)
	}
	if err := r.engine.RevokeReconnectURLs(ctx, latchkey.NewApplicationID(r.clock.now()), string(id)); !errs.Is(err, errs.CodeNotFound) {
		t.Errorf("revoked by a stranger: %v", err)
	}
	if err := r.engine.RevokeReconnectURLs(ctx, r.app.ID, string(id)); err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{u.Token, other.Token, "", "nobody", strings.Repeat("x", 300)} {
		if _, err := r.engine.Reconnecting(ctx, token); !errs.Is(err, errs.CodeNotFound) {
			t.Errorf("%.10s: %v", token, err)
		}
		if _, err := r.engine.Reconnect(ctx, token, ""); !errs.Is(err, errs.CodeNotFound) {
			t.Errorf("%.10s: %v", token, err)
		}
	}
	if _, err := r.engine.CreateReconnectURL(ctx, r.app, hosted.ReconnectURLSpec{Account: "acc_none", ExpiresAt: r.clock.now().Add(time.Hour)}); !errs.Is(err, errs.CodeNotFound) {
		t.Errorf("of no account: %v", err)
	}
}
