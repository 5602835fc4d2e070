package sim

import (
	"context"
	"fmt"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tgerr"
	"github.com/gotd/td/transport"
)

// FaultKind is how the simulator misbehaves.
type FaultKind string

// The faults.
const (
	// FaultCut closes the socket instead of doing anything; FaultCutAfter does it, and closes the
	// socket instead of answering.
	FaultCut      FaultKind = "cut"
	FaultCutAfter FaultKind = "cut_after"
	// FaultSilent never answers.
	FaultSilent FaultKind = "silent"
	// FaultGarbage answers with bytes that mean nothing, and FaultNonsense with an answer of the wrong
	// type.
	FaultGarbage  FaultKind = "garbage"
	FaultNonsense FaultKind = "nonsense"
	// FaultError answers with Code and Message.
	FaultError FaultKind = "error"
)

// Fault is one misbehaviour.
type Fault struct {
	// At is the method that is asked for ("auth.signIn"), "connect", "exchange", or "*" for every method.
	At   string    `json:"at"`
	Kind FaultKind `json:"kind"`
	// Code and Message are Telegram's error: 420 and FLOOD_WAIT_7.
	Code    int    `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	// Times is how often; 0 is for ever.
	Times int `json:"times,omitempty"`
}

// Misbehave sets a fault, or takes the one at that place away where it has no kind.
func (s *Sim) Misbehave(f Fault) error {
	switch f.Kind {
	case FaultCut, FaultCutAfter, FaultSilent, FaultGarbage, FaultNonsense:
	case FaultError:
		if f.Code == 0 || f.Message == "" {
			return fmt.Errorf("sim: an error has a code and a message")
		}
	case "":
	default:
		return fmt.Errorf("sim: there is no fault of that kind")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Kind == "" {
		delete(s.faults, f.At)
		return nil
	}
	s.faults[f.At] = &f
	return nil
}

// fault takes the fault at a place, if there is one.
func (s *Sim) fault(at string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[at]++
	place := at
	f := s.faults[at]
	if f == nil && at != "connect" && at != "exchange" {
		place, f = "*", s.faults["*"]
	}
	if f == nil {
		return nil
	}
	out := *f
	if f.Times > 0 {
		if f.Times--; f.Times == 0 {
			delete(s.faults, place)
		}
	}
	return &out
}

// misbehave does the fault at a place where nothing is encrypted yet.
func (s *Sim) misbehave(ctx context.Context, at string, conn transport.Conn) error {
	f := s.fault(at)
	if f == nil {
		return nil
	}
	switch f.Kind {
	case FaultSilent:
		<-ctx.Done()
	case FaultGarbage, FaultNonsense:
		return conn.Send(ctx, &bin.Buffer{Buf: []byte("these bytes mean nothing at all.")})
	case FaultCut, FaultCutAfter, FaultError:
	}
	return errCut
}

// spoil does the fault of a method. It returns what to answer instead, if it does.
func (r *request) spoil(f *Fault, act func() (bin.Encoder, error)) (bin.Encoder, error) {
	switch f.Kind {
	case FaultCut:
		return nil, errCut
	case FaultCutAfter:
		_, _ = act() // whatever came of it, nobody is told
		return nil, errCut
	case FaultSilent:
		return nil, nil
	case FaultError:
		return nil, tgerr.New(f.Code, f.Message)
	case FaultNonsense:
		return &raw{0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4}, nil
	case FaultGarbage:
		if err := r.conn.Send(r.ctx, &bin.Buffer{Buf: append(append([]byte{}, r.key.ID[:]...), make([]byte, 56)...)}); err != nil {
			return nil, err
		}
		return nil, nil
	}
	return act()
}

// raw is bytes as an answer.
type raw []byte

// Encode implements bin.Encoder.
func (r *raw) Encode(b *bin.Buffer) error {
	b.Put(*r)
	return nil
}

// Count is how often a method was called, or a connection or key was made ("connect", "exchange").
func (s *Sim) Count(at string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[at]
}

// Overlaps is how often one key was used on two connections at a time. Telegram ends a session for
// that.
func (s *Sim) Overlaps() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.overlaps
}
