package signin

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/secret"
	"latchkey/internal/store"
)

// Bounds of OpenID Connect clients.
const (
	MaxClients    = 50
	MaxClientName = 100
)

// ClientSpec is a client to make, or what to change of one: nil leaves a field as it is.
type ClientSpec struct {
	Name           *string
	Public         *bool
	RedirectURIs   *[]string
	PostLogoutURIs *[]string
	Algorithm      *string
}

// CreatedClient is a new client. Secret is the only copy there will ever be; public clients have none.
type CreatedClient struct {
	Client latchkey.OIDCClient
	Secret secret.Text
}

// CreateClient registers a client, and sees to it that its id tokens can be signed.
func (s *Service) CreateClient(ctx context.Context, app latchkey.ApplicationID, spec ClientSpec) (CreatedClient, error) {
	now := s.now()
	c := latchkey.OIDCClient{ID: latchkey.NewOIDCClientID(s.cfg.Now()), ApplicationID: app, Algorithm: AlgRS256, CreatedAt: now, UpdatedAt: now}
	if spec.Public != nil {
		c.Public = *spec.Public
	}
	if problems := ApplyClient(&c, spec); len(problems) > 0 {
		return CreatedClient{}, errs.InvalidFields(problems...)
	}
	var text secret.Text
	if !c.Public {
		text, c.SecretHash = newClientSecret()
	}
	if err := s.ensureKey(ctx, app, c.Algorithm); err != nil {
		return CreatedClient{}, err
	}
	err := s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		// Of two that are made at once, the second counts the first.
		if err := tx.Applications().Lock(ctx, app); err != nil {
			return err
		}
		all, err := tx.OIDCClients().List(ctx, app)
		if err != nil {
			return err
		}
		if len(all) >= MaxClients {
			return errs.New(errs.Conflict, errs.CodeConflict, "An application may have "+strconv.Itoa(MaxClients)+" clients. Delete one first.")
		}
		return tx.OIDCClients().Create(ctx, c)
	})
	return CreatedClient{Client: c, Secret: text}, err
}

func newClientSecret() (secret.Text, []byte) {
	token, _ := secret.NewToken()
	token = "cls_" + token
	return secret.NewText(token), secret.HashToken(token)
}

// Client finds a client of an application.
func (s *Service) Client(ctx context.Context, app latchkey.ApplicationID, id latchkey.OIDCClientID) (latchkey.OIDCClient, error) {
	if !isID(string(id)) {
		return latchkey.OIDCClient{}, errs.NotFoundf("client")
	}
	c, err := s.cfg.Store.OIDCClients().Get(ctx, app, id)
	if errors.Is(err, store.ErrNotFound) {
		return c, errs.NotFoundf("client")
	}
	return c, err
}

// Clients lists an application's clients, oldest first.
func (s *Service) Clients(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.OIDCClient, error) {
	return s.cfg.Store.OIDCClients().List(ctx, app)
}

// UpdateClient changes a client. Whether it is public stays as it was made.
func (s *Service) UpdateClient(ctx context.Context, app latchkey.ApplicationID, id latchkey.OIDCClientID, spec ClientSpec) (latchkey.OIDCClient, error) {
	c, err := s.Client(ctx, app, id)
	if err != nil {
		return c, err
	}
	if err := changeClient(&c, spec); err != nil {
		return c, err
	}
	// Before the change, for making a key takes a while: what is chosen can sign from its first moment.
	if err := s.ensureKey(ctx, app, c.Algorithm); err != nil {
		return c, err
	}
	return s.inClient(ctx, app, id, func(c *latchkey.OIDCClient) error { return changeClient(c, spec) })
}

func changeClient(c *latchkey.OIDCClient, spec ClientSpec) error {
	problems := ApplyClient(c, spec)
	if spec.Public != nil && *spec.Public != c.Public {
		problems = append(problems, errs.FieldError{Field: "public", Code: errs.CodeUnsupported, Message: "This never changes. Make another client."})
	}
	if len(problems) > 0 {
		return errs.InvalidFields(problems...)
	}
	return nil
}

// inClient changes a client as it is at that moment. Two changes at once must not undo each other: the
// second reads what the first wrote.
func (s *Service) inClient(
	ctx context.Context, app latchkey.ApplicationID, id latchkey.OIDCClientID, change func(c *latchkey.OIDCClient) error,
) (c latchkey.OIDCClient, err error) {
	if !isID(string(id)) {
		return c, errs.NotFoundf("client")
	}
	err = s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := tx.Applications().Lock(ctx, app); err != nil {
			return err
		}
		var err error
		if c, err = tx.OIDCClients().Get(ctx, app, id); err != nil {
			return err
		}
		if err := change(&c); err != nil {
			return err
		}
		c.UpdatedAt = s.now()
		return tx.OIDCClients().Update(ctx, c)
	})
	if errors.Is(err, store.ErrNotFound) {
		return c, errs.NotFoundf("client")
	}
	return c, err
}

