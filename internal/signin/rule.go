package signin

import (
	"context"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"latchkey"
	"latchkey/internal/address"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// Bounds of an application's lists.
const (
	// MaxRules is how many patterns a list may hold, MaxRulesAtOnce how many one request adds.
	MaxRules       = 20_000
	MaxRulesAtOnce = 2_000
	// parents is how many levels above an address's domain are looked at for *@*.domain.
	parents = 3
)

// patternsOf are the patterns that an address stands on a list by: itself, its domain, and the domains
// above it, the nearest first. Who is blocked does not come in by a +tag.
func patternsOf(a address.Address) store.SignInPatterns {
	out := store.SignInPatterns{Mailbox: a.Bucket}
	domain := a.Domain()
	out.Of[0], out.Of[1] = a.Canonical, "*@"+domain
	for i := range parents {
		_, above, ok := strings.Cut(domain, ".")
		if !ok {
			break
		}
		out.Of[2+i], domain = "*@*."+above, above
	}
	return out
}

// Pattern reads one entry of a list: an address, a domain (acme.io, @acme.io or *@acme.io), or the
// domains below one (*.acme.io or *@*.acme.io).
func Pattern(s string) (string, bool) {
	s = strings.TrimSpace(s)
	rest := strings.TrimPrefix(strings.TrimPrefix(s, "*@"), "@")
	if rest == s && strings.Contains(s, "@") {
		a, err := address.Parse(s)
		return a.Canonical, err == nil
	}
	domain, below := strings.CutPrefix(rest, "*.")
	host, err := idna.Lookup.ToASCII(strings.ToLower(domain))
	if err != nil {
		return "", false
	}
	// Whatever is a domain of an address is a domain of a pattern.
	if a, err := address.Parse("x@" + host); err != nil || a.Domain() != host {
		return "", false
	}
	if below {
		host = "*." + host
	}
	return "*@" + host, true
}

// AddRules puts patterns on a list and returns how many were new.
func (s *Service) AddRules(ctx context.Context, app latchkey.ApplicationID, l latchkey.SignInList, patterns []string) (int, error) {
	clean, err := cleanPatterns(patterns)
	if err != nil {
		return 0, err
	}
	var added int
	err = s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		var err error
		if added, err = tx.SignInRules().Add(ctx, app, l, clean, s.now()); err != nil {
			return err
		}
		n, err := tx.SignInRules().Count(ctx, app, l)
		if err == nil && n > MaxRules {
			return errs.New(errs.Conflict, errs.CodeConflict, "A list holds "+strconv.Itoa(MaxRules)+" entries at most.")
		}
		return err
	})
	return added, err
}

// DeleteRules takes patterns off a list and returns how many were on it.
func (s *Service) DeleteRules(ctx context.Context, app latchkey.ApplicationID, l latchkey.SignInList, patterns []string) (int, error) {
	clean, err := cleanPatterns(patterns)
	if err != nil {
		return 0, err
	}
	return s.cfg.Store.SignInRules().Delete(ctx, app, l, clean)
}

// Rules lists patterns in their own order, after the one given.
func (s *Service) Rules(ctx context.Context, app latchkey.ApplicationID, l latchkey.SignInList, after string, limit int) ([]string, error) {
	return s.cfg.Store.SignInRules().List(ctx, app, l, after, limit)
}

func cleanPatterns(patterns []string) ([]string, error) {
	var problems []errs.FieldError
	if len(patterns) == 0 || len(patterns) > MaxRulesAtOnce {
		problems = append(problems, errs.FieldError{
			Field: "patterns", Code: errs.CodeOutOfRange, Message: "Send 1 to " + strconv.Itoa(MaxRulesAtOnce) + " entries at once.",
		})
		return nil, errs.InvalidFields(problems...)
	}
	out := make([]string, len(patterns))
	for i, p := range patterns {
		clean, ok := Pattern(p)
		if !ok {
			problems = append(problems, errs.FieldError{
				Field: "patterns[" + strconv.Itoa(i) + "]", Code: errs.CodeInvalidValue,
				Message: "An entry is an address (ada@acme.io), a domain (*@acme.io), or the domains below one (*@*.acme.io).",
			})
		}
		out[i] = clean
	}
	if len(problems) > 0 {
		return nil, errs.InvalidFields(problems...)
	}
	return out, nil
}
