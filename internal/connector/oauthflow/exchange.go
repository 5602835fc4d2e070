package oauthflow

import (
	"context"
	"slices"

	"golang.org/x/oauth2"

	"latchkey/internal/connector"
)

// exchange turns the code into tokens, finds out what was granted and by whom, and opens the mailbox.
func (f *Flow) exchange(ctx context.Context, s *state, r connector.Reporter) (connector.Turn, error) {
	secret, err := f.trade(ctx, s)
	if err != nil {
		f.tell(ctx, s, "the code was not exchanged", err)
		return f.trouble(s, err), nil
	}
	s.Code = ""
	person, err := f.who(ctx, s, secret)
	if err != nil {
		f.tell(ctx, s, "the identity was not established", err)
		return f.trouble(s, err), nil
	}
	s.Secret, s.Person = &secret, &person
	if missing := s.missing(); len(missing) > 0 {
		return f.show(s, string(ProblemScopes)), nil
	}
	if secret.RefreshToken == "" && f.Spec.Offline != nil && f.Spec.Offline(s.app()) {
		return f.show(s, string(ProblemOffline)), nil
	}
	return f.settle(ctx, s, r)
}

// trade exchanges the code (RFC 6749 §4.1.3, RFC 7636 §4.5).
func (f *Flow) trade(ctx context.Context, s *state) (Secret, error) {
	if f.Spec.Exchange != nil {
		return f.Spec.Exchange(ctx, f.http, s.app(), s.Code, s.Start.CallbackURL)
	}
	conf := f.oauth(s.app(), s.Where, s.Start.CallbackURL, nil)
	var opts []oauth2.AuthCodeOption
	if f.Spec.PKCE {
		opts = append(opts, oauth2.VerifierOption(s.Verifier))
	}
	t, err := conf.Exchange(f.http.context(ctx), s.Code, opts...)
	if err != nil {
		return Secret{}, err
	}
	return f.fromToken(t, Secret{})
}

// who finds out whose account it is: from the id token, and where that names no address, by asking.
func (f *Flow) who(ctx context.Context, s *state, secret Secret) (Person, error) {
	if !f.Spec.IDToken {
		return Person{}, nil // its profile is asked for later
	}
	nonce := ""
	if f.Spec.Nonce {
		nonce = s.Nonce
	}
	c, err := f.verifyIDToken(ctx, s.Where, s.app(), secret.idToken, nonce, secret.AccessToken)
	if err != nil {
		return Person{}, err
	}
	p := c.person()
	if (p.Email == "" && f.Spec.Mail) || (p.Name == "" && !f.Spec.Mail) {
		more, err := f.userinfo(ctx, s.Where.Userinfo, secret.AccessToken)
		if err != nil {
			return Person{}, err
		}
		if more.Subject != c.Subject {
			return Person{}, &ProviderError{Problem: ProblemForged, Code: "userinfo", Description: "it is somebody else's"}
		}
		c.Email, c.Name = firstOf(c.Email, more.Email), firstOf(c.Name, more.Name)
		c.PreferredUsername = firstOf(c.PreferredUsername, more.PreferredUsername)
		p = c.person()
	}
	return p, nil
}

// person is who the claims are about. Addresses are candidates: which of them is the mailbox's is
// proved by opening it.
func (c Claims) person() Person {
	p := Person{ID: firstOf(c.OID, c.Subject), Name: clean(c.Name, 200)}
	for _, a := range []string{c.Email, c.PreferredUsername} {
		a = lower(a)
		if !isAddress(a) || slices.Contains(p.Aliases, a) {
			continue
		}
		p.Aliases = append(p.Aliases, a)
	}
	if len(p.Aliases) > 0 {
		p.Email = p.Aliases[0]
	}
	return p
}

// isAddress tells whether a claim could be a mailbox's address.
func isAddress(s string) bool {
	at := -1
	for i, r := range s {
		switch {
		case r <= ' ' || r == 0x7f || r == '\x01' || r == '<' || r == '>' || r == '"' || r == ',':
			return false
		case r == '@' && at >= 0:
			return false
		case r == '@':
			at = i
		}
	}
	return at > 0 && at < len(s)-1 && len(s) <= 320
}
