package whatsapp_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/proto/waSyncAction"
	"go.mau.fi/whatsmeow/types/events"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/whatsapp"
	"latchkey/internal/connector/whatsapp/sim"
)

// kept is one connection that is being kept.
type kept struct {
	lab    *lab
	mem    connector.Memory
	secret []byte
	stop   context.CancelFunc
	end    chan connector.Ending

	mu   sync.Mutex
	told []connector.Health
}

func (l *lab) keep(secret []byte, mem connector.Memory) *kept {
	ctx, stop := context.WithCancel(context.Background())
	k := &kept{lab: l, mem: mem, secret: secret, stop: stop, end: make(chan connector.Ending, 1)}
	go func() {
		end, _ := l.conn.Keep(ctx, k.as()) // its error is ctx's: the test asks for endings only
		k.end <- end
	}()
	l.t.Cleanup(stop)
	return k
}

func (k *kept) as() connector.Kept {
	return connector.Kept{Credential: connector.Credential{Secret: k.secret}, Memory: k.mem, Tell: func(_ context.Context, h connector.Health) error {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.told = append(k.told, h)
		return nil
	}}
}

func (k *kept) ended() connector.Ending {
	k.lab.t.Helper()
	select {
	case e := <-k.end:
		return e
	case <-time.After(20 * time.Second):
		k.lab.t.Fatal("the connection does not end")
		return connector.Ending{}
	}
}

func (k *kept) isWell() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.ContainsFunc(k.told, func(h connector.Health) bool { return h.Status == latchkey.AccountOK })
}

// TestReplacedByACopy: the same keys connect a second time, as those of a restored database would. The
// first is told, and does not come back at once to throw the other one out.
func TestReplacedByACopy(t *testing.T) {
	l := newLab(t, nil)
	g := l.linked(ada)
	first := l.keep(g.Secret, whatsapp.NewMemory())
	until(t, "the first is connected", first.isWell)
	second := l.keep(g.Secret, whatsapp.NewMemory())
	e := first.ended()
	if e.Health.Status != latchkey.AccountError || e.Health.Reason != latchkey.ReasonSessionReplaced || e.Final || time.Until(e.NotBefore) < 5*time.Minute {
		t.Errorf("the first ends with %+v", e)
	}
	until(t, "the second is connected", second.isWell)
	if linked, online := l.sim.Devices(ada); linked != 1 || online != 1 {
		t.Errorf("%d devices, %d online", linked, online)
	}
}

// TestEndings: what the server says to a device that is linked, and what the account then says.
func TestEndings(t *testing.T) {
	for name, x := range map[string]struct {
		act    func(l *lab) error
		status latchkey.AccountStatus
		reason latchkey.Reason
		final  bool
	}{
		"unlinked": {func(l *lab) error { return l.sim.Unlink(ada) }, latchkey.AccountCredentials, latchkey.ReasonSessionTerminated, true},
		"dropped":  {func(l *lab) error { l.sim.Drop(); return nil }, latchkey.AccountConnecting, latchkey.ReasonHostUnreachable, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, nil)
			k := l.keep(l.linked(ada).Secret, whatsapp.NewMemory())
			until(t, "it is connected", k.isWell)
			if err := x.act(l); err != nil {
				t.Fatal(err)
			}
			if e := k.ended(); e.Health.Status != x.status || e.Health.Reason != x.reason || e.Final != x.final {
				t.Errorf("%+v", e)
			}
		})
	}
}

// TestRefusedDevices: what the server answers to a device that logs in.
func TestRefusedDevices(t *testing.T) {
	for name, x := range map[string]struct {
		faults sim.Faults
		status latchkey.AccountStatus
		reason latchkey.Reason
		pause  time.Duration
	}{
		"401":      {sim.Faults{Failure: 401}, latchkey.AccountCredentials, latchkey.ReasonSessionTerminated, 0},
		"402":      {sim.Faults{Failure: 402}, latchkey.AccountError, latchkey.ReasonTemporaryBan, time.Minute},
		"403":      {sim.Faults{Failure: 403}, latchkey.AccountCredentials, latchkey.ReasonBlocked, 0},
		"405":      {sim.Faults{Failure: 405}, latchkey.AccountError, latchkey.ReasonClientOutdated, 30 * time.Minute},
		"409":      {sim.Faults{Failure: 409}, latchkey.AccountError, latchkey.ReasonProtocol, time.Minute},
		"429":      {sim.Faults{Failure: 429}, latchkey.AccountConnecting, latchkey.ReasonRateLimited, time.Minute},
		"503":      {sim.Faults{Failure: 503}, latchkey.AccountConnecting, latchkey.ReasonHostUnreachable, 0},
		"HTTP 402": {sim.Faults{HTTPStatus: 402}, latchkey.AccountConnecting, latchkey.ReasonProtocol, 0},
		"HTTP 405": {sim.Faults{HTTPStatus: 405}, latchkey.AccountError, latchkey.ReasonClientOutdated, 30 * time.Minute},
		"HTTP 429": {sim.Faults{HTTPStatus: 429}, latchkey.AccountConnecting, latchkey.ReasonRateLimited, 0},
		"HTTP 500": {sim.Faults{HTTPStatus: 500}, latchkey.AccountConnecting, latchkey.ReasonHostUnreachable, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, nil)
			g := l.linked(ada)
			l.sim.SetFaults(x.faults)
			e := l.keep(g.Secret, whatsapp.NewMemory()).ended()
			if e.Health.Status != x.status || e.Health.Reason != x.reason {
				t.Errorf("%+v", e.Health)
			}
			if left := time.Until(e.NotBefore); x.pause > 0 && left < x.pause || x.pause == 0 && !e.NotBefore.IsZero() {
				t.Errorf("tried again after %v", left)
			}
		})
	}
}

