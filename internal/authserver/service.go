package authserver

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

const (
	// keepFor is how long an answer is remembered; its access token may end sooner.
	keepFor = time.Minute
	// margin is how long an access token must live still.
	margin = 30 * time.Second
	// maxKept bounds the memory that answers may take.
	maxKept = 10_000
)

// Signer sets the Standard Webhooks headers on a request, with a signature for each secret.
type Signer func(h http.Header, secrets []string, id string, at time.Time, payload []byte) error

// Config is what the service needs.
type Config struct {
	// Store knows applications: their server and the secret that signs.
	Store store.Store
	// Client goes out under the egress policy of notifications: like a notify URL, the address is the
	// application's choice. It bounds time and size, and follows no redirect.
	Client *http.Client
	Sign   Signer
	Now    func() time.Time
	Log    *slog.Logger
}

// Service borrows from authentication servers. It is a connector.Lender.
type Service struct {
	cfg    Config
	asking singleflight.Group

	mu   sync.Mutex
	kept map[key]entry
}

var _ connector.Lender = (*Service)(nil)

// New makes the service.
func New(cfg Config) *Service { return &Service{cfg: cfg, kept: map[key]entry{}} }

// key is what an answer was to. With the address in it, a changed one takes effect at once.
type key struct {
	connector.LoanRequest
	url string
}

type entry struct {
	loan   connector.Loan
	until  time.Time
	forget *time.Timer
}

// Lend returns the credential: as it is remembered, or as the application's server says. Callers at
// once share one request.
func (s *Service) Lend(ctx context.Context, r connector.LoanRequest, refused *connector.Loan) (connector.Loan, error) {
	app, err := s.cfg.Store.Applications().Get(ctx, r.ApplicationID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return connector.Loan{}, errs.NotFoundf("application")
	case err != nil:
		return connector.Loan{}, err
	case app.AuthServerURL == "":
		return connector.Loan{}, errs.New(errs.Conflict, errs.CodeAuthServerRefused,
			"The application has no authentication server. Set auth_server_url with PUT /v1/application.")
	}
	k := key{r, app.AuthServerURL}
	if l, ok := s.remembered(k); ok && (refused == nil || !l.Same(*refused)) {
		return l, nil
	}
	// What was begun for others too goes on when this caller hangs up; the client bounds its time.
	done := s.asking.DoChan(r.Protocol+"\x00"+string(r.ApplicationID)+"\x00"+r.Account+"\x00"+app.AuthServerURL, func() (any, error) {
		return s.ask(context.WithoutCancel(ctx), app, k)
	})
	select {
	case <-ctx.Done():
		return connector.Loan{}, errs.Wrap(ctx.Err(), errs.Unavailable, errs.CodeAuthServerUnreachable, "The authentication server took too long.")
	case a := <-done:
		l, _ := a.Val.(connector.Loan)
		return l, a.Err
	}
}

func (s *Service) ask(ctx context.Context, app latchkey.Application, k key) (connector.Loan, error) {
	begun := s.cfg.Now()
	l, err := s.fetch(ctx, app, k.LoanRequest)
	if err != nil {
		// The cause may hold the address, and so the account's name: only its kind is said.
		s.cfg.Log.WarnContext(ctx, "nothing borrowed from the authentication server", slog.String("app_id", string(app.ID)),
			slog.String("protocol", k.Protocol), slog.String("code", string(errs.As(err).Code)), slog.String("detail", errs.As(err).Detail))
		return l, err
	}
	s.remember(k, l, begun)
	return l, nil
}

func (s *Service) remembered(k key) (connector.Loan, bool) {
	now := s.cfg.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.kept[k]
	// One from further ahead than any was made before somebody set the clock back.
	return e.loan, ok && now.Before(e.until) && e.until.Sub(now) <= keepFor
}

// remember keeps an answer, and erases it when its time is over: what is lent must not lie about.
func (s *Service) remember(k key, l connector.Loan, asked time.Time) {
	until := asked.Add(keepFor)
	if end := l.ExpiresAt.Add(-margin); !l.ExpiresAt.IsZero() && end.Before(until) {
		until = end
	}
	life := until.Sub(asked)
	if life <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.kept[k]; ok {
		old.forget.Stop()
	} else if len(s.kept) >= maxKept {
		return
	}
	e := entry{loan: l, until: until}
	e.forget = time.AfterFunc(life, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if now, ok := s.kept[k]; ok && now.until.Equal(until) {
			delete(s.kept, k)
		}
	})
	s.kept[k] = e
}
