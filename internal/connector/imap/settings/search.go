package settings

import (
	"context"
	"time"

	"latchkey/internal/connector/login"
)

// search is one run. All of its state belongs to run's goroutine; sources and probes send to it.
type search struct {
	f    *Finder
	ctx  context.Context //nolint:containedctx // a search lives exactly as long as its context
	a    Address
	tell func(Progress)

	answers chan answer
	probes  chan probed

	// pending are sources that have not answered, with the best rank they could come up with.
	pending map[Source]int
	known   []*state
	none    map[login.Protocol]bool
	mx      []string
	byMX    *Provider
	byTable *Provider
	asked   bool // the sources were started
	guessed bool
	told    Progress
	running int
}

type state struct {
	candidate
	status status
}

type status int

const (
	waiting status = iota
	probing
	good
	bad
)

type probed struct {
	state *state
	err   error
}

// maxProbes bounds how many servers are spoken to at once.
const maxProbes = 8

func newSearch(f *Finder, ctx context.Context, a Address, tell func(Progress)) *search { //nolint:revive // the context is the search's own
	return &search{
		f: f, ctx: ctx, a: a, tell: tell, answers: make(chan answer, 16), probes: make(chan probed, maxProbes),
		pending: map[Source]int{}, none: map[login.Protocol]bool{},
	}
}

// run asks, ranks, probes and decides, until both protocols are decided or the budget is used up.
func (s *search) run() Result {
	if s.byTable = s.f.table.ByDomain(s.a.Domain); s.byTable != nil {
		if s.byTable.Bridge {
			return Result{Provider: s.byTable}
		}
		s.take(answer{source: FromTable, provider: s.byTable, candidates: ofProvider(s.byTable, FromTable, rankTable)})
	} else {
		s.ask()
	}
	guess := time.NewTimer(guessAfter)
	defer guess.Stop()
	for !s.decided() {
		select {
		case <-s.ctx.Done():
			return s.result()
		case an := <-s.answers:
			delete(s.pending, an.source)
			s.take(an)
		case p := <-s.probes:
			s.running--
			p.state.status = good
			if p.err != nil {
				p.state.status = bad
			}
			s.announce()
		case <-guess.C:
			s.guess()
		}
		s.next()
	}
	return s.result()
}

// ask starts every source.
func (s *search) ask() {
	if s.asked {
		return
	}
	s.asked = true
	s.start(FromSRV, rankSRV, func() answer { return s.f.askSRV(s.ctx, s.a) })
	s.start(FromMX, rankMX, func() answer { return s.f.askMX(s.ctx, s.a) })
	s.start(FromAutoconfig, rankAutoconfig, func() answer { return s.f.askAutoconfig(s.ctx, s.a) })
	s.start(FromISPDB, rankISPDB, func() answer { return s.f.askISPDB(s.ctx, s.a.Domain, s.a, FromISPDB, rankISPDB) })
	s.start(FromAutodiscover, rankAutodiscover, func() answer { return s.f.askAutodiscover(s.ctx, s.a) })
	s.start(FromPlainHTTP, rankPlainHTTP, func() answer { return s.f.askPlainHTTP(s.ctx, s.a) })
}

func (s *search) start(source Source, rank int, ask func() answer) {
	s.pending[source] = rank
	go func() {
		an := ask()
		an.source = source
		select {
		case s.answers <- an:
		case <-s.ctx.Done():
		}
	}()
}

// take adds what a source said.
func (s *search) take(an answer) {
	for _, p := range an.none {
		s.none[p] = true
	}
	for _, c := range an.candidates {
		s.add(c)
	}
	if an.source == FromMX {
		s.mx, s.byMX = an.mx, an.provider
		s.askByMX()
	}
	s.announce()
}

// askByMX asks the ISPDB for whoever runs the mail exchanger, as Thunderbird does: it knows hosts of
// domains that are too small to be in it themselves.
func (s *search) askByMX() {
	if len(s.mx) == 0 || s.byMX != nil {
		return
	}
	domain := registered(s.mx[0])
	if domain == "" || domain == s.a.Domain {
		return
	}
	s.start(FromISPDBByMX, rankISPDBByMX, func() answer { return s.f.askISPDB(s.ctx, domain, s.a, FromISPDBByMX, rankISPDBByMX) })
}

// add adds a candidate; of one server named twice the better rank counts, with that source's login.
func (s *search) add(c candidate) {
	for _, k := range s.known {
		if k.protocol == c.protocol && k.server.SameAs(c.server) && k.server.Encryption == c.server.Encryption {
			if c.rank < k.rank {
				k.candidate = c
			}
			return
		}
	}
	s.known = append(s.known, &state{candidate: c})
}

