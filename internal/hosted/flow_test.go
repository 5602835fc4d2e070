package hosted_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
)

func hooksClient() *http.Client { return &http.Client{Timeout: time.Second} }

func TestJourneyToItsEnd(t *testing.T) {
	r := newRig(t, options{})
	l := r.link()
	b := r.browser(l.Token)
	v := b.view()
	if v.Status != latchkey.FlowCreated || v.Version != 0 || v.Step.ID != hosted.StepStart || !v.Step.Offers(connector.ActStart) {
		t.Fatalf("before start: %+v", v.Step)
	}
	v = b.do(connector.ActStart)
	if !v.Bound || v.Step.ID != "mock.login" || !v.Step.Offers(connector.ActCancel) || v.Step.Offers(connector.ActBack) {
		t.Fatalf("after start: bound %v, %+v", v.Bound, v.Step)
	}
	v = b.do(connector.ActSubmit, "username", "anna", "password", "x")
	if v.Status != latchkey.FlowCompleted || v.Result == nil || v.Result.State != "new" {
		t.Fatalf("at the end: %s, %+v", v.Status, v.Result)
	}
	want := "https://app.example/ok?x=1&account_id=" + string(v.Result.AccountID) + "&link_id=" + string(l.Link.ID) + "#f"
	if v.Result.RedirectURL != want {
		t.Errorf("redirect = %s, want %s", v.Result.RedirectURL, want)
	}
	link, events := r.linkNow(l.Link.ID)
	if link.Status != latchkey.LinkCompleted || link.AccountID != v.Result.AccountID {
		t.Errorf("link = %s, %s", link.Status, link.AccountID)
	}
	wantEvents := []latchkey.EventType{
		latchkey.EventLinkStarted, latchkey.EventFlowStep, latchkey.EventFlowStep,
		latchkey.EventAccountConnected, latchkey.EventLinkCompleted,
	}
	if diff := cmp.Diff(wantEvents, types(events)); diff != "" {
		t.Errorf("events (-want +have):\n%s", diff)
	}
	if diff := cmp.Diff([]hosted.NoticeKind{hosted.NoticeCreated}, r.heard.kinds()); diff != "" {
		t.Errorf("notices (-want +have):\n%s", diff)
	}
	acc := r.accounts()[0]
	if acc.Identity != "anna@mock.test" || acc.Status != latchkey.AccountOK || string(acc.Secret) != "mock-secret-of-anna" || !acc.Test {
		t.Errorf("account = %+v", acc)
	}
	other := r.browser(l.Token).view()
	if other.Step.ID != hosted.StepUsed || other.Bound || other.Result != nil {
		t.Errorf("another browser sees %+v, %+v", other.Step, other.Result)
	}
	if again := b.view(); again.Result == nil {
		t.Error("its own browser sees the end no more")
	}
}

func TestBindingAndTakeOver(t *testing.T) {
	r := newRig(t, options{})
	l := r.link()
	one, two := r.browser(l.Token), r.browser(l.Token)
	two.view()
	one.login("2fa")
	v := two.view()
	if v.Step.ID != hosted.StepBound || v.Bound || v.Version != 0 || len(v.Step.Fields) > 0 || !slices.Equal(v.Step.Actions, []connector.Action{connector.ActTakeOver}) {
		t.Fatalf("the other browser sees %+v (version %d)", v.Step, v.Version)
	}
	if _, err := two.tryAt(one.last.Version, connector.ActSubmit, "code", "123456"); !errs.Is(err, errs.CodeLinkBound) {
		t.Fatalf("answering without the cookie: %v", err)
	}
	v = two.do(connector.ActTakeOver)
	if !v.Bound || v.Step.ID != "mock.login" || v.Step.Fields[0].Value != "" {
		t.Fatalf("after take-over: %+v", v.Step)
	}
	if v := one.view(); v.Status != latchkey.FlowTakenOver || v.Bound || v.Version != 0 {
		t.Errorf("the first browser sees %s %+v", v.Status, v.Step)
	}
	if _, err := one.tryAt(3, connector.ActSubmit, "code", "123456"); !errs.Is(err, errs.CodeLinkBound) {
		t.Errorf("the old cookie still answers: %v", err)
	}
	if v := two.do(connector.ActSubmit, "username", "anna", "password", "x"); v.Status != latchkey.FlowCompleted {
		t.Errorf("after take-over: %s", v.Status)
	}
	_, events := r.linkNow(l.Link.ID)
	if !slices.Contains(types(events), latchkey.EventLinkTakenOver) {
		t.Errorf("the take-over is not told: %v", types(events))
	}
}

