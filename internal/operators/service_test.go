package operators_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/operators"
	"latchkey/internal/secret"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

// lab is a service on a database of its own, with a clock and a mailbox.
type lab struct {
	*operators.Service
	store  *sqlstore.Store
	mu     sync.Mutex
	at     time.Time
	mailed []operators.InviteMail
	mute   bool
}

func (l *lab) now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at
}

func (l *lab) advance(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = l.at.Add(d)
}

func (l *lab) CanSend() bool { return !l.mute }
func (l *lab) Wake()         {}

func (l *lab) QueueInvite(_ context.Context, _ store.Tx, m operators.InviteMail) error {
	l.mailed = append(l.mailed, m)
	return nil
}

func newLab(t *testing.T) *lab {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	l := &lab{at: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	db, err := sqlstore.OpenDatabase(t.Context(), sqlstore.Options{Path: filepath.Join(t.TempDir(), "test.db"), Now: l.now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ring, err := secret.LoadOrCreate(t.Context(), db.Keysets(), secret.NewMasterKey(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if l.store, err = sqlstore.NewStore(db, ring); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.store.Close(); err != nil {
			t.Error(err)
		}
	})
	l.Service, err = operators.New(operators.Config{Store: l.store, Mail: l, BaseURL: "https://auth.example.org", Now: l.now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// first lets the first operator in.
func (l *lab) first(t *testing.T) operators.SignedIn {
	t.Helper()
	u, err := l.First(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	in, err := l.Enter(t.Context(), token(u), "Ada@Example.org", "Ada", operators.Browser{})
	if err != nil {
		t.Fatal(err)
	}
	l.advance(time.Second) // ids sort by time
	return in
}

func token(u secret.Text) string {
	s := u.Reveal()
	return s[strings.LastIndexByte(s, '/')+1:]
}

func wantCode(t *testing.T, what string, err error, code errs.Code) {
	t.Helper()
	if !errs.Is(err, code) {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

// TestFirstOperator: many browsers and several URLs at once make one owner, and after that no URL
// makes another.
func TestFirstOperator(t *testing.T) {
	l := newLab(t)
	const n = 20
	var urls []secret.Text
	for range 4 {
		u, err := l.First(t.Context())
		if err != nil || u.IsZero() {
			t.Fatal(u, err)
		}
		urls = append(urls, u)
	}
	var in atomic.Int64
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			_, err := l.Enter(t.Context(), token(urls[i%len(urls)]), "someone"+string(rune('a'+i))+"@example.org", "", operators.Browser{})
			if err == nil {
				in.Add(1)
			} else if !errs.Is(err, errs.CodeLinkExpired) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	all, err := l.List(t.Context())
	if err != nil || in.Load() != 1 || len(all) != 1 || !all[0].Owner {
		t.Errorf("%d came in; operators: %+v (%v)", in.Load(), all, err)
	}
	if u, err := l.First(t.Context()); err != nil || !u.IsZero() {
		t.Errorf("there is another URL for a first operator: %v", err)
	}
}

func TestOneTimeURLLivesAnHour(t *testing.T) {
	l := newLab(t)
	u, err := l.First(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l.advance(time.Hour - time.Millisecond)
	if d, err := l.Look(t.Context(), token(u)); err != nil || !d.First {
		t.Errorf("just before its end: %+v %v", d, err)
	}
	l.advance(time.Millisecond)
	_, err = l.Look(t.Context(), token(u))
	wantCode(t, "look", err, errs.CodeLinkExpired)
	_, err = l.Enter(t.Context(), token(u), "ada@example.org", "", operators.Browser{})
	wantCode(t, "enter", err, errs.CodeLinkExpired)
	if all, err := l.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("operators: %v %v", all, err)
	}
	// A wrong address costs nothing: the URL still works.
	if u, err = l.First(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = l.Enter(t.Context(), token(u), "no address", strings.Repeat("x", 101), operators.Browser{})
	if e := errs.As(err); len(e.Fields) != 2 {
		t.Errorf("all that is wrong at once: %v", err)
	}
	if _, err := l.Enter(t.Context(), token(u), "ada@example.org", "", operators.Browser{}); err != nil {
		t.Error(err)
	}
}

func TestLoginEnds(t *testing.T) {
	l := newLab(t)
	in := l.first(t)
	is := func(what string, token secret.Text, want bool) {
		t.Helper()
		o, _, err := l.Authenticate(t.Context(), token.Reveal())
		if want && (err != nil || o.ID != in.Operator.ID) || !want && !errs.Is(err, errs.CodeMissingCredentials) {
			t.Errorf("%s: %v %v", what, o.ID, err)
		}
	}
	is("at first", in.Token, true)
	is("nobody's", secret.NewText("AAAA"), false)
	// Kept busy, it lasts a week and no longer.
	for end := l.now().Add(operators.LoginLife); l.now().Before(end); l.advance(11 * time.Hour) {
		is("in use", in.Token, true)
	}
	is("after its life", in.Token, false)

	again, err := l.Invite(t.Context(), operators.Invite{Email: "ada@example.org", Owner: true, Again: true})
	if err != nil {
		t.Fatal(err)
	}
	idle, err := l.Enter(t.Context(), token(again.URL), "", "", operators.Browser{})
	if err != nil {
		t.Fatal(err)
	}
	l.advance(operators.LoginIdle)
	is("idle", idle.Token, false)
	if n, err := l.Forget(t.Context(), 100); err != nil || n == 0 {
		t.Errorf("nothing is forgotten: %d %v", n, err)
	}
}

// TestSignInChangesTheCookie: a cookie that was there before is not taken over, and ends.
func TestSignInChangesTheCookie(t *testing.T) {
	l := newLab(t)
	in := l.first(t)
	again, err := l.Invite(t.Context(), operators.Invite{Email: "ADA@example.org", Owner: true, Again: true})
	if err != nil {
		t.Fatal(err)
	}
	next, err := l.Enter(t.Context(), token(again.URL), "", "", operators.Browser{Before: in.Token.Reveal()})
	if err != nil || next.Token.Equal(in.Token) || next.Operator.ID != in.Operator.ID {
		t.Fatalf("%+v %v", next, err)
	}
	_, _, err = l.Authenticate(t.Context(), in.Token.Reveal())
	wantCode(t, "the cookie before", err, errs.CodeMissingCredentials)
	planted, err := l.Enter(t.Context(), token(again.URL), "", "", operators.Browser{Before: "planted"})
	wantCode(t, "a URL twice", err, errs.CodeLinkExpired)
	if !planted.Token.IsZero() {
		t.Error("a login came of it")
	}
	if err := l.EndLogins(t.Context(), in.Operator.ID); err != nil {
		t.Fatal(err)
	}
	_, _, err = l.Authenticate(t.Context(), next.Token.Reveal())
	wantCode(t, "after ending all", err, errs.CodeMissingCredentials)
}

// TestNobodyBecomesSomebodyElse: an application's owner never gets a URL that signs in as somebody who
// may have, or get, more than they.
func TestNobodyBecomesSomebodyElse(t *testing.T) {
	l := newLab(t)
	ada := l.first(t).Operator
	app := latchkey.NewApplicationID(l.now())
	made, err := l.Invite(t.Context(), operators.Invite{Email: "bo@example.org", ApplicationID: app, Role: latchkey.RoleOwner})
	if err != nil {
		t.Fatal(err)
	}
	in, err := l.Enter(t.Context(), token(made.URL), "", "Bo", operators.Browser{})
	if err != nil {
		t.Fatal(err)
	}
	bo := in.Operator

	// Of who is in, a URL is never made, not even for an owner of the application.
	got, err := l.Invite(t.Context(), operators.Invite{Email: ada.Email, ApplicationID: app, Role: latchkey.RoleViewer, By: bo})
	if err != nil || !got.URL.IsZero() || got.Mailed {
		t.Errorf("the owner of the installation: %+v %v", got, err)
	}
	for _, i := range []operators.Invite{{Email: ada.Email, Again: true, By: bo}, {Email: "x@example.org", Owner: true, By: bo}} {
		_, err = l.Invite(t.Context(), i)
		wantCode(t, "more than they may", err, errs.CodePermission)
	}
	// Of who is new, it goes to their mailbox only.
	got, err = l.Invite(t.Context(), operators.Invite{Email: "cy@example.org", ApplicationID: app, Role: latchkey.RoleDeveloper, By: bo})
	if err != nil || !got.URL.IsZero() || !got.Mailed || len(l.mailed) != 1 || l.mailed[0].To != "cy@example.org" || l.mailed[0].Inviter != "Bo" {
		t.Errorf("somebody new: %+v %v %+v", got, err, l.mailed)
	}
	// Without mail they cannot; an owner of the installation is shown the URL.
	l.mute = true
	invite := operators.Invite{Email: "di@example.org", ApplicationID: app, Role: latchkey.RoleDeveloper, By: bo}
	_, err = l.Invite(t.Context(), invite)
	wantCode(t, "without mail", err, errs.CodeNoSender)
	invite.By = ada
	if got, err = l.Invite(t.Context(), invite); err != nil || got.URL.IsZero() || got.ExpiresAt.Sub(l.now()) != operators.URLLife {
		t.Errorf("by the owner of the installation: %+v %v", got, err)
	}
	// Nothing of the refused attempt was left behind.
	all, err := l.List(t.Context())
	if err != nil || len(all) != 4 {
		t.Errorf("operators: %+v %v", all, err)
	}
}

func TestMembers(t *testing.T) {
	l := newLab(t)
	ada := l.first(t).Operator
	app, other := latchkey.NewApplicationID(l.now()), latchkey.NewApplicationID(l.now())
	made, err := l.Invite(t.Context(), operators.Invite{Email: "Bo@example.org", ApplicationID: app, Role: latchkey.RoleViewer, Name: "Bo"})
	if err != nil {
		t.Fatal(err)
	}
	bo := made.Operator
	roles := func(o latchkey.Operator) [2]latchkey.Role {
		t.Helper()
		r, err := l.RolesOf(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return [2]latchkey.Role{r.In(app), r.In(other)}
	}
	if got := roles(ada); got != [2]latchkey.Role{latchkey.RoleOwner, latchkey.RoleOwner} {
		t.Errorf("the owner of the installation: %v", got)
	}
	if got := roles(bo); got != [2]latchkey.Role{latchkey.RoleViewer, ""} {
		t.Errorf("the viewer: %v", got)
	}
	// Who has no role there is unknown there.
	wantCode(t, "role elsewhere", l.SetRole(t.Context(), other, bo.ID, latchkey.RoleOwner), errs.CodeNotFound)
	wantCode(t, "removal elsewhere", l.RemoveMember(t.Context(), other, bo.ID), errs.CodeNotFound)
	wantCode(t, "no such role", l.SetRole(t.Context(), app, bo.ID, "god"), errs.CodeInvalidParameters)
	if err := l.SetRole(t.Context(), app, bo.ID, latchkey.RoleDeveloper); err != nil {
		t.Fatal(err)
	}
	emails, err := l.EmailsOf(t.Context(), l.store, app)
	if err != nil || strings.Join(emails, " ") != "ada@example.org bo@example.org" {
		t.Errorf("the application's people: %v %v", emails, err)
	}
	if emails, err = l.EmailsOf(t.Context(), l.store, other); err != nil || strings.Join(emails, " ") != "ada@example.org" {
		t.Errorf("the other's: %v %v", emails, err)
	}
	// Removed before ever coming in, nothing is left of them, and their URL opens nothing.
	if err := l.RemoveMember(t.Context(), app, bo.ID); err != nil {
		t.Fatal(err)
	}
	_, err = l.Enter(t.Context(), token(made.URL), "", "", operators.Browser{})
	wantCode(t, "the URL of who was removed", err, errs.CodeLinkExpired)
	_, err = l.Remove(t.Context(), "ada@example.org")
	wantCode(t, "the last owner", err, errs.CodeConflict)
}

func TestSenderIsNobodysLogin(t *testing.T) {
	l := newLab(t)
	l.first(t)
	app := latchkey.NewApplicationID(l.now())
	err := l.store.Senders().Create(t.Context(), latchkey.Sender{ID: latchkey.NewSenderID(l.now()), ApplicationID: app, Email: "Login@acme.example", Address: "login@acme.example"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Invite(t.Context(), operators.Invite{Email: "LOGIN@acme.example", ApplicationID: app, Role: latchkey.RoleViewer})
	if e := errs.As(err); len(e.Fields) != 1 || e.Fields[0].Field != "email" || e.Fields[0].Code != errs.CodeReserved {
		t.Errorf("the sender's address: %v", err)
	}
	// No other application is locked out by it.
	if _, err := l.Invite(t.Context(), operators.Invite{Email: "login@acme.example", ApplicationID: latchkey.NewApplicationID(l.now()), Role: latchkey.RoleViewer}); err != nil {
		t.Errorf("in another application: %v", err)
	}
}

// TestPasskeyAnswersCountOnce: what was begun is for one answer, of the operator who began it.
func TestPasskeyAnswersCountOnce(t *testing.T) {
	l := newLab(t)
	ada := l.first(t).Operator
	q, err := l.BeginPasskey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err = l.Passkey(t.Context(), q.Token.Reveal(), []byte(`{}`), operators.Browser{})
		wantCode(t, "rubbish", err, errs.CodeCredentialRejected)
	}
	if q, err = l.BeginRegister(t.Context(), ada); err != nil {
		t.Fatal(err)
	}
	_, err = l.Register(t.Context(), latchkey.Operator{ID: "opr_other"}, q.Token.Reveal(), "", []byte(`{}`))
	wantCode(t, "another operator's", err, errs.CodeCredentialRejected)
	_, err = l.Register(t.Context(), ada, q.Token.Reveal(), "", []byte(`{}`))
	wantCode(t, "used up", err, errs.CodeCredentialRejected)
	if q, err = l.BeginPasskey(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.advance(5 * time.Minute)
	_, err = l.Passkey(t.Context(), q.Token.Reveal(), []byte(`{}`), operators.Browser{})
	wantCode(t, "too late", err, errs.CodeCredentialRejected)
}
