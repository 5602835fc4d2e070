package providerapps

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"log/slog"
	"reflect"
	"regexp"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// Declared is a provider app as the operator's configuration has it. Key tells it from the others of
// its application, and never changes: the id follows from it.
type Declared struct {
	Key  string
	Spec Spec
}

var declaredKey = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// CheckDeclared says what is wrong with a declaration, all of it at once.
func CheckDeclared(d Declared) []errs.FieldError {
	_, problems := Apply(latchkey.ProviderApp{}, d.Spec)
	if !declaredKey.MatchString(d.Key) {
		problems = append(problems, errs.FieldError{
			Field: "key", Code: errs.CodeInvalidValue, Message: "This must have 1 to 64 characters out of a-z, 0-9, - and _.",
		})
	}
	return problems
}

// declaredID is the same wherever and whenever the declaration is read.
func declaredID(app latchkey.ApplicationID, p latchkey.Provider, key string) latchkey.ProviderAppID {
	const length = 26 // as of all ids
	sum := sha256.Sum256([]byte("provider app\x00" + string(app) + "\x00" + string(p) + "\x00" + key))
	return latchkey.ProviderAppID("pap_" + strings.ToLower(base32.HexEncoding.EncodeToString(sum[:]))[:length])
}

// Declare makes the application's declared provider apps what the list says, and no others. One that is
// no longer in it goes, unless accounts are connected through it: it then stays, as if it had been made
// by hand. Replicas may do this at once.
func (s *Service) Declare(ctx context.Context, app latchkey.ApplicationID, all []Declared) error {
	var told []func()
	err := s.change(ctx, app, func(ctx context.Context, tx store.Tx) error {
		told = nil
		wanted := map[latchkey.ProviderAppID]bool{}
		for _, d := range all {
			have, err := tx.ProviderApps().List(ctx, app)
			if err != nil {
				return err
			}
			a, what, err := s.declare(ctx, tx, app, d, have)
			if err != nil {
				return err
			}
			wanted[a.ID] = true
			if what != "" {
				told = append(told, func() { s.cfg.Log.InfoContext(ctx, what, attrs(a)...) })
			}
		}
		have, err := tx.ProviderApps().List(ctx, app)
		if err != nil {
			return err
		}
		for _, a := range have {
			if a.Declared == "" || wanted[a.ID] {
				continue
			}
			tell, err := s.undeclare(ctx, tx, a)
			if errs.Is(err, errs.CodeNotFound) || errors.Is(err, store.ErrNotFound) {
				continue // another replica was quicker
			}
			if err != nil {
				return err
			}
			told = append(told, tell)
		}
		return nil
	})
	if err == nil {
		for _, tell := range told {
			tell()
		}
	}
	return err
}

// declare makes one provider app what is declared, and says what it did; empty for nothing.
func (s *Service) declare(ctx context.Context, tx store.Tx, app latchkey.ApplicationID, d Declared, have []latchkey.ProviderApp) (latchkey.ProviderApp, string, error) {
	now := s.now()
	next, problems := Apply(latchkey.ProviderApp{ApplicationID: app, CreatedAt: now, Declared: d.Key}, d.Spec)
	if len(problems) > 0 {
		return next, "", errs.InvalidFields(problems...)
	}
	next.ID = declaredID(app, next.Provider, d.Key)
	was := find(have, next.ID)
	if was == nil {
		if len(have) >= maxPerApplication {
			return next, "", errs.New(errs.Conflict, errs.CodeConflict, "The application has as many provider apps as it may.")
		}
		next.Default, next.UpdatedAt = next.Default || defaultOf(have, next.Provider) == nil, now
		return next, "provider app made, as declared", tx.ProviderApps().Create(ctx, next)
	}
	// What is not declared stays: which one is the default, and whether the provider takes it.
	next.CreatedAt, next.UpdatedAt, next.Default = was.CreatedAt, was.UpdatedAt, next.Default || was.Default
	if next.ClientID == was.ClientID && next.ClientSecret == was.ClientSecret && next.ServiceAccount == was.ServiceAccount {
		next.Flag = was.Flag
	}
	if same(next, *was) {
		return next, "", nil
	}
	next.UpdatedAt = now
	return next, "provider app changed, as declared", tx.ProviderApps().Update(ctx, next)
}

func same(a, b latchkey.ProviderApp) bool {
	for _, x := range []*latchkey.ProviderApp{&a, &b} {
		x.CreatedAt, x.UpdatedAt = time.Time{}, time.Time{}
		if len(x.ExtraScopes) == 0 {
			x.ExtraScopes = nil
		}
		if len(x.SkipScopes) == 0 {
			x.SkipScopes = nil
		}
	}
	return reflect.DeepEqual(a, b)
}

// undeclare takes a provider app away that is declared no longer, or lets it go where it is in use.
func (s *Service) undeclare(ctx context.Context, tx store.Tx, a latchkey.ProviderApp) (tell func(), err error) {
	n, err := tx.Accounts().OfProviderApp(ctx, a.ApplicationID, a.ID)
	if err != nil {
		return nil, err
	}
	if n > 0 {
		key := a.Declared
		a.Declared, a.UpdatedAt = "", s.now()
		return func() {
			s.cfg.Log.WarnContext(ctx, "provider app stays though it is declared no longer: accounts are connected through it; "+
				"delete it with latchkey provider-app delete, or declare it again under its key", append(attrs(a), slog.String("key", key), slog.Int64("accounts", n))...)
		}, tx.ProviderApps().Update(ctx, a)
	}
	return func() {
		s.cfg.Log.InfoContext(ctx, "provider app deleted: it is declared no longer", attrs(a)...)
	}, s.remove(ctx, tx, a)
}

// ownedByFile refuses changes that the next start would undo.
func ownedByFile(a latchkey.ProviderApp) error {
	if a.Declared == "" {
		return nil
	}
	return errs.New(errs.Conflict, errs.CodeConflict, "This provider app is declared in the server's configuration (LATCHKEY_PROVIDER_APPS). Its operator changes it there.")
}
