package operators

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/secret"
	"latchkey/internal/store"
)

// canHavePasskeys tells whether browsers offer them there: in secure contexts only, and for names, not
// for IP addresses (Web Authentication Level 3 §5.1.3, step 8).
func canHavePasskeys(base *url.URL) bool {
	host := base.Hostname()
	return net.ParseIP(host) == nil && (base.Scheme == "https" || host == "localhost")
}

func newWebAuthn(base *url.URL) (*webauthn.WebAuthn, error) {
	limit := webauthn.TimeoutConfig{Enforce: true, Timeout: ceremonyLife, TimeoutUVD: ceremonyLife}
	return webauthn.New(&webauthn.Config{
		RPID: base.Hostname(), RPDisplayName: base.Hostname(), RPOrigins: []string{base.Scheme + "://" + base.Host},
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			// Found without an address typed first, and unlocked by who holds it: that is two factors.
			ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired,
		},
		AttestationPreference: protocol.PreferNoAttestation,
		Timeouts:              webauthn.TimeoutsConfig{Login: limit, Registration: limit},
	})
}

// HasPasskeys tells whether passkeys can be used here.
func (s *Service) HasPasskeys() bool { return s.keys != nil }

// person is an operator as the WebAuthn library wants it.
type person struct {
	o    latchkey.Operator
	keys []webauthn.Credential
}

func (p person) WebAuthnID() []byte                         { return []byte(p.o.ID) }
func (p person) WebAuthnName() string                       { return p.o.Email }
func (p person) WebAuthnDisplayName() string                { return p.o.Shown() }
func (p person) WebAuthnCredentials() []webauthn.Credential { return p.keys }

func (s *Service) person(ctx context.Context, o latchkey.Operator) (person, error) {
	p := person{o: o}
	all, err := s.cfg.Store.Passkeys().List(ctx, o.ID)
	for _, k := range all {
		var c webauthn.Credential
		if err := json.Unmarshal(k.Credential, &c); err != nil {
			return p, fmt.Errorf("operators: passkey %s: %w", k.ID, err)
		}
		p.keys = append(p.keys, c)
	}
	return p, err
}

// Ceremony is what the browser is asked, and the token of the answer.
type Ceremony struct {
	Token   secret.Text
	Options any
}

func (s *Service) begin(ctx context.Context, kind string, o latchkey.OperatorID, options any, session *webauthn.SessionData) (Ceremony, error) {
	body, err := json.Marshal(session)
	if err != nil {
		return Ceremony{}, fmt.Errorf("operators: %w", err)
	}
	token, hash := secret.NewToken()
	now := s.now()
	err = s.cfg.Store.OneTimes().Create(ctx, store.OneTime{
		TokenHash: hash, Kind: kind, OperatorID: o, Body: body, CreatedAt: now, ExpiresAt: now.Add(ceremonyLife),
	})
	return Ceremony{Token: secret.NewText(token), Options: options}, err
}

// take takes what was begun: an answer counts once.
func (s *Service) take(ctx context.Context, kind, token string) (store.OneTime, webauthn.SessionData, error) {
	var session webauthn.SessionData
	o, err := s.cfg.Store.OneTimes().Take(ctx, kind, secret.HashToken(token))
	if errors.Is(err, store.ErrNotFound) || err == nil && !s.now().Before(o.ExpiresAt) {
		return o, session, refusedKey(nil)
	}
	if err != nil {
		return o, session, err
	}
	return o, session, json.Unmarshal(o.Body, &session)
}

func refusedKey(cause error) error {
	return errs.Wrap(cause, errs.Invalid, errs.CodeCredentialRejected, "The passkey was not accepted. Try again, or come in another way.")
}

func noPasskeys() error {
	return errs.New(errs.Conflict, errs.CodeUnsupported,
		"Browsers offer passkeys on https addresses with a name only. Set LATCHKEY_BASE_URL to one.")
}

// BeginRegister asks an operator's browser for a new passkey.
func (s *Service) BeginRegister(ctx context.Context, o latchkey.Operator) (Ceremony, error) {
	if s.keys == nil {
		return Ceremony{}, noPasskeys()
	}
	p, err := s.person(ctx, o)
	if err != nil {
		return Ceremony{}, err
	}
	if len(p.keys) >= maxPasskeys {
		return Ceremony{}, errs.New(errs.Conflict, errs.CodeConflict, "You have as many passkeys as you may. Delete one first.")
	}
	options, session, err := s.keys.BeginRegistration(p, webauthn.WithExclusions(webauthn.Credentials(p.keys).CredentialDescriptors()))
	if err != nil {
		return Ceremony{}, fmt.Errorf("operators: passkey: %w", err)
	}
	return s.begin(ctx, kindRegister, o.ID, options, session)
}

