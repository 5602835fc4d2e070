package mailer

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// How a lane is worked.
const (
	// defaultConnections is how many connections one sender's host gets from one process.
	defaultConnections = 8
	// claimTime is how long a claimed mail is ours: longer than connecting and sending may take, and
	// short, since a mail whose process was killed waits that long.
	claimTime = connectTime + sendTime + 10*time.Second
	// startTime is how long after the claim a mail may be begun, so that it ends before the claim does.
	startTime = claimTime - connectTime - sendTime
	// ahead is how many mails are claimed beyond those that are under way: one statement serves many.
	ahead = 2 * defaultConnections
	// laneTime is how long a bounded lane is ours without being taken again.
	laneTime = 2 * claimTime
	// idleTime and maxPerConnection end a connection before most hosts do.
	idleTime         = 30 * time.Second
	maxPerConnection = 100
	// A host that refuses us, or hangs, is left alone for a while, and longer each time.
	minPause = 2 * time.Second
	maxPause = time.Minute
)

// caps is what a mail host allows one mailbox, over all our processes.
type caps struct {
	connections int
	perMinute   int // 0 means no bound that we know
}

// exchangeCaps are Exchange Online's for one mailbox: three connections and 30 messages a minute
// (learn.microsoft.com, “Improvements to SMTP client submission”); what is more, it delivers late.
// They hold for Microsoft Graph as well.
func exchangeCaps() caps { return caps{connections: 3, perMinute: 30} }

// capsOf knows the hosts of others that count.
func capsOf(host string) caps {
	switch host = strings.ToLower(host); {
	case host == "smtp.office365.com", host == "smtp-mail.outlook.com", strings.HasSuffix(host, ".office365.us"), strings.HasSuffix(host, ".partner.outlook.cn"):
		return exchangeCaps()
	}
	return caps{connections: defaultConnections}
}

// lane works off one sender's mail.
type lane struct {
	s  *Service
	id latchkey.SenderID
	// kick wakes run while mails are under way.
	kick chan struct{}
	// caps and pace belong to run.
	caps caps
	pace *rate.Limiter

	mu      sync.Mutex
	from    identity
	sender  latchkey.Sender
	idle    []*wire
	running bool
	again   bool
	pause   time.Duration
	closed  time.Time // until when the host is left alone
}

// Run works off the outbox until ctx ends, and returns when what was begun is finished.
func (s *Service) Run(ctx context.Context) error {
	var working sync.WaitGroup
	defer s.closeIdle(true)
	defer working.Wait()
	poll := time.NewTicker(s.cfg.Poll)
	defer poll.Stop()
	for {
		if err := s.dispatch(ctx, &working); err != nil && ctx.Err() == nil {
			s.cfg.Log.ErrorContext(ctx, "the outbox could not be looked at", slog.String("cause", err.Error()))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-poll.C:
			s.closeIdle(false)
		}
	}
}

// maxLanes is how many senders' lanes are looked at in one go.
const maxLanes = 1000

// dispatch starts each lane that has mail, unless it is running.
func (s *Service) dispatch(ctx context.Context, working *sync.WaitGroup) error {
	due, err := s.cfg.Store.Mails().Lanes(ctx, s.now(), maxLanes)
	if err != nil {
		return err
	}
	for _, id := range due {
		l := s.lane(id)
		if !l.start(s.now()) {
			continue
		}
		working.Go(func() { l.run(ctx) })
	}
	return nil
}

func (s *Service) lane(id latchkey.SenderID) *lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lanes[id]
	if l == nil {
		l = &lane{s: s, id: id, kick: make(chan struct{}, 1)}
		s.lanes[id] = l
	}
	return l
}

// start tells whether the caller is to run the lane; a running one is told to look once more.
func (l *lane) start(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Before(l.closed) {
		return false
	}
	if l.running {
		l.again = true
		select {
		case l.kick <- struct{}{}:
		default:
		}
		return false
	}
	l.running = true
	return true
}