func TestStaleAndDoubledAnswers(t *testing.T) {
	r := newRig(t, options{})
	b := r.browser(r.link().Token)
	b.view()
	b.do(connector.ActStart)
	if v := b.do(connector.ActStart); v.Version != 1 {
		t.Errorf("a doubled start moved on to version %d", v.Version)
	}
	v1 := b.last.Version
	b.do(connector.ActSubmit, "username", "2fa", "password", "x")
	v, err := b.tryAt(v1, connector.ActSubmit, "username", "anna", "password", "x")
	if !errs.Is(err, errs.CodeStaleVersion) || v.Step.ID != "mock.code" {
		t.Fatalf("a stale answer: %v, step %s", err, v.Step.ID)
	}
	if _, err := b.try(connector.ActRefresh); !errs.Is(err, errs.CodeActionNotOffered) {
		t.Errorf("an action that is not offered: %v", err)
	}
	if _, err := b.try(connector.ActReturn); !errs.Is(err, errs.CodeActionNotOffered) {
		t.Errorf("return is not pressed: %v", err)
	}
	_, err = b.try(connector.ActSubmit, "code", "123456", "admin", "1")
	if e := errs.As(err); e.Code != errs.CodeInvalidParameters || e.Fields[0].Field != "values.admin" {
		t.Errorf("an unknown value: %v", err)
	}
	v = b.do(connector.ActSubmit)
	if len(v.Step.Errors) != 1 || v.Step.Errors[0].Code != errs.CodeRequired {
		t.Errorf("nothing typed: %+v", v.Step.Errors)
	}
}

func TestPickerAndBack(t *testing.T) {
	r := newRig(t, options{})
	l := r.link(func(s *hosted.LinkSpec) { s.Terms.Providers = []string{"*"} })
	b := r.browser(l.Token)
	if v := b.view(); !slices.Equal(v.Choices, []latchkey.Provider{latchkey.IMAP, latchkey.Mock}) {
		t.Fatalf("choices = %v", v.Choices)
	}
	v := b.do(connector.ActStart)
	if v.Step.ID != hosted.StepPicker || v.Step.Kind != connector.KindChoose || v.Step.Fields[0].Name != "provider" || len(v.Step.Options) != 2 {
		t.Fatalf("picker = %+v", v.Step)
	}
	if v := b.do(connector.ActSubmit, "provider", "GOOGLE"); v.Step.Errors[0].Code != errs.CodeInvalidValue {
		t.Errorf("a provider that is not offered: %+v", v.Step.Errors)
	}
	v = b.do(connector.ActSubmit, "provider", "MOCK")
	if v.Step.ID != "mock.login" || !v.Step.Offers(connector.ActBack) {
		t.Fatalf("after picking: %+v", v.Step)
	}
	if v := b.do(connector.ActBack); v.Step.ID != hosted.StepPicker {
		t.Fatalf("back leads to %s", v.Step.ID)
	}
	b.do(connector.ActSubmit, "provider", "MOCK")
	b.do(connector.ActSubmit, "username", "2fa", "password", "x")
	if v := b.do(connector.ActBack); v.Step.ID != "mock.login" || v.Step.Fields[0].Value != "2fa" {
		t.Errorf("the connector's own back leads to %+v", v.Step)
	}
	direct := r.browser(r.link(func(s *hosted.LinkSpec) { s.Terms.Providers = []string{"*"} }).Token)
	direct.view()
	if v := direct.do(connector.ActStart, "provider", "IMAP"); v.Provider != latchkey.IMAP || v.Step.ID != "mock.login" {
		t.Errorf("start with a provider leads to %s %s", v.Provider, v.Step.ID)
	}
}