// next starts what can be started now: probes, best rank first, and what comes after disappointment.
func (s *search) next() {
	if s.running == 0 && len(s.pending) == 0 && !s.anyWaiting() {
		if !s.asked {
			s.ask() // the table was wrong, or its servers cannot be reached from here
		} else {
			s.guess()
		}
	}
	for s.running < maxProbes {
		st := s.bestWaiting()
		if st == nil {
			return
		}
		st.status = probing
		s.running++
		protocol, server := st.protocol, st.server // st belongs to this goroutine alone
		go func() {
			err := s.f.probe.Probe(s.ctx, protocol, server)
			select {
			case s.probes <- probed{st, err}:
			case <-s.ctx.Done():
			}
		}()
		s.announce()
	}
}

func (s *search) guess() {
	if s.guessed || !s.asked {
		return
	}
	s.guessed = true
	for _, c := range guesses(s.a, s.mx, func(p login.Protocol) bool { return s.none[p] }) {
		s.add(c)
	}
}

func (s *search) anyWaiting() bool { return s.bestWaiting() != nil }

// bestWaiting is the candidate to probe next; ones that could not win any more are passed over.
func (s *search) bestWaiting() *state {
	var best *state
	for _, k := range s.known {
		if k.status != waiting || (best != nil && best.rank <= k.rank) {
			continue
		}
		if g := s.bestGood(k.protocol); g != nil && g.rank < k.rank {
			continue
		}
		best = k
	}
	return best
}

func (s *search) bestGood(p login.Protocol) *state {
	var best *state
	for _, k := range s.known {
		if k.protocol == p && k.status == good && (best == nil || k.rank < best.rank) {
			best = k
		}
	}
	return best
}

// decided tells whether nothing that could still come would change the result.
func (s *search) decided() bool {
	if s.byMX != nil && s.byMX.Bridge {
		return true
	}
	return s.settled(login.IMAP) && s.settled(login.SMTP)
}

func (s *search) settled(p login.Protocol) bool {
	best := s.bestGood(p)
	if best == nil {
		if s.none[p] && !s.open(p, rankGuess) {
			return true
		}
		return s.asked && s.guessed && len(s.pending) == 0 && !s.open(p, 1<<30)
	}
	for _, rank := range s.pending {
		if rank < best.rank {
			return false
		}
	}
	return !s.open(p, best.rank)
}

// open tells whether a candidate of a rank better than this is still to be probed.
func (s *search) open(p login.Protocol, rank int) bool {
	for _, k := range s.known {
		if k.protocol == p && (k.status == waiting || k.status == probing) && k.rank < rank {
			return true
		}
	}
	return false
}

// announce tells how far we are, if that changed.
func (s *search) announce() {
	now := Progress{LookedUp: s.byTable != nil || s.byMX != nil || len(s.known) > 0}
	if p := s.provider(nil, nil); p != nil {
		now.Hosted = p.Name
	}
	var imap, smtp *state
	for _, k := range s.known {
		if k.status == bad || k.status == waiting {
			continue
		}
		side := &imap
		if k.protocol == login.SMTP {
			side = &smtp
		}
		if *side == nil || k.rank < (*side).rank {
			*side = k
		}
	}
	if imap != nil {
		now.IMAP = imap.server.Host
	}
	if smtp != nil {
		now.SMTP = smtp.server.Host
	}
	if now != s.told {
		s.told = now
		s.tell(now)
	}
}

func (s *search) result() Result {
	var r Result
	imap, smtp := s.bestGood(login.IMAP), s.bestGood(login.SMTP)
	if imap != nil {
		r.IMAP = &Found{Server: imap.server, User: imap.user, Source: imap.source}
		r.personal = imap.personal
	}
	if smtp != nil {
		r.SMTP = &Found{Server: smtp.server, User: smtp.user, Source: smtp.source}
		r.personal = r.personal || smtp.personal
	}
	r.NoIMAP, r.NoSMTP = imap == nil && s.none[login.IMAP], smtp == nil && s.none[login.SMTP]
	r.Provider = s.provider(imap, smtp)
	return r
}

// provider is whose mail it is: by the domain, by who takes its mail, or by the servers found.
func (s *search) provider(found ...*state) *Provider {
	if s.byTable != nil {
		return s.byTable
	}
	if s.byMX != nil {
		return s.byMX
	}
	for _, st := range found {
		if st == nil {
			continue
		}
		if p := s.f.table.ByHost(st.server.Host); p != nil {
			return p
		}
	}
	return nil
}
