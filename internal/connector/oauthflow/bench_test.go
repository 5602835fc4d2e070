package oauthflow_test

import (
	"testing"

	"latchkey/internal/connector"
	"latchkey/internal/connector/oauthflow/idp"
)

// BenchmarkCallback is a callback until the grant, with the provider's and the mail host's work in it:
// they run in this process.
func BenchmarkCallback(b *testing.B) {
	for _, kind := range []idp.Kind{idp.LinkedIn, idp.Microsoft} {
		b.Run(string(kind), func(b *testing.B) {
			r := newRig(b, kind, false)
			begun, err := r.conn.Begin(r.start())
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				b.StopTimer()
				values := r.visit(b, begun.Step.URL)
				b.StartTimer()
				if turn := r.back(b, begun, values); turn.Grant == nil {
					b.Fatal(ends(turn))
				}
			}
		})
	}
}

// BenchmarkReturn is our part of the callback alone: the decision, with its state read and written.
func BenchmarkReturn(b *testing.B) {
	r := newRig(b, idp.Microsoft, false)
	begun, err := r.conn.Begin(r.start())
	if err != nil {
		b.Fatal(err)
	}
	in := connector.Input{StepID: begun.Step.ID, Action: connector.ActReturn, Values: map[string]string{"code": "x"}}
	for b.Loop() {
		if _, err := r.conn.Resume(begun.State, in); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRefresh is one renewal against a provider in this process.
func BenchmarkRefresh(b *testing.B) {
	r := newRig(b, idp.Microsoft, false)
	turn := r.signIn(b, r.start())
	if turn.Grant == nil {
		b.Fatal(ends(turn))
	}
	c := r.credential(turn.Grant)
	for b.Loop() {
		if got, err := r.refresh(b, c); err != nil || got.Secret == nil {
			b.Fatal(got, err)
		}
	}
}
