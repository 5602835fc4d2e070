package hooks

import (
	"time"

	"latchkey"
)

// How many tries at one receiver are under way in this process. It begins with a few, grows with
// every quick answer, and shrinks to next to nothing where none comes: a dead receiver costs the
// others nothing but its share of the places for the slow.
const (
	firstTries = 8
	mostTries  = 64
	leastTries = 2
	// slowAnswer is when an answer counts as slow.
	slowAnswer = time.Second
)

// Places of this process: those for receivers that answer, and those for the rest.
const (
	quickPlaces = 256
	slowPlaces  = 96
)

// pace is one receiver's.
type pace struct {
	limit  int
	flying int
	queues int // that use it
}

func newPace() *pace { return &pace{limit: firstTries} }

func (p *pace) slow() bool { return p.limit < firstTries }

// noAnswer is told of a try that had none in time, and answered of one that had.
func (p *pace) noAnswer() { p.limit = max(leastTries, p.limit/2) }

func (p *pace) answered(good bool, took time.Duration) {
	switch {
	case took >= slowAnswer:
		p.limit = max(firstTries/2, p.limit/2)
	case good:
		p.limit = min(mostTries, p.limit+1)
	}
}

// places hands out this process's. One application never has more than half of a kind: a new receiver
// begins as a quick one, and whoever makes up new ones all the time would keep everybody's places.
type places struct {
	quick, slow held
}

// held are the places of a kind that are taken.
type held struct {
	all  int
	apps map[latchkey.ApplicationID]int
}

func newPlaces() places {
	return places{quick: held{apps: map[latchkey.ApplicationID]int{}}, slow: held{apps: map[latchkey.ApplicationID]int{}}}
}

func (s *places) none() bool { return s.quick.all == 0 && s.slow.all == 0 }

// take gives a place for a try at the receiver, and tells of which kind.
func (s *places) take(p *pace, app latchkey.ApplicationID) (slow, ok bool) {
	slow = p.slow()
	if p.flying >= p.limit {
		return slow, false
	}
	kind, most := &s.quick, quickPlaces
	if slow {
		kind, most = &s.slow, slowPlaces
	}
	if kind.all >= most || kind.apps[app] >= most/2 {
		return slow, false
	}
	kind.all++
	kind.apps[app]++
	p.flying++
	return slow, true
}

func (s *places) free(p *pace, app latchkey.ApplicationID, slow bool) {
	kind := &s.quick
	if slow {
		kind = &s.slow
	}
	p.flying--
	kind.all--
	if kind.apps[app]--; kind.apps[app] == 0 {
		delete(kind.apps, app)
	}
}
