package hooks

import (
	"slices"
	"time"

	"latchkey/internal/store"
)

// How the replicas divide the shares: each raises its beat every second; one whose beat has stood
// still for five seconds of another's own time is dead, and its shares go to those who live. Nobody
// compares clocks, so that none can be wrong. A replica that could not raise its beat for three
// seconds begins no try until it can: the others may be about to think it dead.
const (
	beatEvery = time.Second
	deadAfter = 5 * time.Second
	// beatEverySole is for a process that has nobody to share with.
	beatEverySole = 3 * time.Second
)

// trusted is how old the last beat may be for tries to begin.
func trusted(dead time.Duration) time.Duration { return dead * 3 / 5 }

// roster is what one replica knows of all.
type roster struct {
	me      string
	dead    time.Duration
	members map[string]seen
}

type seen struct {
	beat  int64
	since time.Time
}

func newRoster(me string, dead time.Duration) *roster {
	return &roster{me: me, dead: dead, members: map[string]seen{}}
}

// plan is what follows from a roll.
type plan struct {
	mine    []int         // are ours now
	take    []store.Share // should become ours, and are free
	release []int         // are ours and should be another's
	forget  []store.Member
}

// note looks at a roll that was called at now (a monotonic time).
func (r *roster) note(roll store.Roll, now time.Time) plan {
	var p plan
	known := map[string]seen{}
	var live []string
	for _, m := range roll.Members {
		s, ok := r.members[m.ID]
		if !ok || s.beat != m.Beat {
			s = seen{beat: m.Beat, since: now}
		}
		known[m.ID] = s
		switch {
		case m.ID == r.me || now.Sub(s.since) < r.dead:
			live = append(live, m.ID)
		default:
			p.forget = append(p.forget, m)
		}
	}
	r.members = known
	slices.Sort(live)
	if len(live) == 0 {
		return p
	}
	for _, s := range roll.Shares {
		whose := live[s.Number%len(live)]
		switch {
		case s.Owner == r.me:
			p.mine = append(p.mine, s.Number)
			if whose != r.me {
				p.release = append(p.release, s.Number)
			}
		case whose == r.me && (s.Owner == "" || known[s.Owner] == (seen{})):
			p.take = append(p.take, s)
		}
	}
	return p
}