// run sends until nothing is due, or the host is to be left alone. A mail that hangs keeps its own
// connection busy and nobody else's.
func (l *lane) run(ctx context.Context) {
	done := make(chan error)
	inFlight, more := 0, true
	var ready []latchkey.Mail
	late := time.NewTimer(startTime)
	defer late.Stop()
	for {
		if len(ready) > 0 && l.leftAlone(ctx, l.s.now()) {
			l.complain(ctx, l.release(ctx, ready))
			ready = nil
		}
		if len(ready) == 0 && more && inFlight < max(l.caps.connections, 1) {
			var err error
			ready, more, err = l.claim(ctx, inFlight)
			l.complain(ctx, err)
			late.Reset(startTime)
		}
		for ; len(ready) > 0 && inFlight < max(l.caps.connections, 1); ready = ready[1:] {
			m := ready[0]
			if l.pace != nil && !withheld(m) {
				l.pace.AllowN(l.s.now(), 1) // claim has seen that there is room
			}
			inFlight++
			go func() { done <- l.one(ctx, m) }()
		}
		if inFlight == 0 {
			if len(ready) == 0 && l.stop(ctx) {
				return
			}
			more = true
			continue
		}
		select {
		case err := <-done:
			inFlight--
			l.complain(ctx, err)
		case <-l.kick:
			more = true
		case <-late.C:
			// Those under way hang: the rest is given back, and may go elsewhere.
			l.complain(ctx, l.release(ctx, ready))
			ready = nil
		}
	}
}

// complain logs an error of our own and leaves the lane for a moment.
func (l *lane) complain(ctx context.Context, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	l.s.cfg.Log.ErrorContext(ctx, "mail could not be worked off", slog.String("sender_id", string(l.id)), slog.String("cause", err.Error()))
	l.backOff()
}

// stop ends the lane, unless there was a kick since it looked.
func (l *lane) stop(ctx context.Context) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.again && ctx.Err() == nil && !l.s.now().Before(l.closed) {
		l.again = false
		return false
	}
	l.running, l.again = false, false
	return true
}

// claim takes as many mails as there are connections free, and some to follow. None where the host is to
// be left alone, its minute is used up, or another process works the lane. more tells that there may be
// others.
func (l *lane) claim(ctx context.Context, inFlight int) (ready []latchkey.Mail, more bool, err error) {
	now := l.s.now()
	if l.leftAlone(ctx, now) {
		return nil, false, nil
	}
	most := max(l.caps.connections, 1) - inFlight
	switch {
	case l.pace != nil:
		most = min(most, int(l.pace.TokensAt(now)))
	case l.caps.connections > 0:
		most += ahead
	}
	if most <= 0 {
		return nil, false, nil
	}
	claimed, err := l.s.cfg.Store.Mails().Claim(ctx, l.id, now, now.Add(claimTime), most)
	if err != nil || len(claimed) == 0 {
		return nil, false, err
	}
	ready, err = l.sift(ctx, claimed, now)
	return ready, len(claimed) == most, err
}

// sift reads the sender as it now is, and keeps back what it must not send.
func (l *lane) sift(ctx context.Context, claimed []latchkey.Mail, now time.Time) ([]latchkey.Mail, error) {
	gone, err := l.load(ctx, claimed[0].ApplicationID)
	if err != nil {
		return nil, err // the claims run out
	}
	if gone {
		return nil, l.orphan(ctx, claimed, errs.CodeNoSender)
	}
	claimed, waiting := l.mayGo(claimed)
	if len(waiting) > 0 {
		if err := l.orphan(ctx, waiting, errs.CodeSenderUnproven); err != nil {
			return nil, err
		}
	}
	if len(claimed) == 0 {
		return nil, nil
	}
	if l.caps.perMinute > 0 {
		mine, err := l.s.cfg.Store.Mails().TakeLane(ctx, l.id, l.s.holder, now, now.Add(laneTime))
		if err != nil {
			return nil, err
		}
		if !mine {
			l.backOff() // whoever has the lane looks every second
			return nil, l.release(ctx, claimed)
		}
	}
	return claimed, nil
}