// RotateClientSecret gives a client a new secret. The old one ends at once.
func (s *Service) RotateClientSecret(ctx context.Context, app latchkey.ApplicationID, id latchkey.OIDCClientID) (CreatedClient, error) {
	text, hash := newClientSecret()
	c, err := s.inClient(ctx, app, id, func(c *latchkey.OIDCClient) error {
		if c.Public {
			return errs.New(errs.Conflict, errs.CodeConflict, "A public client has no secret.")
		}
		c.SecretHash = hash
		return nil
	})
	if err != nil {
		return CreatedClient{}, err
	}
	return CreatedClient{Client: c, Secret: text}, nil
}

// DeleteClient forgets a client. What it was signed in with stays good until its own end.
func (s *Service) DeleteClient(ctx context.Context, app latchkey.ApplicationID, id latchkey.OIDCClientID) error {
	err := s.cfg.Store.OIDCClients().Delete(ctx, app, id)
	if errors.Is(err, store.ErrNotFound) {
		return errs.NotFoundf("client")
	}
	return err
}

// ApplyClient writes what spec says onto c and returns everything that is wrong with the result.
func ApplyClient(c *latchkey.OIDCClient, spec ClientSpec) []errs.FieldError {
	var problems []errs.FieldError
	if spec.Name != nil {
		c.Name = strings.TrimSpace(*spec.Name)
	}
	if spec.RedirectURIs != nil {
		c.RedirectURIs = slices.Clone(*spec.RedirectURIs)
	}
	if spec.PostLogoutURIs != nil {
		c.PostLogoutURIs = slices.Clone(*spec.PostLogoutURIs)
	}
	if spec.Algorithm != nil {
		c.Algorithm = *spec.Algorithm
	}
	if utf8.RuneCountInString(c.Name) > MaxClientName || strings.ContainsFunc(c.Name, unicode.IsControl) {
		problems = append(problems, errs.FieldError{Field: "name", Code: errs.CodeInvalidValue, Message: "A name has 100 characters at most, and no control characters."})
	}
	if len(c.RedirectURIs) == 0 {
		problems = append(problems, errs.FieldError{Field: "redirect_uris", Code: errs.CodeRequired, Message: "Name where the client takes its answers, at least once."})
	}
	problems = append(problems, checkURIs("redirect_uris", c.RedirectURIs, !c.Public)...)
	problems = append(problems, checkURIs("post_logout_redirect_uris", c.PostLogoutURIs, !c.Public)...)
	if c.Algorithm != AlgRS256 && c.Algorithm != AlgES256 {
		problems = append(problems, errs.FieldError{Field: "id_token_signed_response_alg", Code: errs.CodeInvalidValue, Message: "Tokens are signed with RS256 or ES256."})
	}
	return problems
}

// checkURIs says what is wrong with a list of redirect URIs: https, or http on this very machine, or for a
// program on a device a scheme that its maker owns (RFC 8252 §7).
func checkURIs(field string, uris []string, webOnly bool) []errs.FieldError {
	var problems []errs.FieldError
	if len(uris) > maxRedirectURIs {
		problems = append(problems, errs.FieldError{Field: field, Code: errs.CodeTooLong, Message: "These may be " + strconv.Itoa(maxRedirectURIs) + " at most."})
		return problems
	}
	for i, raw := range uris {
		if !registrable(raw, webOnly) {
			problems = append(problems, errs.FieldError{
				Field: field + "[" + strconv.Itoa(i) + "]", Code: errs.CodeInvalidURL,
				Message: "A redirect URI is https, or http on localhost, without a fragment, a user name or a wildcard. A public client may use a scheme of its own, such as com.example.app:/callback.",
			})
		}
	}
	return problems
}

func registrable(raw string, webOnly bool) bool {
	u, err := url.Parse(raw)
	if err != nil || len(raw) > MaxURI || u.User != nil || strings.ContainsAny(raw, "#*\\") ||
		strings.IndexFunc(raw, func(r rune) bool { return r <= ' ' || r == 0x7f }) >= 0 {
		return false
	}
	switch u.Scheme {
	case "https":
		return u.Host != ""
	case "http":
		h := u.Hostname()
		return h == "localhost" || h == "127.0.0.1" || h == "::1" || strings.HasSuffix(h, ".localhost")
	}
	return !webOnly && strings.Contains(u.Scheme, ".") && u.Host == ""
}
