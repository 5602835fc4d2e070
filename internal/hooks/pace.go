package hooks

import "time"

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

// places hands out this process's.
type places struct{ quick, slow int }

// take gives a place for a try at the receiver, and tells of which kind.
func (s *places) take(p *pace) (slow, ok bool) {
	slow = p.slow()
	switch {
	case p.flying >= p.limit, slow && s.slow >= slowPlaces, !slow && s.quick >= quickPlaces:
		return slow, false
	case slow:
		s.slow++
	default:
		s.quick++
	}
	p.flying++
	return slow, true
}

func (s *places) free(p *pace, slow bool) {
	p.flying--
	if slow {
		s.slow--
	} else {
		s.quick--
	}
}
