package applications

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// Settings are what an application may change about itself. What is nil stays as it is.
type Settings struct {
	// Name is what its end users read.
	Name *string
	// AuthServerURL is where its authentication server is; empty takes it away.
	AuthServerURL *string
	// Providers limits what its links may offer; empty means everything set up.
	Providers *[]latchkey.Provider
	// Sender is whom its mail comes from; empty means the installation's default sender.
	Sender *latchkey.SenderID
	// ReconnectEmail is whether end users are asked by mail to reconnect, and how long after.
	ReconnectEmail *latchkey.ReconnectEmail
}

const maxURL = 2048

// How long after an account broke its end user may be asked to reconnect, and how long where nobody says.
const (
	DefaultReconnectAfter = time.Hour
	MaxReconnectAfter     = 7 * 24 * time.Hour
)

// check says all that is wrong with what is wanted, and tidies the name.
func (want *Settings) check() error {
	var problems []errs.FieldError
	if u := want.AuthServerURL; u != nil && *u != "" {
		if why := badAuthServer(*u); why != "" {
			problems = append(problems, errs.FieldError{Field: "auth_server_url", Code: errs.CodeInvalidURL, Message: why})
		}
	}
	if want.Name != nil {
		name, err := cleanName(*want.Name)
		if err != nil {
			problems = append(problems, errs.As(err).Fields...)
		}
		want.Name = &name
	}
	if want.Providers != nil {
		problems = append(problems, badProviders(*want.Providers)...)
	}
	if r := want.ReconnectEmail; r != nil && (r.After < 0 || r.After > MaxReconnectAfter) {
		problems = append(problems, errs.FieldError{
			Field: "reconnect_email.after_minutes", Code: errs.CodeOutOfRange, Message: "This must be from 0 to " + strconv.Itoa(int(MaxReconnectAfter/time.Minute)) + ".",
		})
	}
	if problems != nil {
		return errs.InvalidFields(problems...)
	}
	return nil
}

// Change changes an application's settings.
func (s *Service) Change(ctx context.Context, id latchkey.ApplicationID, want Settings) (latchkey.Application, error) {
	if err := want.check(); err != nil {
		return latchkey.Application{}, err
	}
	var app latchkey.Application
	err := s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		// Two changes at once must not undo each other: the second reads what the first wrote.
		if err := tx.Applications().Lock(ctx, id); err != nil {
			return err
		}
		var err error
		if app, err = tx.Applications().Get(ctx, id); err != nil {
			return err
		}
		if want.Name != nil && *want.Name != app.Name {
			if err := nameFree(ctx, tx, app, *want.Name); err != nil {
				return err
			}
			app.Name = *want.Name
		}
		if want.AuthServerURL != nil {
			app.AuthServerURL = *want.AuthServerURL
		}
		if want.Providers != nil {
			app.Providers = slices.Clone(*want.Providers)
		}
		if want.Sender != nil {
			if err := mayChoose(ctx, tx, id, *want.Sender); err != nil {
				return err
			}
			app.Sender = *want.Sender
		}
		if want.ReconnectEmail != nil {
			app.ReconnectEmail = *want.ReconnectEmail
		}
		return tx.Applications().Update(ctx, app)
	})
	s.cache.forget(func(e entry) bool { return e.app.ID == id })
	if errors.Is(err, store.ErrNotFound) {
		return app, errs.NotFoundf("application")
	}
	if errors.Is(err, store.ErrConflict) {
		return app, nameTaken(err)
	}
	if err == nil {
		s.cfg.Log.InfoContext(ctx, "application changed", slog.String("app_id", string(id)), slog.Bool("auth_server", app.AuthServerURL != ""), slog.String("sender_id", string(app.Sender)))
	}
	return app, err
}

// badProviders says which entries of an application's list name no provider, or one twice.
func badProviders(list []latchkey.Provider) []errs.FieldError {
	var problems []errs.FieldError
	for i, p := range list {
		at := "providers[" + strconv.Itoa(i) + "]"
		switch known, ok := latchkey.ParseProvider(string(p)); {
		case !ok || known != p:
			problems = append(problems, errs.FieldError{Field: at, Code: errs.CodeInvalidValue, Message: "There is no such provider."})
		case slices.Contains(list[:i], p):
			problems = append(problems, errs.FieldError{Field: at, Code: errs.CodeInvalidValue, Message: "This provider is there twice."})
		}
	}
	return problems
}

// mayChoose refuses a sender that is not the application's, and one whose address has not agreed.
func mayChoose(ctx context.Context, tx store.Tx, app latchkey.ApplicationID, id latchkey.SenderID) error {
	if id == "" {
		return nil
	}
	// Its row keeps this apart from whoever deletes it, or asks its address anew, just now.
	v, err := tx.Senders().ForUpdate(ctx, app, id)
	if errors.Is(err, store.ErrNotFound) {
		return errs.InvalidFields(errs.FieldError{Field: "sender", Code: errs.CodeInvalidValue, Message: "There is no such sender."})
	}
	if err == nil && v.OwnedAt.IsZero() {
		return errs.InvalidFields(errs.FieldError{
			Field: "sender", Code: errs.CodeSenderUnproven, Message: "Nothing is sent from this address until its owner opens the link that was sent there, and agrees.",
		})
	}
	return err
}

// badAuthServer says why credentials cannot be asked for at an address; empty if they can.
func badAuthServer(s string) string {
	if len(s) > maxURL || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '\\' || r > '~' }) {
		return "This must be an address of at most 2048 visible ASCII characters, without spaces and backslashes."
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Opaque != "" || u.Hostname() == "":
		return "This must be a whole address that begins with https://."
	case u.User != nil:
		return "This must not contain a user name or password: requests are signed."
	case strings.Contains(s, "#"):
		return "This must not have a part after #."
	case u.Scheme == "http" && !inside(u.Hostname()):
		return "This must begin with https://, since passwords come back. http:// is for hosts of your own network only."
	}
	return ""
}

// inside tells whether the host is on our own network as far as its name says: loopback, a private
// address, or a name without a domain, such as a container's.
func inside(host string) bool {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return !strings.Contains(strings.TrimSuffix(host, "."), ".")
	}
	a = a.Unmap()
	return a.IsLoopback() || a.IsPrivate()
}

// nameFree refuses a name that another application has. "default" is made anew where it is missing, so
// that one keeps its name.
func nameFree(ctx context.Context, tx store.Tx, app latchkey.Application, name string) error {
	if app.Name == DefaultName {
		return errs.New(errs.Conflict, errs.CodeConflict, "Application \"default\" keeps its name. Set LATCHKEY_APP_NAME to change what its end users read.")
	}
	_, err := tx.Applications().ByName(ctx, name)
	if err == nil {
		return nameTaken(nil)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}