func TestUnavailableProviders(t *testing.T) {
	r := newRig(t, options{live: true})
	for _, wish := range []string{"MOCK", "GOOGLE"} {
		l := r.link(func(s *hosted.LinkSpec) { s.Terms.Providers = []string{wish} })
		b := r.browser(l.Token)
		v := b.view()
		if v.Step.ID != hosted.StepUnavailable || v.Failure.Code != errs.CodeProviderUnavailable {
			t.Errorf("%s: %+v", wish, v.Step)
		}
		if _, err := b.try(connector.ActStart); !errs.Is(err, errs.CodeProviderUnavailable) {
			t.Errorf("%s: start: %v", wish, err)
		}
	}
	l := r.link(func(s *hosted.LinkSpec) { s.Terms.Providers = []string{"*"} })
	if v := r.browser(l.Token).view(); !slices.Equal(v.Choices, []latchkey.Provider{latchkey.IMAP}) {
		t.Errorf("a live application is offered %v", v.Choices)
	}
}

func TestFailureAndCancelFreeTheLink(t *testing.T) {
	r := newRig(t, options{})
	l := r.link()
	b := r.browser(l.Token)
	v := b.login("blocked")
	if v.Status != latchkey.FlowFailed || v.Failure.Code != errs.CodeAccountBlocked ||
		v.Failure.RedirectURL != "https://app.example/no?error=account_blocked&link_id="+string(l.Link.ID) {
		t.Fatalf("failed: %s %+v", v.Status, v.Failure)
	}
	if link, _ := r.linkNow(l.Link.ID); link.Status != latchkey.LinkFailed || link.LastFailure != "account_blocked" || link.FlowID != "" {
		t.Errorf("link = %+v", link)
	}
	other := r.browser(l.Token)
	if v := other.view(); v.Step.ID != hosted.StepStart {
		t.Errorf("a failed link shows %s to another browser", v.Step.ID)
	}
	b.do(connector.ActStart)
	v = b.do(connector.ActCancel)
	if v.Status != latchkey.FlowCanceled || !strings.Contains(v.Failure.RedirectURL, "error=canceled") {
		t.Fatalf("canceled: %s %+v", v.Status, v.Failure)
	}
	b.do(connector.ActStart)
	if v := b.do(connector.ActSubmit, "username", "anna", "password", "x"); v.Status != latchkey.FlowCompleted {
		t.Fatalf("the third try: %s", v.Status)
	}
	want := []hosted.NoticeKind{hosted.NoticeFailed, hosted.NoticeFailed, hosted.NoticeCreated}
	if diff := cmp.Diff(want, r.heard.kinds()); diff != "" {
		t.Errorf("notices (-want +have):\n%s", diff)
	}
}

func TestExpiry(t *testing.T) {
	r := newRig(t, options{})
	l, bound := r.link(), r.link()
	b := r.browser(bound.Token)
	b.login("2fa")
	r.clock.move(61 * time.Minute)
	if v := r.browser(l.Token).view(); v.Status != latchkey.FlowExpired || v.Step.ID != hosted.StepExpired {
		t.Errorf("an expired link shows %s", v.Step.ID)
	}
	if _, err := r.browser(l.Token).try(connector.ActStart); !errs.Is(err, errs.CodeLinkExpired) {
		t.Errorf("starting an expired link: %v", err)
	}
	if _, err := r.browser(bound.Token).try(connector.ActTakeOver); !errs.Is(err, errs.CodeLinkBound) && !errs.Is(err, errs.CodeLinkExpired) {
		t.Errorf("taking an expired link over: %v", err)
	}
	args := hosted.ExpireLinkArgs{ApplicationID: r.app.ID, LinkID: l.Link.ID}
	for range 2 { // a job may run twice
		if err := r.engine.ExpireDue(context.Background(), args); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.engine.ExpireDue(context.Background(), hosted.ExpireLinkArgs{ApplicationID: r.app.ID, LinkID: bound.Link.ID}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]hosted.NoticeKind{hosted.NoticeExpired}, r.heard.kinds()); diff != "" {
		t.Errorf("notices (-want +have):\n%s", diff)
	}
	// A flow that was bound in time may finish in its grace.
	if v := b.do(connector.ActSubmit, "code", "123456"); v.Status != latchkey.FlowCompleted {
		t.Errorf("in its grace: %s", v.Status)
	}
	late := r.link()
	lb := r.browser(late.Token)
	lb.login("2fa")
	r.clock.move(80 * time.Minute)
	if v := lb.view(); v.Status != latchkey.FlowExpired || v.Bound {
		t.Errorf("after its grace: %s", v.Status)
	}
	if _, err := lb.try(connector.ActSubmit, "code", "123456"); !errs.Is(err, errs.CodeLinkExpired) {
		t.Errorf("answering after the grace: %v", err)
	}
}

