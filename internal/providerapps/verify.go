package providerapps

import (
	"context"
	"log/slog"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
)

// verifyTimeout bounds a verification: the caller waits for it.
const verifyTimeout = 30 * time.Second

// Verification is what the provider says of a provider app.
type Verification struct {
	App latchkey.ProviderApp
	// OK says that every finding is.
	OK       bool
	Findings []connector.AppFinding
}

// Verify asks the provider whether the app is set up right. An app that is takes its flag off.
func (s *Service) Verify(ctx context.Context, app latchkey.ApplicationID, id latchkey.ProviderAppID) (Verification, error) {
	a, err := s.Get(ctx, app, id)
	if err != nil {
		return Verification{}, err
	}
	verifier, ok := s.cfg.Connectors[a.Provider].(connector.AppVerifier)
	if !ok {
		return Verification{}, errs.New(errs.Conflict, errs.CodeUnsupported, "Provider apps of this provider cannot be verified from here. Connect an account with it instead.")
	}
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	findings, err := verifier.VerifyApp(ctx, *client(a), s.cfg.CallbackURL)
	if err != nil {
		return Verification{}, errs.Wrap(err, errs.Unavailable, errs.CodeUnavailable,
			"The provider did not answer, so nothing is known of the app. Try again in a while.")
	}
	v := Verification{App: a, OK: len(findings) > 0, Findings: findings}
	for _, f := range findings {
		v.OK = v.OK && f.OK
	}
	s.cfg.Log.InfoContext(ctx, "provider app verified", append(attrs(a), slog.Bool("ok", v.OK))...)
	if v.OK {
		if err := s.Flag(ctx, app, string(id), ""); err != nil {
			return Verification{}, err
		}
		v.App.Flag = ""
	}
	return v, nil
}
