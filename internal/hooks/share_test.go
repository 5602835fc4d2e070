package hooks

import (
	"testing"
	"time"

	"latchkey/internal/store"
)

// TestSharesAreDividedEvenly lets replicas come, stand still and die.
func TestSharesAreDividedEvenly(t *testing.T) {
	now := time.Now()
	all := func(owner func(n int) string) []store.Share {
		out := make([]store.Share, shares)
		for i := range out {
			out[i] = store.Share{Number: i, Owner: owner(i)}
		}
		return out
	}
	a := newRoster("a", deadAfter)
	alone := a.note(store.Roll{Members: []store.Member{{ID: "a", Beat: 1}}, Shares: all(func(int) string { return "" })}, now)
	if len(alone.take) != shares {
		t.Errorf("alone, it takes %d", len(alone.take))
	}
	mine := all(func(int) string { return "a" })
	two := a.note(store.Roll{Members: []store.Member{{ID: "a", Beat: 2}, {ID: "b", Beat: 1}}, Shares: mine}, now)
	if len(two.mine) != shares || len(two.release) != shares/2 || len(two.forget) != 0 {
		t.Errorf("with another: %+v", two)
	}
	four := a.note(store.Roll{Members: []store.Member{{ID: "a", Beat: 3}, {ID: "b", Beat: 2}, {ID: "c", Beat: 1}, {ID: "d", Beat: 1}}, Shares: mine}, now)
	if len(four.release) != shares*3/4 {
		t.Errorf("with three others: %d are given back", len(four.release))
	}
	// One that stands still is alive until its time is over, whatever the clocks say.
	still := store.Roll{Members: []store.Member{{ID: "a", Beat: 4}, {ID: "b", Beat: 2}}, Shares: mine}
	if p := a.note(still, now.Add(deadAfter-time.Millisecond)); len(p.forget) != 0 {
		t.Errorf("forgotten too early: %v", p.forget)
	}
	if p := a.note(still, now.Add(deadAfter)); len(p.forget) != 1 || p.forget[0].ID != "b" || len(p.release) != 0 {
		t.Errorf("not forgotten: %+v", p)
	}
}

// TestQueuesOfAReceiverAreSpread has any number of replicas send to one endpoint evenly.
func TestQueuesOfAReceiverAreSpread(t *testing.T) {
	for _, replicas := range []int{2, 4, 8} {
		have := map[int]int{}
		for slot := range slots {
			have[shareOf("whe_x#"+string(rune('0'+slot)))%replicas]++
		}
		for r, n := range have {
			if n != slots/replicas {
				t.Errorf("of %d replicas, number %d has %d queues", replicas, r, n)
			}
		}
	}
}

// TestPace shrinks for those that do not answer, and keeps their places apart.
func TestPace(t *testing.T) {
	s := newPlaces()
	p := newPace()
	for range 10 {
		p.noAnswer()
	}
	taken := 0
	for {
		slow, ok := s.take(p, "app_1")
		if !ok {
			break
		}
		if !slow {
			t.Fatal("it takes a place of the quick")
		}
		taken++
	}
	if taken != leastTries || s.quick.all != 0 {
		t.Errorf("%d tries at one that never answers, %+v", taken, s)
	}
	for range 200 {
		p.answered(true, time.Millisecond)
	}
	if p.limit != mostTries || p.slow() {
		t.Errorf("after quick answers: %d", p.limit)
	}
}

// TestPlacesOfOneApplication has one application make up receivers that nobody has met yet: others
// still get places of both kinds.
func TestPlacesOfOneApplication(t *testing.T) {
	s := newPlaces()
	dead := newPace()
	dead.limit = leastTries
	for range 1000 {
		s.take(newPace(), "app_greedy")
		d := *dead
		s.take(&d, "app_greedy")
	}
	if s.quick.all != quickPlaces/2 || s.slow.all != slowPlaces/2 {
		t.Errorf("one application has %d and %d places", s.quick.all, s.slow.all)
	}
	p := newPace()
	slow, ok := s.take(p, "app_other")
	if !ok || slow {
		t.Fatal("another application has no place")
	}
	s.free(p, "app_other", slow)
	if _, kept := s.quick.apps["app_other"]; kept || p.flying != 0 {
		t.Error("an application that has no place any more is remembered")
	}
}