func TestExpireByTheApplication(t *testing.T) {
	r := newRig(t, options{})
	l := r.link()
	b := r.browser(l.Token)
	b.login("2fa")
	if _, err := r.engine.ExpireLink(context.Background(), "app_other", l.Link.ID); !errs.Is(err, errs.CodeNotFound) {
		t.Fatalf("a foreign link: %v", err)
	}
	if _, err := r.engine.ExpireLink(context.Background(), r.app.ID, l.Link.ID); err != nil {
		t.Fatal(err)
	}
	if v := b.view(); v.Status != latchkey.FlowExpired || v.Bound {
		t.Errorf("after expiry: %s", v.Status)
	}
	done := r.link()
	r.browser(done.Token).login("anna")
	if _, err := r.engine.ExpireLink(context.Background(), r.app.ID, done.Link.ID); !errs.Is(err, errs.CodeLinkUsed) {
		t.Errorf("expiring a completed link: %v", err)
	}
}

func TestWrongAccountNamesBoth(t *testing.T) {
	r := newRig(t, options{})
	pinned := r.link(func(s *hosted.LinkSpec) { s.Terms.ExpectedIdentity = "Anna@Mock.test" })
	b := r.browser(pinned.Token)
	v := b.login("wrong-account")
	if v.Step.ID != hosted.StepWrongAccount || v.Step.Args["expected"] != "Anna@Mock.test" || v.Step.Args["actual"] != "someone-else@mock.test" {
		t.Fatalf("wrong account: %+v", v.Step)
	}
	if got := r.revocations(); !slices.Equal(got, []string{"someone-else@mock.test"}) {
		t.Errorf("revoked: %v", got)
	}
	b.do(connector.ActSubmit)
	if v := b.do(connector.ActSubmit, "username", "anna", "password", "x"); v.Status != latchkey.FlowCompleted {
		t.Errorf("the right one: %s", v.Status)
	}
	if n := len(r.accounts()); n != 1 {
		t.Errorf("%d accounts", n)
	}
}

func TestExistingAccountKeepsItsID(t *testing.T) {
	r := newRig(t, options{})
	named := func(s *hosted.LinkSpec) { s.Terms.ExternalID = "crm-7" }
	first := r.browser(r.link(named).Token).login("anna")
	form := r.link(named, func(s *hosted.LinkSpec) {
		s.Dialect = latchkey.DialectForm
		s.Terms.SuccessURL = "https://a.example/?account=evil&z=%20&state=evil#top"
	})
	again := r.browser(form.Token).login("anna")
	if again.Result.AccountID != first.Result.AccountID || again.Result.State != "existing" {
		t.Fatalf("again: %+v", again.Result)
	}
	if want := "https://a.example/?z=%20&account=crm-7&state=existing#top"; again.Result.RedirectURL != want {
		t.Errorf("redirect = %s, want %s", again.Result.RedirectURL, want)
	}
	if v := r.browser(r.link(named).Token).login("bob"); v.Step.ID != hosted.StepWrongAccount {
		t.Errorf("another identity under the same name: %s", v.Step.ID)
	}
	other := r.browser(r.link(func(s *hosted.LinkSpec) { s.Terms.ExternalID = "crm-8" }).Token).login("anna")
	if other.Result.State != "new" || other.Result.AccountID == first.Result.AccountID {
		t.Errorf("the same mailbox under another name: %+v", other.Result)
	}
	rec := r.link(func(s *hosted.LinkSpec) { s.Type = latchkey.LinkReconnect; s.Reconnect = "crm-7" })
	b := r.browser(rec.Token)
	b.view()
	if v := b.do(connector.ActStart); v.Step.Fields[0].Type != connector.FieldReadonly || v.Step.Fields[0].Value != "anna@mock.test" {
		t.Errorf("reconnect asks for %+v", v.Step.Fields[0])
	}
	if v := b.do(connector.ActSubmit, "password", "new"); v.Result == nil || v.Result.AccountID != first.Result.AccountID {
		t.Errorf("reconnect ends with %+v, step %+v", v.Result, v.Step)
	}
	kinds := r.heard.kinds()
	if kinds[len(kinds)-1] != hosted.NoticeReconnected {
		t.Errorf("notices: %v", kinds)
	}
	_, err := r.engine.CreateLink(context.Background(), r.app, hosted.LinkSpec{Type: latchkey.LinkReconnect, Reconnect: "acc_none", ExpiresAt: time.Now().Add(time.Hour)})
	if !errs.Is(err, errs.CodeNotFound) {
		t.Errorf("reconnect of an unknown account: %v", err)
	}
}

