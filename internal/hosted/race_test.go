package hosted_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
	"latchkey/internal/store"
)

// TestEndingAFlowThatMoves expires and takes over links whose flows are being answered without a
// pause: neither may lose to the answers.
func TestEndingAFlowThatMoves(t *testing.T) {
	r := newRig(t, options{url: pgURL(t)})
	for i := range 40 {
		l := r.link()
		b := r.browser(l.Token)
		b.view()
		version := b.do(connector.ActStart).Version
		cookies := b.cookies
		begun, ended := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			for n := 0; ; n++ {
				v, _ := r.engine.Answer(context.Background(), l.Token, cookies, hosted.Answer{
					Version: version, Action: connector.ActSubmit, Values: map[string]string{"username": "", "password": ""},
				})
				if n == 2 {
					close(begun)
				}
				if version = v.Version; version == 0 { // ended from outside
					return
				}
			}
		}()
		<-begun
		if i%2 == 0 {
			if _, err := r.engine.ExpireLink(t.Context(), r.app.ID, l.Link.ID); err != nil {
				t.Errorf("expire: %v", err)
			}
		} else {
			other := r.browser(l.Token)
			other.view()
			if _, err := other.try(connector.ActTakeOver); err != nil {
				t.Errorf("take over: %v", err)
			}
		}
		if t.Failed() {
			if _, err := r.engine.ExpireLink(context.Background(), r.app.ID, l.Link.ID); err != nil {
				t.Fatal(err)
			}
		}
		<-ended
	}
}

// forgetful commits the first account, and then loses the connection before it can say so.
type forgetful struct {
	store.Store
	once sync.Once
}

func (f *forgetful) InTx(ctx context.Context, fn func(ctx context.Context, tx store.Tx) error) error {
	made := false
	err := f.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		return fn(ctx, seenTx{tx, &made})
	})
	if err == nil && made {
		f.once.Do(func() { err = errors.New("the connection broke at COMMIT") })
	}
	return err
}

type seenTx struct {
	store.Tx
	made *bool
}

func (s seenTx) Accounts() store.Accounts { return seenAccounts{s.Tx.Accounts(), s.made} }

type seenAccounts struct {
	store.Accounts
	made *bool
}

func (s seenAccounts) Create(ctx context.Context, a latchkey.Account) error {
	*s.made = true
	return s.Accounts.Create(ctx, a)
}

// TestGrantWhoseCommitWasNotHeardOf keeps what may have been written down: withdrawing it would
// leave an account with a credential that is no more.
func TestGrantWhoseCommitWasNotHeardOf(t *testing.T) {
	r := newRig(t, options{wrap: func(s store.Store) store.Store { return &forgetful{Store: s} }})
	b := r.browser(r.link().Token)
	id := b.login("anna").FlowID
	b.awaitStatus(latchkey.FlowCompleted)
	await(t, "the work to end", func() bool {
		for _, x := range r.engine.Running() {
			if x == string(id) {
				return false
			}
		}
		return true
	})
	if n := len(r.accounts()); n != 1 {
		t.Errorf("%d accounts", n)
	}
	if gone := r.revocations(); len(gone) != 0 {
		t.Errorf("revoked %v, which an account lives by", gone)
	}
}

