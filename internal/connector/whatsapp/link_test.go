package whatsapp_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/whatsapp"
	"latchkey/internal/connector/whatsapp/sim"
	"latchkey/internal/errs"
)

func TestLinkByQRCode(t *testing.T) {
	l := newLab(t, nil)
	g := l.linked(patty)
	var params struct {
		IM map[string]string `json:"im"`
	}
	if err := json.Unmarshal(g.Params, &params); err != nil {
		t.Fatal(err)
	}
	if g.Identity != patty || g.Proof != latchkey.ProofProvider || g.Name != "Patty's Bakery" || params.IM["phone_number"] != "+"+patty {
		t.Errorf("grant: %+v", g)
	}
	until(t, "the device is linked", func() bool { n, _ := l.sim.Devices(patty); return n == 1 })
}

func TestLinkByPairingCode(t *testing.T) {
	l := newLab(t, nil)
	s := l.begin("+49 (151) 1234-5678")
	st := s.seeStep("whatsapp.code")
	if len(st.Payload) != 9 || st.Payload[4] != '-' || st.Args["phone"] != "+"+ada || st.ExpiresAt.IsZero() {
		t.Errorf("code step: %+v", st)
	}
	if err := l.sim.TypeCode(ada, "WRNG-CDES"); err != nil {
		t.Fatal(err)
	}
	until(t, "the wrong code is noticed", func() bool { return l.sim.Wrong(ada) == 1 })
	if err := l.sim.TypeCode(ada, strings.ToLower(st.Payload)); err != nil {
		t.Fatal(err)
	}
	turn := s.end()
	if turn.Grant == nil || turn.Grant.Identity != ada || turn.Grant.Name != "" {
		t.Errorf("grant: %+v", turn)
	}
}

func TestThreeWrongCodes(t *testing.T) {
	l := newLab(t, nil)
	s := l.begin(ada)
	s.seeStep("whatsapp.code")
	for i := range 3 {
		if err := l.sim.TypeCode(ada, "WRNGCDE"+string(rune('1'+i))); err != nil {
			t.Fatal(err)
		}
		until(t, "it is noticed", func() bool { return l.sim.Wrong(ada) == i+1 || i == 2 })
	}
	turn := s.end()
	if turn.Step == nil || turn.Step.ID != "whatsapp.code" || !slices.Equal(codes(turn), []string{"connection_closed"}) || !turn.Step.Offers(connector.ActRefresh) {
		t.Errorf("after three wrong codes: %+v", turn)
	}
}

func TestCodesRotateAndEnd(t *testing.T) {
	l := newLab(t, func(sc *sim.Config, wc *whatsapp.Config) {
		sc.FirstRef, sc.NextRef = 300*time.Millisecond, 100*time.Millisecond
		wc.FirstCode, wc.NextCode = 300*time.Millisecond, 100*time.Millisecond
	})
	s := l.begin("")
	turn := s.end()
	seen := map[string]bool{}
	for i, st := range s.steps {
		if st.Attempt != i+1 || st.Attempts != 6 || st.ExpiresAt.IsZero() || seen[st.Payload] {
			t.Errorf("code %d: %+v", i+1, st)
		}
		seen[st.Payload] = true
	}
	if len(s.steps) != 6 || turn.Step == nil || !slices.Equal(codes(turn), []string{"code_expired"}) || turn.Step.Payload != "" {
		t.Fatalf("%d codes, then %+v", len(s.steps), turn)
	}
	again, err := l.conn.Resume(turn.State, connector.Input{StepID: turn.Step.ID, Action: connector.ActRefresh})
	if err != nil || again.Work == nil {
		t.Fatalf("new code: %+v, %v", again, err)
	}
	if st := l.do(*again.Work).seeStep("whatsapp.qr"); seen[st.Payload] {
		t.Error("the new code is an old one")
	}
}

func TestLinkWithPasskey(t *testing.T) {
	l := newLab(t, nil)
	l.sim.AddPhone(sim.Phone{Number: ada, Passkey: true})
	s := l.begin("")
	if err := l.sim.Scan(ada, s.seeStep("whatsapp.qr").Payload); err != nil {
		t.Fatal(err)
	}
	st := s.seeStep("whatsapp.passkey")
	var extra struct {
		Type      string `json:"type"`
		PublicKey struct {
			RPID      string `json:"rpId"`
			Challenge string `json:"challenge"`
		} `json:"public_key"`
	}
	if err := json.Unmarshal(st.Extra, &extra); err != nil || extra.Type != "webauthn" || extra.PublicKey.RPID != "whatsapp.com" || !strings.Contains(st.Payload, extra.PublicKey.Challenge) {
		t.Fatalf("step: %+v, %v", st, err)
	}
	proof, err := l.sim.Assertion(ada)
	if err != nil {
		t.Fatal(err)
	}
	s.typed <- connector.Input{StepID: st.ID, Action: connector.ActSubmit, Values: map[string]string{"proof": proof}}
	if turn := s.end(); turn.Grant == nil || turn.Grant.Identity != ada {
		t.Errorf("turn: %+v", turn)
	}
}

