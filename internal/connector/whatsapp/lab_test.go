package whatsapp_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/whatsapp"
	"latchkey/internal/connector/whatsapp/sim"
)

// root is one for the process, because the library's trust is.
var root = [32]byte{1, 2, 3} //nolint:gochecknoglobals // see above

const (
	ada   = "4915112345678"
	patty = "442079460958"
)

func TestMain(m *testing.M) {
	s, err := sim.Start(sim.Config{Root: root})
	if err == nil {
		err = errors.Join(whatsapp.TrustRoot(s.RootKey()), s.Close())
	}
	if err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// lab is a simulated WhatsApp with two phones, and the connector that talks to it.
type lab struct {
	t    testing.TB
	sim  *sim.Sim
	conn *whatsapp.Connector
}

func newLab(t testing.TB, edit func(*sim.Config, *whatsapp.Config)) *lab {
	t.Helper()
	sc := sim.Config{Root: root, FirstRef: time.Minute, NextRef: 20 * time.Second}
	wc := whatsapp.Config{Now: time.Now}
	if edit != nil {
		edit(&sc, &wc)
	}
	s, err := sim.Start(sc)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	s.AddPhone(sim.Phone{Number: ada})
	s.AddPhone(sim.Phone{Number: patty, Business: "Patty's Bakery"})
	wc.Dial = func(ctx context.Context, _ *latchkey.Proxy, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", s.Addr())
	}
	return &lab{t: t, sim: s, conn: whatsapp.New(wc)}
}

// screen is what the end user sees of one Work, and what they answer.
type screen struct {
	t     testing.TB
	mu    sync.Mutex
	steps []connector.Step
	news  chan struct{}
	typed chan connector.Input
	done  chan struct{}
	turn  connector.Turn
	err   error
	stop  context.CancelFunc
}

func (s *screen) Show(_ context.Context, st connector.Step) error {
	s.mu.Lock()
	s.steps = append(s.steps, st)
	s.mu.Unlock()
	select {
	case s.news <- struct{}{}:
	default:
	}
	return nil
}

func (s *screen) Next(ctx context.Context) (connector.Input, error) {
	select {
	case in := <-s.typed:
		return in, nil
	case <-ctx.Done():
		return connector.Input{}, ctx.Err()
	}
}

// see waits for a step that is as wanted.
func (s *screen) see(want func(connector.Step) bool) connector.Step {
	s.t.Helper()
	limit := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		for _, st := range s.steps {
			if want(st) {
				s.mu.Unlock()
				return st
			}
		}
		s.mu.Unlock()
		select {
		case <-s.news:
		case <-s.done:
			s.t.Fatalf("ended before: %+v, %v", s.turn, s.err)
		case <-limit:
			s.t.Fatalf("never shown; there were %+v", s.steps)
		}
	}
}

func (s *screen) seeStep(id string) connector.Step {
	s.t.Helper()
	return s.see(func(st connector.Step) bool {
		return st.ID == id && (st.Kind != connector.KindDisplay || st.Payload != "")
	})
}

// end waits for the Work to end.
func (s *screen) end() connector.Turn {
	s.t.Helper()
	select {
	case <-s.done:
	case <-time.After(40 * time.Second):
		s.t.Fatal("the work does not end")
	}
	if s.err != nil {
		s.t.Fatal(s.err)
	}
	return s.turn
}

// begin begins to link, by QR code or, with a number, by pairing code.
func (l *lab) begin(number string) *screen {
	l.t.Helper()
	turn, err := l.conn.Direct(connector.Start{}, map[string]string{"phone": number})
	if err != nil || turn.Work == nil {
		l.t.Fatalf("begin: %+v, %v", turn, err)
	}
	return l.do(*turn.Work)
}

func (l *lab) do(w connector.Work) *screen {
	ctx, stop := context.WithCancel(context.Background())
	s := &screen{t: l.t, news: make(chan struct{}, 1), typed: make(chan connector.Input), done: make(chan struct{}), stop: stop}
	go func() {
		defer close(s.done)
		s.turn, s.err = l.conn.Do(ctx, w, s)
	}()
	l.t.Cleanup(func() { stop(); <-s.done })
	return s
}

// linked links the phone and returns the Grant.
func (l *lab) linked(number string) connector.Grant {
	l.t.Helper()
	s := l.begin("")
	if err := l.sim.Scan(number, s.seeStep("whatsapp.qr").Payload); err != nil {
		l.t.Fatal(err)
	}
	turn := s.end()
	if turn.Grant == nil {
		l.t.Fatalf("no grant: %+v", turn)
	}
	return *turn.Grant
}

// until waits for something to become true.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("never: %s", what)
		}
	}
}

func codes(turn connector.Turn) []string {
	var out []string
	if turn.Step != nil {
		for _, e := range turn.Step.Errors {
			out = append(out, string(e.Code))
		}
	}
	if turn.Failure != nil {
		out = append(out, string(turn.Failure.Code))
	}
	return out
}

// lines is a log that many write to.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
