package hosted_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
)

// oauthLike is a connector that needs an OAuth client: it shows an administrator's link, and grants
// when it is asked again.
type oauthLike struct{}

func (oauthLike) Describe() connector.Descriptor {
	return connector.Descriptor{Provider: latchkey.Google, NeedsApp: true, Scopes: []string{"mail.read"}}
}

func (oauthLike) Begin(s connector.Start) (connector.Turn, error) {
	if s.App == nil || s.App.ClientID != "client-1" {
		return connector.Turn{Failure: &connector.Failure{Code: errs.CodeProviderUnavailable}}, nil
	}
	return connector.Turn{State: []byte("{}"), Step: &connector.Step{
		Kind: connector.KindDisplay, ID: "google.admin_consent", Display: connector.DisplayCode,
		Payload: "https://idp.test/adminconsent?state=" + connector.AdminStatePlaceholder, Actions: []connector.Action{connector.ActSubmit, connector.ActSwitchMethod},
	}}, nil
}

func (oauthLike) Revoke(context.Context, connector.Credential) error { return nil }

func (oauthLike) Resume(_ []byte, in connector.Input) (connector.Turn, error) {
	if in.Action == connector.ActSwitchMethod {
		return connector.Turn{State: []byte("{}"), Work: &connector.Work{
			Name: "unused", Deadline: 5_000_000_000, Interrupt: connector.Ask, Show: connector.Step{Kind: connector.KindWait, ID: "google.wait"},
		}}, nil
	}
	return connector.Turn{State: []byte("{}"), Work: &connector.Work{
		Name: "refused", Deadline: 5_000_000_000, Interrupt: connector.Restart,
		Show: connector.Step{Kind: connector.KindWait, ID: "google.wait"},
	}}, nil
}

func (oauthLike) Do(ctx context.Context, w connector.Work, _ connector.Reporter) (connector.Turn, error) {
	if w.Name == "unused" { // a wrong account, found after the flow has moved on
		<-ctx.Done()
		return connector.Turn{
			State: []byte("{}"), Step: &connector.Step{Kind: connector.KindNotice, ID: "google.wrong_account", Actions: []connector.Action{connector.ActSubmit}},
			Unused: &connector.Grant{Identity: "late@google.test", Secret: []byte("x")},
		}, nil
	}
	return connector.Turn{Failure: &connector.Failure{Code: errs.CodeProviderUnavailable, RefusedApp: "client_secret"}}, nil
}

// oneApp knows one client of one application.
type oneApp struct {
	app     latchkey.ApplicationID
	client  connector.App
	flagged chan string
}

func (o *oneApp) For(_ context.Context, app latchkey.ApplicationID, p latchkey.Provider, _ string) (*connector.App, error) {
	if app != o.app || p != latchkey.Google {
		return nil, errs.NotFoundf("provider app")
	}
	c := o.client
	return &c, nil
}

func (o *oneApp) Flag(_ context.Context, _ latchkey.ApplicationID, _, code string) error {
	o.flagged <- code
	return nil
}

func TestOAuthClients(t *testing.T) {
	apps := &oneApp{client: connector.App{ID: "pap_1", ClientID: "client-1"}, flagged: make(chan string, 1)}
	r := newRig(t, options{apps: apps})
	google := func(s *hosted.LinkSpec) { s.Terms.Providers = []string{"GOOGLE", "MOCK"} }
	if v := r.browser(r.link(google).Token).view(); !slices.Equal(v.Choices, []latchkey.Provider{latchkey.Mock}) {
		t.Fatalf("without a client: %v", v.Choices)
	}
	apps.app = r.app.ID
	apps.client.ClientID = ""
	if v := r.browser(r.link(google).Token).view(); !slices.Equal(v.Choices, []latchkey.Provider{latchkey.Mock}) {
		t.Fatalf("with a service account only: %v", v.Choices)
	}
	apps.client.ClientID = "client-1"

	l := r.link(func(s *hosted.LinkSpec) { s.Terms.Providers = []string{"GOOGLE"} })
	b := r.browser(l.Token)
	b.view()
	v := b.do(connector.ActStart)
	_, state, ok := strings.Cut(v.Step.Payload, "state=")
	if v.Step.ID != "google.admin_consent" || !ok || !strings.HasPrefix(state, "adm.") || v.Step.Poll == 0 {
		t.Fatalf("the administrator's link: %+v", v.Step)
	}
	nobody := func(string) string { return "" }
	yes := map[string]string{"admin_consent": "True", "tenant": "t"}
	for name, c := range map[string]struct {
		state  string
		values map[string]string
	}{
		"forged":   {"adm." + string(v.FlowID) + ".x", yes},
		"declined": {state, map[string]string{"error": "access_denied", "admin_consent": "True"}},
		"nothing":  {state, nil},
		"no flow":  {"adm.flw_none.x", yes},
	} {
		back, err := r.engine.Return(context.Background(), c.state, c.values, nobody)
		if err != nil || back.Admin != hosted.AdminRefused || back.Token != "" {
			t.Errorf("%s: %+v, %v", name, back, err)
		}
	}
	if b.view().Step.ID != "google.admin_consent" {
		t.Fatal("the flow moved")
	}
	back, err := r.engine.Return(context.Background(), state, yes, nobody)
	if err != nil || back.Admin != hosted.AdminConsented || back.Token != "" {
		t.Fatalf("consent: %+v, %v", back, err)
	}
	b.awaitStatus(latchkey.FlowFailed)
	if code := <-apps.flagged; code != "client_secret" {
		t.Errorf("flagged with %q", code)
	}
	if again, err := r.engine.Return(context.Background(), state, yes, nobody); err != nil || again.Admin != hosted.AdminRefused {
		t.Errorf("replayed: %+v, %v", again, err)
	}
}

// TestLateUnusedGrantIsRevoked cancels a flow while its Work finds that somebody else signed in: the
// grant that nobody uses is withdrawn all the same.
func TestLateUnusedGrantIsRevoked(t *testing.T) {
	apps := &oneApp{client: connector.App{ID: "pap_1", ClientID: "client-1"}, flagged: make(chan string, 1)}
	r := newRig(t, options{apps: apps, wait: -1})
	apps.app = r.app.ID
	b := r.browser(r.link(func(s *hosted.LinkSpec) { s.Terms.Providers = []string{"GOOGLE"} }).Token)
	b.view()
	b.do(connector.ActStart)
	b.do(connector.ActSwitchMethod)
	b.do(connector.ActCancel)
	await(t, "the late grant to be revoked", func() bool { return slices.Contains(r.revocations(), "late@google.test") })
}