func TestASweepLeavesNothingBehind(t *testing.T) {
	r := newRig(t, options{idle: true})
	ctx := t.Context()
	const many = 1200
	long := time.Now().Add(-50 * time.Hour)
	for i := range many {
		err := r.store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
			if _, err := tx.Tries().Count(ctx, fmt.Sprint("bucket ", i), time.Hour, long); err != nil {
				return err
			}
			return tx.Flows().Create(ctx, latchkey.Flow{
				ID: latchkey.NewFlowID(long), LinkID: latchkey.NewLinkID(long), ApplicationID: r.app.ID, CookieHash: []byte("x"),
				Status: latchkey.FlowCompleted, CreatedAt: long, UpdatedAt: long, ExpiresAt: long,
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	r.engine.Sweep(ctx)
	if n, err := r.store.Flows().DeleteFinished(ctx, time.Now().Add(-30*time.Hour), many); n != 0 || err != nil {
		t.Errorf("%d old flows are left, %v", n, err)
	}
	if n, err := r.store.Tries().DeleteExpired(ctx, time.Now(), many); n != 0 || err != nil {
		t.Errorf("%d old counters are left, %v", n, err)
	}
}

func TestManyViewsAreCounted(t *testing.T) {
	r := newRig(t, options{url: pgURL(t)})
	var links []hosted.CreatedLink
	for range 120 {
		l := r.link()
		links = append(links, l)
		for range 2 {
			r.browser(l.Token).view()
		}
	}
	r.stop()
	for _, l := range links {
		if now, _ := r.linkNow(l.Link.ID); now.OpenedCount != 2 {
			t.Fatalf("opened %d times", now.OpenedCount)
		}
	}
}

// TestMadeUpStates are refused alike, whatever a database would say to their bytes.
func TestMadeUpStates(t *testing.T) {
	r := newRig(t, options{url: pgURL(t)})
	made := string(latchkey.NewFlowID(time.Now()))
	for _, state := range []string{"", ".", "x", "x.y", "\x00.x", "\xff.x", "flw_.x", made, made + ".x", made + "\x00.x", "acc" + made[3:] + ".x"} {
		_, err := r.engine.Return(t.Context(), state, nil, func(string) string { return "cookie" })
		if !errs.Is(err, errs.CodeInvalidParameters) {
			t.Errorf("%q: %v", state, err)
		}
	}
}

// deaf asks, and never reads an answer.
type deaf struct{}

func (deaf) Describe() connector.Descriptor { return connector.Descriptor{Provider: latchkey.IMAP} }

func (deaf) Begin(connector.Start) (connector.Turn, error) {
	return connector.Turn{Work: &connector.Work{
		Name: "deaf", Live: true, Interrupt: connector.Restart, LiveActions: []connector.Action{connector.ActSubmit},
		Show: connector.Step{
			Kind: connector.KindForm, ID: "deaf.form", Actions: []connector.Action{connector.ActSubmit},
			Fields: []connector.Field{{Name: "said", Type: connector.FieldText}},
		},
	}}, nil
}

func (deaf) Resume([]byte, connector.Input) (connector.Turn, error) {
	return connector.Turn{Failure: &connector.Failure{Code: errs.CodeCanceled}}, nil
}

func (deaf) Do(ctx context.Context, _ connector.Work, _ connector.Reporter) (connector.Turn, error) {
	<-ctx.Done()
	return connector.Turn{}, ctx.Err()
}

func TestUnreadAnswersAreBounded(t *testing.T) {
	r := newRig(t, options{wait: -1, with: map[latchkey.Provider]connector.Connector{latchkey.IMAP: deaf{}}})
	b := r.browser(r.link(func(s *hosted.LinkSpec) { s.Terms.Providers = []string{"IMAP"} }).Token)
	b.view()
	b.do(connector.ActStart)
	for range 100 {
		if _, err := b.try(connector.ActSubmit, "said", "hello"); err != nil {
			if !errs.Is(err, errs.CodeTooManyTries) {
				t.Fatal(err)
			}
			b.do(connector.ActCancel)
			return
		}
	}
	t.Error("a hundred answers wait to be read")
}

// TestGraceIsForItsOwnBrowser: after the expiry a bound flow may end, and nobody else is offered to
// take over what they could not.
func TestGraceIsForItsOwnBrowser(t *testing.T) {
	r := newRig(t, options{idle: true})
	l := r.link()
	b, other := r.browser(l.Token), r.browser(l.Token)
	b.view()
	b.do(connector.ActStart)
	if v := other.view(); v.Step.ID != hosted.StepBound {
		t.Fatalf("another browser sees %s", v.Step.ID)
	}
	r.clock.move(time.Hour + time.Minute)
	if v := other.view(); v.Step.ID != hosted.StepExpired || v.Status != latchkey.FlowExpired || len(v.Step.Actions) != 0 {
		t.Errorf("another browser sees %s %s %v", v.Status, v.Step.ID, v.Step.Actions)
	}
	for _, a := range []connector.Action{connector.ActTakeOver, connector.ActStart, connector.ActSubmit} {
		if _, err := other.try(a); !errs.Is(err, errs.CodeLinkExpired) {
			t.Errorf("%s: %v", a, err)
		}
	}
	b.view()
	if v := b.do(connector.ActSubmit, "username", "anna", "password", "x"); v.Status != latchkey.FlowCompleted {
		t.Errorf("its own browser: %s", v.Status)
	}
}