// TestGarbageAtEveryStep sends noise and nothing else wrong: whoever kept talking would hang.
func TestGarbageAtEveryStep(t *testing.T) {
	for _, edge := range []string{sim.EdgeUpgrade, sim.EdgeHello, sim.EdgeRefs, sim.EdgeCode} {
		t.Run(edge, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, nil)
			l.sim.SetFaults(sim.Faults{GarbageAt: edge})
			number := ""
			if edge == sim.EdgeCode {
				number = ada
			}
			// The library drops what it cannot open, and with it the order of all that follows: then it is
			// our own patience that ends, after 20 s.
			if turn := l.begin(number).end(); len(codes(turn)) == 0 || turn.Step != nil && !turn.Step.Offers(connector.ActRefresh) {
				t.Errorf("it ends with %+v", turn)
			}
		})
	}
}

// TestNames: a person's name comes when the phone tells it, is kept with the device, and does not
// replace the name of a business.
func TestNames(t *testing.T) {
	l := newLab(t, nil)
	for number, want := range map[string]string{ada: "Ada Lovelace", patty: ""} {
		k := &kept{lab: l, mem: whatsapp.NewMemory(), secret: l.linked(number).Secret}
		tell := func(name string) {
			t.Helper()
			e, err := l.conn.Hear(t.Context(), k.as(), &events.PushNameSetting{Action: &waSyncAction.PushNameSetting{Name: &name}})
			if e != nil || err != nil {
				t.Fatalf("%+v, %v", e, err)
			}
		}
		tell("Ada Lovelace")
		if len(k.told) != 1 || k.told[0].Name != want || len(k.told[0].Secret) == 0 {
			t.Fatalf("%s: told %+v", number, k.told)
		}
		k.secret = k.told[0].Secret
		tell("Ada Lovelace") // nothing new
		tell("")
		if len(k.told) != 1 {
			t.Errorf("%s: told %d times", number, len(k.told))
		}
	}
}

// TestReconnectUnlinksTheDeviceThatItReplaces: the phone lists one device afterwards, with the
// application's name.
func TestReconnectUnlinksTheDeviceThatItReplaces(t *testing.T) {
	l := newLab(t, nil)
	old := l.linked(ada)
	turn, err := l.conn.Begin(connector.Start{
		Mode: connector.ModeReconnect, ApplicationName: "Northwind\u202e CRM", Prior: &connector.Prior{Identity: ada, Secret: old.Secret},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := l.do(*turn.Work)
	if err := l.sim.Scan(ada, s.seeStep("whatsapp.qr").Payload); err != nil {
		t.Fatal(err)
	}
	turn = s.end()
	if turn.Grant == nil || turn.Unused == nil || string(turn.Unused.Secret) != string(old.Secret) {
		t.Fatalf("turn: %+v", turn)
	}
	if err := l.conn.Revoke(t.Context(), connector.Credential{Secret: turn.Unused.Secret}); err != nil {
		t.Fatal(err)
	}
	until(t, "one device is left", func() bool { n, _ := l.sim.Devices(ada); return n == 1 })
	if got := l.sim.Listed(ada); got[0].Name != "Northwind CRM" {
		t.Errorf("the phone lists %+v", got)
	}
	k := l.keep(turn.Grant.Secret, whatsapp.NewMemory())
	until(t, "the new one is connected", k.isWell)
	// Somebody else's phone: nothing of the first one's is ended.
	turn, err = l.conn.Begin(connector.Start{Mode: connector.ModeReconnect, Prior: &connector.Prior{Identity: ada, Secret: old.Secret}})
	if err != nil {
		t.Fatal(err)
	}
	s = l.do(*turn.Work)
	if err := l.sim.Scan(patty, s.seeStep("whatsapp.qr").Payload); err != nil {
		t.Fatal(err)
	}
	if turn = s.end(); turn.Grant == nil || turn.Unused != nil {
		t.Errorf("turn: %+v", turn)
	}
}
