package telegram_test

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/telegram"
	"latchkey/internal/connector/telegram/sim"
)

const (
	anna   = "+49 151 0000001" // at data centre 2, where logins begin
	berta  = "+49 151 0000002" // at data centre 4, with a password
	nobody = "+49 151 0000099"

	password = "correct horse battery"
)

// rig is a simulated Telegram and a connector beside it.
type rig struct {
	t    *testing.T
	sim  *sim.Sim
	conn *telegram.Connector
	now  func() time.Time
}

type tcp struct{}

func (tcp) DialVia(ctx context.Context, _ *latchkey.Proxy, hostport string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", hostport)
}

func newRig(t *testing.T, edit func(*sim.Config, *telegram.Config)) *rig {
	t.Helper()
	sc := sim.Config{Now: time.Now}
	tc := telegram.Config{
		Dial: tcp{}, APIID: 4242, APIHash: "0123456789abcdef0123456789abcdef", Version: "1.0", CallTimeout: 20 * time.Second,
		Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
	if edit != nil {
		edit(&sc, &tc)
	}
	s := startSim(t, sc)
	tc.DCs, tc.PublicKeys = s.Addresses(), append(tc.PublicKeys, s.PublicKey())
	return &rig{t: t, sim: s, conn: telegram.New(tc), now: tc.Now}
}

func startSim(t *testing.T, cfg sim.Config) *sim.Sim {
	t.Helper()
	s, err := sim.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if n := s.Overlaps(); n > 0 {
			t.Errorf("one key was used on two connections at a time, %d times", n)
		}
	})
	for _, p := range []sim.Person{
		{Phone: anna, First: "Anna", Last: "Adler", Username: "anna"},
		{Phone: berta, First: "Berta", DC: 4, Password: password, Hint: "the usual\u202e one"},
	} {
		if _, err := s.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// flow plays a flow as the engine does: every Turn is stored and read before anything follows, and
// every Work is done by a connector that was just made.
type flow struct {
	*rig
	turn connector.Turn

	mu    sync.Mutex
	shown connector.Step
}

func (r *rig) begin(edit ...func(*connector.Start)) *flow {
	r.t.Helper()
	start := connector.Start{Mode: connector.ModeCreate, ApplicationID: "app_1", ApplicationName: "Northwind", LinkID: "lnk_1"}
	for _, e := range edit {
		e(&start)
	}
	turn, err := r.conn.Begin(start)
	if err != nil {
		r.t.Fatal(err)
	}
	f := &flow{rig: r}
	f.keep(turn)
	return f
}

func handheld(s *connector.Start) { s.Handheld = true }

func (f *flow) keep(turn connector.Turn) {
	f.t.Helper()
	raw, err := json.Marshal(turn)
	if err != nil {
		f.t.Fatal(err)
	}
	grant, unused := turn.Grant, turn.Unused
	var failed connector.Failure
	if turn.Failure != nil {
		failed = *turn.Failure
	}
	f.turn = connector.Turn{}
	if err := json.Unmarshal(raw, &f.turn); err != nil {
		f.t.Fatal(err)
	}
	f.turn.Grant, f.turn.Unused = grant, unused
	if f.turn.Failure != nil {
		f.turn.Failure.Detail, f.turn.Failure.RefusedApp = failed.Detail, failed.RefusedApp
	}
}

// Show implements connector.Reporter.
func (f *flow) Show(_ context.Context, s connector.Step) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shown = s
	return nil
}

// Next implements connector.Reporter.
func (f *flow) Next(ctx context.Context) (connector.Input, error) {
	<-ctx.Done()
	return connector.Input{}, ctx.Err()
}

// doOne does one Work.
func (f *flow) doOne(ctx context.Context) {
	f.t.Helper()
	w := *f.turn.Work
	ctx, cancel := context.WithTimeout(ctx, w.Deadline)
	defer cancel()
	began := time.Now()
	turn, err := f.conn.Do(ctx, w, f)
	if took := time.Since(began); took > time.Second {
		f.t.Logf("Do(%s) took %v", w.Name, took)
	}
	if err != nil {
		f.t.Fatalf("Do(%s): %v", w.Name, err)
	}
	f.keep(turn)
}