// Register takes the answer.
func (s *Service) Register(ctx context.Context, o latchkey.Operator, token, name string, answer []byte) (latchkey.Passkey, error) {
	name, bad := checkName(name)
	if bad != nil {
		return latchkey.Passkey{}, errs.InvalidFields(*bad)
	}
	if s.keys == nil {
		return latchkey.Passkey{}, noPasskeys()
	}
	was, session, err := s.take(ctx, kindRegister, token)
	if err != nil {
		return latchkey.Passkey{}, err
	}
	if was.OperatorID != o.ID {
		return latchkey.Passkey{}, refusedKey(nil)
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return latchkey.Passkey{}, refusedKey(err)
	}
	c, err := s.keys.CreateCredential(person{o: o}, session, parsed)
	if err != nil {
		return latchkey.Passkey{}, refusedKey(err)
	}
	body, err := json.Marshal(c)
	if err != nil {
		return latchkey.Passkey{}, fmt.Errorf("operators: %w", err)
	}
	if name == "" {
		name = "Passkey"
	}
	k := latchkey.Passkey{ID: latchkey.NewPasskeyID(s.cfg.Now()), OperatorID: o.ID, Name: name, CredentialID: c.ID, Credential: body, CreatedAt: s.now()}
	err = s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		// The operator may have been removed while the browser asked.
		if _, err := tx.Operators().ForUpdate(ctx, o.ID); err != nil {
			return unknown(err, "operator")
		}
		return tx.Passkeys().Create(ctx, k)
	})
	if errors.Is(err, store.ErrConflict) {
		return latchkey.Passkey{}, refusedKey(err)
	}
	if err == nil {
		s.cfg.Log.InfoContext(ctx, "passkey added", slog.String("operator_id", string(o.ID)), slog.String("passkey_id", string(k.ID)))
	}
	return k, err
}

// BeginPasskey asks any browser for a passkey of ours. It says the same to everybody.
func (s *Service) BeginPasskey(ctx context.Context) (Ceremony, error) {
	if s.keys == nil {
		return Ceremony{}, noPasskeys()
	}
	options, session, err := s.keys.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return Ceremony{}, fmt.Errorf("operators: passkey: %w", err)
	}
	return s.begin(ctx, kindAssert, "", options, session)
}

// Passkey takes the answer, and signs this browser in.
func (s *Service) Passkey(ctx context.Context, token string, answer []byte, b Browser) (SignedIn, error) {
	if s.keys == nil {
		return SignedIn{}, noPasskeys()
	}
	_, session, err := s.take(ctx, kindAssert, token)
	if err != nil {
		return SignedIn{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return SignedIn{}, refusedKey(err)
	}
	var ours error
	found, c, err := s.keys.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
		o, err := s.cfg.Store.Operators().Get(ctx, latchkey.OperatorID(handle))
		if err == nil {
			var p person
			if p, err = s.person(ctx, o); err == nil {
				return p, nil
			}
		}
		if !errors.Is(err, store.ErrNotFound) {
			ours = err
		}
		return nil, err
	}, session, parsed)
	if ours != nil {
		return SignedIn{}, ours
	}
	if err != nil {
		return SignedIn{}, refusedKey(err)
	}
	p, ok := found.(person)
	if !ok || c.Authenticator.CloneWarning {
		// WebAuthn §6.1.1: a counter that went back means two copies of the key.
		return SignedIn{}, refusedKey(errors.New("operators: the passkey's counter went back"))
	}
	var in SignedIn
	err = s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		o, err := tx.Operators().ForUpdate(ctx, p.o.ID)
		if err != nil {
			return refusedKey(err)
		}
		if err := s.use(ctx, tx, c); err != nil {
			return err
		}
		in, err = s.signIn(ctx, tx, o, latchkey.LoginByPasskey, b)
		return err
	})
	return s.told(ctx, in, err)
}

// use writes the counter down.
func (s *Service) use(ctx context.Context, tx store.Tx, c *webauthn.Credential) error {
	k, err := tx.Passkeys().ByCredential(ctx, c.ID)
	if errors.Is(err, store.ErrNotFound) {
		return refusedKey(err)
	}
	if err != nil {
		return err
	}
	body, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("operators: %w", err)
	}
	k.UsedAt = s.now()
	if !bytes.Equal(body, k.Credential) {
		k.Credential = body
	}
	return tx.Passkeys().Use(ctx, k)
}

// Passkeys are an operator's, newest first.
func (s *Service) Passkeys(ctx context.Context, o latchkey.OperatorID) ([]latchkey.Passkey, error) {
	return s.cfg.Store.Passkeys().List(ctx, o)
}

// DeletePasskey forgets one. Logins that it made go on.
func (s *Service) DeletePasskey(ctx context.Context, o latchkey.OperatorID, id latchkey.PasskeyID) error {
	return unknown(s.change(ctx, func(ctx context.Context, tx store.Tx) error { return tx.Passkeys().Delete(ctx, o, id) }), "passkey")
}
