package accounts

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// Emitter writes an event in the transaction of what it reports.
type Emitter interface {
	Emit(ctx context.Context, tx store.Tx, ev latchkey.Event) (latchkey.Event, error)
}

// Sealer seals what travels in a job: jobs lie in the database in clear.
type Sealer interface {
	Seal(aad string, plain []byte) ([]byte, error)
	Open(aad string, sealed []byte) ([]byte, error)
}

// Apps knows the OAuth clients that credentials belong to.
type Apps interface {
	// For returns the client with the id; errs.CodeNotFound where it is gone.
	For(ctx context.Context, app latchkey.ApplicationID, p latchkey.Provider, id string) (*connector.App, error)
	// Flag notes what is wrong with the client, or with an empty code that it works.
	Flag(ctx context.Context, app latchkey.ApplicationID, id, code string) error
}

// Sessions are the connections that are held open for accounts that need it.
type Sessions interface {
	// Alone runs fn while nobody is connected for the account, and ends its being kept. Where somebody
	// still is, elsewhere, it fails, and is worth trying again soon.
	Alone(ctx context.Context, id latchkey.AccountID, fn func(ctx context.Context) error) error
}

// Reminders ask end users to reconnect, where their application wants that.
type Reminders interface {
	// Changed hears of an account whose status is another than it was, in the transaction that wrote it.
	Changed(ctx context.Context, tx store.Tx, a *latchkey.Account, was latchkey.Account) error
	// TakeBack ends a mail that has not left; Gone is the same for an account that is being deleted.
	TakeBack(ctx context.Context, tx store.Tx, a *latchkey.Account) error
	Gone(ctx context.Context, tx store.Tx, a latchkey.Account) error
}

// Config is what the service needs.
type Config struct {
	Store      store.Store
	Connectors map[latchkey.Provider]connector.Connector
	Events     Emitter
	Seal       Sealer
	Now        func() time.Time
	Log        *slog.Logger
	// Reminders may be nil: nobody is asked to reconnect then.
	Reminders Reminders
	// RefusalPause lies between a refusal and the second try that confirms it; 0 means a second.
	RefusalPause time.Duration
	// Apps may be nil where no connector needs one; Sessions, where no connector is a Keeper.
	Apps     Apps
	Sessions Sessions
	// Lend gives credentials that applications keep themselves; nil gives none.
	Lend connector.Lender
	// RefreshRate is how many credentials of one provider all replicas together renew in a second;
	// 0 means DefaultRefreshRate. RefreshWorkers is how many at once; 0 means 64.
	RefreshRate    float64
	RefreshWorkers int
	// RefreshTimeout bounds one try at the provider; 0 means 15 seconds.
	RefreshTimeout time.Duration
	// RefreshEvery is how often to look for credentials to renew; 0 means every 5 seconds.
	RefreshEvery time.Duration
	// CheckEvery is the pause between two checks of an account that is well; 0 means
	// DefaultCheckEvery, and less that nothing is checked by itself. The other pauses follow from it.
	CheckEvery time.Duration
	// CheckPatience is how long an outage may last before it is ERROR; 0 means DefaultCheckPatience.
	CheckPatience time.Duration
	// CheckRate is how many accounts of one provider, or one mail host, are checked in a second, over
	// all replicas; 0 means DefaultCheckRate. CheckWorkers is how many of one provider this process
	// checks at once; 0 means 48.
	CheckRate    float64
	CheckWorkers int
	// CheckPoll is how often to look for accounts that are due; 0 means often enough for CheckEvery.
	CheckPoll time.Duration
	// Observe may be nil.
	Observe Observer
}

// Observer counts checks, by the status that they found, and renewals: renewed, refused, outage or
// app_refused.
type Observer interface {
	Check(provider, status string)
	Refresh(provider, outcome string)
}

// Service looks after connected accounts.
type Service struct {
	cfg Config

	mu      sync.Mutex
	running map[latchkey.AccountID]struct{}

	renewing singleflight.Group
	// inFlight are renewals whose caller may be gone; Run waits for them.
	inFlight sync.WaitGroup
	failures failures
	pace     map[latchkey.Provider]*pace
	issued   ledger
	lanes    lanes
	// begun is when this process did.
	begun time.Time
}