// run does Works until something is asked, granted or failed.
func (f *flow) run() *flow {
	f.t.Helper()
	for n := 0; f.turn.Work != nil; n++ {
		if n > 40 {
			f.t.Fatal("no end of works")
		}
		if rest := f.turn.Work.Repeat; rest > 0 {
			time.Sleep(rest)
		}
		f.doOne(f.t.Context())
	}
	return f
}

// qr does Works until there is a code to scan, and returns it.
func (f *flow) qr() string {
	f.t.Helper()
	for range 10 {
		if s := f.turn.Work; s != nil && s.Show.ID == "telegram.qr" && s.Show.Payload != "" {
			return s.Show.Payload
		}
		if f.turn.Work == nil {
			f.t.Fatalf("no code: %s", f.at())
		}
		f.doOne(f.t.Context())
	}
	f.t.Fatal("no code")
	return ""
}

func (f *flow) answer(action connector.Action, kv ...string) *flow {
	f.t.Helper()
	step := f.turn.Step
	if step == nil && f.turn.Work != nil {
		step = &f.turn.Work.Show
	}
	if step == nil || !step.Offers(action) {
		f.t.Fatalf("%s is not offered at %s", action, f.at())
	}
	in := connector.Input{StepID: step.ID, Action: action, Values: map[string]string{}}
	for i := 0; i+1 < len(kv); i += 2 {
		in.Values[kv[i]] = kv[i+1]
	}
	turn, err := f.conn.Resume(f.turn.State, in)
	if err != nil {
		f.t.Fatal(err)
	}
	f.keep(turn)
	return f.run()
}

// typeCode answers with the code that reached the phone.
func (f *flow) typeCode(phone string) *flow {
	f.t.Helper()
	code, err := f.sim.Code(phone)
	if err != nil {
		f.t.Fatal(err)
	}
	return f.answer(connector.ActSubmit, "code", code)
}

// at says where the flow is.
func (f *flow) at() string {
	switch t := f.turn; {
	case t.Step != nil:
		var codes []string
		for _, e := range t.Step.Errors {
			codes = append(codes, string(e.Code))
		}
		return strings.TrimSpace(t.Step.ID + " " + strings.Join(codes, " "))
	case t.Work != nil:
		return "work " + t.Work.Name
	case t.Grant != nil:
		return "grant " + t.Grant.Name
	case t.Failure != nil:
		return "failure " + string(t.Failure.Code)
	}
	return "nothing"
}

func (f *flow) want(at string) *flow {
	f.t.Helper()
	if got := f.at(); got != at {
		detail := ""
		if f.turn.Failure != nil {
			detail = f.turn.Failure.Detail
		}
		f.t.Fatalf("at %q, want %q (%s)", got, at, detail)
	}
	return f
}

func (r *rig) misbehave(faults ...sim.Fault) {
	r.t.Helper()
	for _, x := range faults {
		if err := r.sim.Misbehave(x); err != nil {
			r.t.Fatal(err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// credential is the account that a grant makes.
func (f *flow) credential() connector.Credential {
	f.t.Helper()
	g := f.turn.Grant
	if g == nil {
		f.t.Fatalf("no grant: %s", f.at())
	}
	return connector.Credential{AccountID: "acc_1", Identity: g.Identity, Params: g.Params, Secret: g.Secret}
}

func newConnector(s *sim.Sim, d telegram.Dialer) *telegram.Connector {
	return telegram.New(telegram.Config{
		Dial: d, APIID: 4242, APIHash: "0123456789abcdef0123456789abcdef", Version: "1.0", CallTimeout: 20 * time.Second, DCs: s.Addresses(),
		PublicKeys: []*rsa.PublicKey{s.PublicKey()}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
}