func TestEveryKindOfStep(t *testing.T) {
	r := newRig(t, options{phoneOf: mockPhoneFast})
	for user, answer := range map[string][]string{
		"choose": {"choice", "c1"}, "partial": {"choice", "go_on"}, "notice": nil,
		"captcha": {"solution", "pass"}, "extension": {"proof", "p"}, "2fa": {"code", "123456"},
	} {
		b := r.browser(r.link().Token)
		b.login(user)
		if v := b.do(connector.ActSubmit, answer...); v.Status != latchkey.FlowCompleted {
			t.Errorf("%s: %s, step %s %v", user, v.Status, v.Step.ID, v.Step.Errors)
		}
	}
	for _, user := range []string{"qr", "code", "approve", "slow", "live"} {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			b := r.browser(r.link().Token)
			b.login(user)
			b.awaitStatus(latchkey.FlowCompleted)
		})
	}
}

func TestRedirectIsBoundToFlowAndBrowser(t *testing.T) {
	r := newRig(t, options{})
	l := r.link()
	b := r.browser(l.Token)
	v := b.login("redirect")
	if v.Step.Kind != connector.KindRedirect {
		t.Fatalf("step = %+v", v.Step)
	}
	_, state, _ := strings.Cut(v.Step.URL, "state=")
	ok := map[string]string{"code": "mock"}
	if _, err := r.engine.Return(context.Background(), state, ok, func(string) string { return "" }); !errs.Is(err, errs.CodeInvalidParameters) {
		t.Errorf("without the cookie: %v", err)
	}
	for _, forged := range []string{"", "x", string(v.FlowID) + ".wrong", "flw_none." + state} {
		if back, err := r.engine.Return(context.Background(), forged, ok, b.cookies); err == nil && b.view().Step.ID != "mock.redirect" {
			t.Errorf("forged state %q was taken: %+v", forged, back)
		}
	}
	back, err := r.engine.Return(context.Background(), state, ok, b.cookies)
	if err != nil || back.Token != l.Token {
		t.Fatalf("return: %+v, %v", back, err)
	}
	b.awaitStatus(latchkey.FlowCompleted)
	if back, err := r.engine.Return(context.Background(), state, ok, b.cookies); err != nil || back.Token != l.Token {
		t.Errorf("a replayed callback: %+v, %v", back, err)
	}
	if n := len(r.accounts()); n != 1 {
		t.Errorf("%d accounts after a replay", n)
	}
	denied := r.browser(r.link().Token)
	v = denied.login("redirect-denied")
	_, state, _ = strings.Cut(v.Step.URL, "state=")
	if _, err := r.engine.Return(context.Background(), state, map[string]string{"error": "access_denied"}, denied.cookies); err != nil {
		t.Fatal(err)
	}
	if v := denied.awaitStatus(latchkey.FlowFailed); v.Failure.Code != errs.CodeAccessDenied {
		t.Errorf("denied: %+v", v.Failure)
	}
}

// TestExpiredState comes back from a redirect when the link has expired: in its grace that counts, after
// it nothing does.
func TestExpiredState(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		ends  latchkey.FlowStatus
	}{{61 * time.Minute, latchkey.FlowCompleted}, {80 * time.Minute, latchkey.FlowExpired}} {
		r := newRig(t, options{})
		l := r.link()
		b := r.browser(l.Token)
		_, state, _ := strings.Cut(b.login("redirect").Step.URL, "state=")
		r.clock.move(c.after)
		back, err := r.engine.Return(t.Context(), state, map[string]string{"code": "mock"}, b.cookies)
		if err != nil || back.Token != l.Token {
			t.Errorf("after %s: %+v, %v", c.after, back, err)
		}
		if v := b.awaitStatus(c.ends); v.Status != c.ends {
			t.Errorf("after %s: %s", c.after, v.Status)
		}
		if made := len(r.accounts()) == 1; made != (c.ends == latchkey.FlowCompleted) {
			t.Errorf("after %s there are %d accounts", c.after, len(r.accounts()))
		}
	}
}

