package signin

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/secret"
	"latchkey/internal/store"
)

// Times and bounds of a sign-in.
const (
	// Lifetime is how long a code and a link are good (NIST SP 800-63B: 10 minutes at most).
	Lifetime = 10 * time.Minute
	// MaxTries is how often a challenge's code is looked at.
	MaxTries = 5
	// ResendAfter is the pause between two mails of one sign-in, MaxSends how many there are.
	ResendAfter = 30 * time.Second
	MaxSends    = 5
	// Renewable is how long after its beginning a sign-in may send another mail.
	Renewable = 30 * time.Minute
	// grantLifetime is how long what the browser carries to the application is good (RFC 6749 §4.1.2).
	grantLifetime = 2 * time.Minute
	// Keep is how long sign-ins stay after their end, for tokens that hang on them.
	Keep = 24 * time.Hour
)

// Mail is what one challenge wants sent.
type Mail struct {
	ApplicationID latchkey.ApplicationID
	// To is the address as it was typed.
	To     string
	Locale string
	Code   string
	Link   string
	Device string
	// ExpiresAt is when the code ends.
	ExpiresAt time.Time
	// Withheld is why the mail must not leave; empty sends it. The work is to be the same.
	Withheld string
}

// Mailer takes mail in the transaction of what it is about; Wake is called after the commit.
type Mailer interface {
	Queue(ctx context.Context, tx store.Tx, m Mail) error
	Wake()
}

// Events tells what happened, in the transaction in which it did.
type Events interface {
	Emit(ctx context.Context, tx store.Tx, ev latchkey.Event) (latchkey.Event, error)
}

// MAC makes message authentication codes, one key for each purpose, the same on every replica.
type MAC interface {
	MAC(purpose string, data []byte) []byte
}

// Config is what the service needs.
type Config struct {
	Store store.Store
	Mail  Mailer
	// Events may be nil: then nobody is told.
	Events Events
	MAC    MAC
	// Refused tells whether nobody may sign in to the application with an address, because mail comes from
	// it. It asks the same of the database for every address. May be nil.
	Refused func(ctx context.Context, tx store.Tx, app latchkey.ApplicationID, canonical string) (bool, error)
	// Known tells whether an address may sign in to the installation (realm ""). Without it, none may.
	Known func(ctx context.Context, tx store.Tx, canonical string) (bool, error)
	// BaseURL is where links and issuers lead, without a final slash.
	BaseURL string
	Now     func() time.Time
	Log     *slog.Logger
}

// Service signs people in. It is safe for concurrent use.
type Service struct {
	cfg  Config
	keys keyring
}

// New makes the service.
func New(cfg Config) *Service {
	s := &Service{cfg: cfg}
	s.keys.known = map[latchkey.ApplicationID]keyset{}
	return s
}

func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Millisecond) }

// By is who acts on a sign-in.
type By struct {
	// Browser is the cookie's value; empty for an application's backend.
	Browser string
	// Network is who asks, as limits count it, and Familiar the words that Remember gave to their device.
	// Both are looked at when a sign-in begins: it keeps them. Empty where they are not known.
	Network, Familiar string
}

// owns tells whether a sign-in was begun by whoever acts now.
func (by By) owns(v latchkey.SignIn) bool {
	if len(v.BrowserHash) == 0 {
		return by.Browser == ""
	}
	return by.Browser != "" && secret.SameToken(by.Browser, v.BrowserHash)
}

// find reads a sign-in that belongs to whoever acts. Another's is unknown.
func (s *Service) find(ctx context.Context, app latchkey.ApplicationID, id latchkey.SignInID, by By) (latchkey.SignIn, error) {
	v, err := s.cfg.Store.SignIns().Get(ctx, app, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && !by.owns(v) {
		return latchkey.SignIn{}, errs.NotFoundf("sign-in")
	}
	return v, err
}

// Look reads the sign-in that a browser began, for its page.
func (s *Service) Look(ctx context.Context, id latchkey.SignInID, browser string) (latchkey.SignIn, error) {
	if !isID(string(id)) {
		return latchkey.SignIn{}, errs.NotFoundf("sign-in")
	}
	v, err := s.cfg.Store.SignIns().ByID(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && (browser == "" || !(By{Browser: browser}).owns(v)) {
		return latchkey.SignIn{}, errs.NotFoundf("sign-in")
	}
	return v, err
}

// SettingKind is the kind of the document in which an application keeps its settings for sign-ins.
const SettingKind = "signin"

// Settings are an application's own.
type Settings struct {
	// RedirectURIs are where the hosted page may lead when no OpenID Connect client asked.
	RedirectURIs []string `json:"redirect_uris,omitempty"`
	// SendsPerHour and GuessesPerHour bound the application as a whole; 0 means the defaults.
	SendsPerHour   int `json:"sends_per_hour,omitempty"`
	GuessesPerHour int `json:"guesses_per_hour,omitempty"`
}

// Settings reads the application's settings; the zero value where it has none.
func (s *Service) Settings(ctx context.Context, app latchkey.ApplicationID) (Settings, error) {
	var out Settings
	doc, err := s.cfg.Store.Settings().Get(ctx, app, SettingKind)
	if errors.Is(err, store.ErrNotFound) {
		return out, nil
	}
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(doc.Body, &out)
}

// maxRedirectURIs bounds a list of redirect URIs.
const maxRedirectURIs = 50

// PutSettings replaces the application's settings.
func (s *Service) PutSettings(ctx context.Context, app latchkey.ApplicationID, set Settings) error {
	problems := checkURIs("redirect_uris", set.RedirectURIs, true)
	for field, n := range map[string]int{"sends_per_hour": set.SendsPerHour, "guesses_per_hour": set.GuessesPerHour} {
		if n < 0 || n > maxPerHour {
			problems = append(problems, errs.FieldError{Field: field, Code: errs.CodeOutOfRange, Message: "This must lie from 0, which means the default, to 10,000,000."})
		}
	}
	if len(problems) > 0 {
		return errs.InvalidFields(problems...)
	}
	body, err := json.Marshal(set)
	if err != nil {
		return err
	}
	return s.cfg.Store.Settings().Put(ctx, store.Setting{ApplicationID: app, Kind: SettingKind, Body: body, UpdatedAt: s.now()})
}