// release gives mails back that another process is to send, or this one later.
func (l *lane) release(ctx context.Context, claimed []latchkey.Mail) error {
	ctx = context.WithoutCancel(ctx)
	for _, m := range claimed {
		claim := m.DueAt
		m.DueAt = l.s.now()
		if err := l.finish(ctx, m, claim); err != nil {
			return err
		}
	}
	return nil
}

// load reads the sender as it now is; gone tells that there is none. A changed one gets new connections.
func (l *lane) load(ctx context.Context, app latchkey.ApplicationID) (gone bool, err error) {
	if l.id == "" {
		r := l.s.cfg.Default
		l.mu.Lock()
		defer l.mu.Unlock()
		l.from, l.caps = identity{Email: r.Email, Name: r.Name}, capsOf(r.Host)
		l.setPace()
		return false, nil
	}
	sender, err := l.s.cfg.Store.Senders().Get(ctx, app, l.id)
	if errors.Is(err, store.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !sender.UpdatedAt.Equal(l.sender.UpdatedAt) {
		for _, w := range l.idle {
			go w.close()
		}
		l.idle = nil
	}
	l.sender = sender
	l.from = identity{Email: sender.Email, Name: sender.Name}
	l.caps = capsOf(l.s.routeOf(sender).host)
	if sender.Provider == latchkey.Microsoft {
		l.caps = exchangeCaps()
	}
	l.setPace()
	return false, nil
}

func (l *lane) setPace() {
	if l.caps.perMinute > 0 && l.pace == nil {
		l.pace = rate.NewLimiter(rate.Every(time.Minute/time.Duration(l.caps.perMinute)), l.caps.connections)
	}
	if l.caps.perMinute == 0 {
		l.pace = nil
	}
}

// mayGo keeps back what must not be sent: all but the proof itself, where a change has put the proof of
// the address in question since the mail was written.
func (l *lane) mayGo(claimed []latchkey.Mail) (may, not []latchkey.Mail) {
	l.mu.Lock()
	proven := l.id == "" || !l.sender.OwnedAt.IsZero()
	l.mu.Unlock()
	if proven {
		return claimed, nil
	}
	for _, m := range claimed {
		if m.Kind == KindSenderProof {
			may = append(may, m)
		} else {
			not = append(not, m)
		}
	}
	return may, not
}

// orphan ends the mail of a sender that was deleted or put in question meanwhile, or leaves it to the
// default sender.
func (l *lane) orphan(ctx context.Context, claimed []latchkey.Mail, why errs.Code) error {
	for _, m := range claimed {
		claim := m.DueAt
		m.UpdatedAt, m.Status = l.s.now(), latchkey.MailFailed
		switch {
		case withheld(m):
		case l.s.cfg.Default.Set() && m.Kind != KindSenderProof && m.Kind != KindTest:
			m.Status, m.SenderID, m.DueAt = latchkey.MailQueued, "", l.s.now()
		default:
			m.Code = string(why)
		}
		if err := l.finish(ctx, m, claim); err != nil {
			return err
		}
	}
	l.s.Wake()
	return nil
}

// retryIn is 2, 4, 8 … seconds and at most a minute, with jitter.
func (l *lane) retryIn(attempts int) time.Duration {
	d := min(minPause<<min(attempts-1, 10), maxPause)
	return d/2 + time.Duration(l.s.cfg.Jitter()*float64(d)/2)
}

// backOff leaves the host alone for a while.
func (l *lane) backOff() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.s.now().Before(l.closed) {
		return // its other connections found the same
	}
	l.pause = min(max(2*l.pause, minPause/2), maxPause/2)
	l.closed = l.s.now().Add(l.pause)
}

func (l *lane) open() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pause, l.closed = 0, time.Time{}
}

// leftAlone tells that nothing new is begun now.
func (l *lane) leftAlone(ctx context.Context, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return ctx.Err() != nil || now.Before(l.closed)
}