// New makes the service.
func New(cfg Config) *Service {
	if cfg.RefusalPause == 0 {
		cfg.RefusalPause = time.Second
	}
	if cfg.RefreshRate == 0 {
		cfg.RefreshRate = DefaultRefreshRate
	}
	if cfg.RefreshWorkers == 0 {
		cfg.RefreshWorkers = 64
	}
	if cfg.RefreshTimeout == 0 {
		cfg.RefreshTimeout = 15 * time.Second
	}
	if cfg.RefreshEvery == 0 {
		cfg.RefreshEvery = 5 * time.Second
	}
	if cfg.CheckEvery == 0 {
		cfg.CheckEvery = DefaultCheckEvery
	}
	if cfg.CheckPatience == 0 {
		cfg.CheckPatience = DefaultCheckPatience
	}
	if cfg.CheckRate == 0 {
		cfg.CheckRate = DefaultCheckRate
	}
	if cfg.CheckWorkers == 0 {
		cfg.CheckWorkers = 48
	}
	s := &Service{
		cfg: cfg, running: make(map[latchkey.AccountID]struct{}), pace: map[latchkey.Provider]*pace{},
		failures: failures{at: map[latchkey.AccountID]time.Time{}}, issued: ledger{open: map[ledgerKey]*ledgerEntry{}},
		lanes: lanes{all: map[string]*lane{}},
	}
	s.begun = s.now()
	for p := range cfg.Connectors {
		s.pace[p] = newPace(cfg.Store.Paces(), p, cfg.RefreshRate)
	}
	return s
}

// List returns a page of the application's accounts, newest first.
func (s *Service) List(ctx context.Context, app latchkey.ApplicationID, p store.Page) ([]latchkey.Account, error) {
	return s.cfg.Store.Accounts().List(ctx, app, p)
}

// ListByStatus is List of the accounts in one status.
func (s *Service) ListByStatus(ctx context.Context, app latchkey.ApplicationID, st latchkey.AccountStatus, p store.Page) ([]latchkey.Account, error) {
	return s.cfg.Store.Accounts().ListByStatus(ctx, app, st, p)
}

// CountByStatus counts the application's accounts in each status.
func (s *Service) CountByStatus(ctx context.Context, app latchkey.ApplicationID) (map[latchkey.AccountStatus]int64, error) {
	return s.cfg.Store.Accounts().CountByStatus(ctx, app)
}

// Get finds an account by our id or the application's own.
func (s *Service) Get(ctx context.Context, app latchkey.ApplicationID, idOrExternal string) (latchkey.Account, error) {
	a, err := s.cfg.Store.Accounts().Get(ctx, app, idOrExternal)
	return a, known(err)
}

// known turns the store's answer to an unknown (or foreign) id into the caller's.
func known(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return errs.NotFoundf("account")
	}
	return err
}

// eventData is what events of an account say. It holds nothing that the account's own JSON does not.
func eventData(a latchkey.Account, more map[string]any) (json.RawMessage, error) {
	data := map[string]any{
		"account_id":   a.ID,
		"account_type": a.Provider,
		"name":         a.Name,
	}
	if a.ExternalID != "" {
		data["external_id"] = a.ExternalID
	}
	if a.Test {
		data["test"] = true
	}
	for k, v := range more {
		data[k] = v
	}
	return json.Marshal(data)
}

// credential is what connectors work on: the account's secret, with the OAuth client that it
// belongs to. errs.CodeNotFound means that the client is gone.
func (s *Service) credential(ctx context.Context, a latchkey.Account) (connector.Credential, error) {
	c := connector.Credential{
		AccountID: a.ID, Identity: a.Identity, Params: a.Params, Secret: a.Secret, ApplicationID: a.ApplicationID, Lent: lentName(a),
	}
	if a.ProviderApp == "" || s.cfg.Apps == nil {
		return c, nil
	}
	var err error
	c.App, err = s.cfg.Apps.For(ctx, a.ApplicationID, a.Provider, string(a.ProviderApp))
	return c, err
}