func TestWrongPasskey(t *testing.T) {
	l := newLab(t, nil)
	l.sim.AddPhone(sim.Phone{Number: ada, Passkey: true})
	for name, edit := range map[string]func(string) string{
		"not JSON": func(string) string { return "hello" },
		"another":  func(p string) string { return strings.Replace(p, `"signature":"`, `"signature":"AAAA`, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			s := l.begin("")
			if err := l.sim.Scan(ada, s.seeStep("whatsapp.qr").Payload); err != nil {
				t.Fatal(err)
			}
			st := s.seeStep("whatsapp.passkey")
			proof, err := l.sim.Assertion(ada)
			if err != nil {
				t.Fatal(err)
			}
			s.typed <- connector.Input{StepID: st.ID, Action: connector.ActSubmit, Values: map[string]string{"proof": edit(proof)}}
			if turn := s.end(); !slices.Equal(codes(turn), []string{"credential_rejected"}) {
				t.Errorf("turn: %+v", turn)
			}
		})
	}
}

// TestCutAtEveryStep cuts the socket at each edge: it ends in words and a way on, and soon.
func TestCutAtEveryStep(t *testing.T) {
	for _, edge := range sim.Edges() {
		for _, garbage := range []bool{false, true} {
			name := edge + " cut"
			f := sim.Faults{CutAt: edge}
			if garbage {
				name, f = edge+" garbage", sim.Faults{GarbageAt: edge, CutAt: edge}
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				l := newLab(t, nil)
				l.sim.SetFaults(f)
				number := ""
				if edge == sim.EdgeCode || edge == sim.EdgeFinish {
					number = ada
				}
				s := l.begin(number)
				switch edge {
				case sim.EdgeScan, sim.EdgePair, sim.EdgeSign, sim.EdgeLogin, sim.EdgeSuccess:
					if err := l.sim.Scan(ada, s.seeStep("whatsapp.qr").Payload); err != nil {
						t.Fatal(err)
					}
				case sim.EdgeFinish:
					if err := l.sim.TypeCode(ada, s.seeStep("whatsapp.code").Payload); err != nil {
						t.Fatal(err)
					}
				}
				began := time.Now()
				turn := s.end()
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("it took %s to notice", took)
				}
				switch edge {
				case sim.EdgeSign, sim.EdgeLogin, sim.EdgeSuccess: // the phone had agreed
					if turn.Grant == nil {
						t.Errorf("the account is lost: %+v", turn)
					}
				case sim.EdgePair: // who is faster decides
				default:
					if turn.Step == nil || len(turn.Step.Errors) != 1 || !turn.Step.Offers(connector.ActRefresh) {
						t.Errorf("turn: %+v", turn)
					}
				}
			})
		}
	}
}

func TestServerRefuses(t *testing.T) {
	for name, x := range map[string]struct {
		faults sim.Faults
		number string
		want   errs.Code
		step   string
	}{
		"outdated":               {sim.Faults{RegisterFailure: 405}, "", errs.CodeClientOutdated, ""},
		"banned":                 {sim.Faults{RegisterFailure: 402}, "", errs.CodeAccountBlocked, ""},
		"too many requests":      {sim.Faults{HTTPStatus: 429}, "", errs.CodeRateLimited, "whatsapp.qr"},
		"HTTP 405":               {sim.Faults{HTTPStatus: 405}, "", errs.CodeClientOutdated, ""},
		"HTTP 402":               {sim.Faults{HTTPStatus: 402}, "", errs.CodeProtocolError, "whatsapp.qr"},
		"HTTP 503":               {sim.Faults{HTTPStatus: 503}, "", errs.CodeConnectionClosed, "whatsapp.qr"},
		"429 for a pairing code": {sim.Faults{CodeError: 429}, ada, errs.CodeRateLimited, "whatsapp.code"},
		"number unknown":         {sim.Faults{CodeError: 400}, ada, errs.CodeInvalidPhone, "whatsapp.phone"},
		"certificate expired":    {sim.Faults{Expired: true}, "", errs.CodeProtocolError, "whatsapp.qr"},
		"somebody else's server": {sim.Faults{WrongRoot: true}, "", errs.CodeProtocolError, "whatsapp.qr"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, nil)
			l.sim.SetFaults(x.faults)
			turn := l.begin(x.number).end()
			if !slices.Equal(codes(turn), []string{string(x.want)}) {
				t.Errorf("codes %v of %+v", codes(turn), turn)
			}
			if x.step != "" && (turn.Step == nil || turn.Step.ID != x.step) {
				t.Errorf("turn: %+v", turn)
			}
		})
	}
}

// TestSilentPhone: the phone scans and says nothing more; the codes go on, and end.
func TestSilentPhone(t *testing.T) {
	l := newLab(t, func(sc *sim.Config, wc *whatsapp.Config) {
		sc.FirstRef, sc.NextRef = 200*time.Millisecond, 100*time.Millisecond
		wc.FirstCode, wc.NextCode = 200*time.Millisecond, 100*time.Millisecond
	})
	l.sim.AddPhone(sim.Phone{Number: ada, Silent: true})
	s := l.begin("")
	if err := l.sim.Scan(ada, s.seeStep("whatsapp.qr").Payload); err != nil {
		t.Fatal(err)
	}
	if turn := s.end(); !slices.Equal(codes(turn), []string{"code_expired"}) {
		t.Errorf("turn: %+v", turn)
	}
}

// TestLeavingEndsTheSocket: who goes away leaves no socket behind, and nothing linked.
func TestLeavingEndsTheSocket(t *testing.T) {
	l := newLab(t, nil)
	s := l.begin("")
	code := s.seeStep("whatsapp.qr").Payload
	s.stop()
	<-s.done
	until(t, "the socket is closed", func() bool { return l.sim.Waiting() == 0 })
	if err := l.sim.Scan(ada, code); err == nil {
		t.Error("a code that nobody shows was scanned")
	}
}