func TestOurOwnFailures(t *testing.T) {
	r := newRig(t, options{})
	for _, user := range []string{"error", "crash"} {
		b := r.browser(r.link().Token)
		if v := b.login(user); v.Status != latchkey.FlowFailed || v.Failure.Code != errs.CodeInternal || !v.Failure.Retryable {
			t.Errorf("%s: %s %+v", user, v.Status, v.Failure)
		}
	}
}

func TestLiveInputReachesTheHolder(t *testing.T) {
	fast := mockPhoneFast
	fast.Confirm = true
	r := newRig(t, options{phoneOf: fast, wait: -1})
	b := r.browser(r.link().Token)
	b.login("live")
	v := b.await("asked for the number", func(v hosted.View) bool { return v.Step.ID == "mock.confirm" })
	before := v.Version
	b.do(connector.ActSubmit, "number", "41")
	if _, err := b.tryAt(before, connector.ActSubmit, "number", "41"); !errs.Is(err, errs.CodeStaleVersion) {
		t.Errorf("a doubled answer to a live work: %v", err)
	}
	b.view()
	b.do(connector.ActSubmit, "number", "42")
	b.awaitStatus(latchkey.FlowCompleted)
}

func TestLiveSocketClosesWhenTheUserLeaves(t *testing.T) {
	r := newRig(t, options{})
	b := r.browser(r.link().Token)
	b.view()
	b.do(connector.ActStart)
	go func() {
		_, _ = b.r.engine.Answer(context.Background(), b.token, b.cookies, hosted.Answer{Version: 1, Action: connector.ActSubmit, Values: map[string]string{"username": "live-manual", "password": "x"}})
	}()
	other := &browser{r: r, token: b.token, jar: b.jar}
	other.await("a code", func(v hosted.View) bool { return v.Step.ID == "mock.live" && v.Step.Payload != "" })
	other.do(connector.ActBack)
	for deadline := time.Now().Add(5 * time.Second); r.phone.Open() > 0; {
		if time.Now().After(deadline) {
			t.Fatal("the socket stays open")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestServerChangeIsTold holds that an account whose servers were typed anew under its name is kept,
// and that the application hears of it.
func TestServerChangeIsTold(t *testing.T) {
	r := newRig(t, options{})
	named := func(s *hosted.LinkSpec) { s.Terms.ExternalID = "crm-9" }
	first := r.browser(r.link(named).Token).login("anna@typed.test")
	acc := r.accounts()[0]
	acc.Proof, acc.Params = latchkey.ProofTyped, []byte(`{"mail":{"imap_host":"old.typed.test"}}`)
	if err := r.store.Accounts().Update(t.Context(), acc); err != nil {
		t.Fatal(err)
	}
	if profile := (latchkey.Account{Provider: latchkey.LinkedIn, Identity: "1001"}); !hosted.SameHolder(profile, latchkey.LinkedIn, "1001") ||
		hosted.SameHolder(profile, latchkey.Instagram, "1001") || hosted.SameHolder(profile, latchkey.IMAP, "1001") {
		t.Error("an id of one provider is taken for another's")
	}
	if box := (latchkey.Account{Provider: latchkey.IMAP, Identity: "anna@x.test"}); !hosted.SameHolder(box, latchkey.Google, "Anna@x.test") {
		t.Error("a mailbox may come to be opened in another way")
	}
	if hosted.SameJSON(`{"a":1,"b":2}`, `{"b":2, "a":1}`) == hosted.SameJSON(`{"a":1}`, `{"a":2}`) {
		t.Error("documents are not compared by what they say")
	}
	l := r.link(named)
	again := r.browser(l.Token).login("anna@typed.test")
	if again.Result.AccountID != first.Result.AccountID {
		t.Fatalf("again: %+v", again.Result)
	}
	if _, events := r.linkNow(l.Link.ID); !slices.Contains(types(events), latchkey.EventAccountServerChanged) {
		t.Errorf("the change of servers is not told: %v", types(events))
	}
}
