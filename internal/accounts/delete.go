package accounts

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// KindRevoke is the job that ends a forgotten account's grant at its provider. Its handler is
// Service.HandleRevoke.
const KindRevoke = "accounts.revoke"

const revokeAttempts = 10

// Events of a revocation. The account is gone by then, so they carry no sequence.
const (
	EventRevoked          = latchkey.EventAccountRevoked
	EventRevocationFailed = latchkey.EventRevocationFailed
)

// Why a grant was not revoked: another account stands on it, or the provider did not say yes.
const (
	revocationInUse   = "in_use"
	revocationRefused = "provider_error"
)

// revokeArgs is the job. Sealed is the credential: nothing in here is secret as it stands.
type revokeArgs struct {
	// ID ties the sealed credential to this job.
	ID            string                 `json:"id"`
	ApplicationID latchkey.ApplicationID `json:"application_id"`
	AccountID     latchkey.AccountID     `json:"account_id,omitempty"`
	Provider      latchkey.Provider      `json:"provider"`
	Name          string                 `json:"name,omitempty"`
	ExternalID    string                 `json:"external_id,omitempty"`
	Identity      string                 `json:"identity"`
	Params        json.RawMessage        `json:"params,omitempty"`
	Sealed        []byte                 `json:"sealed"` // store.SealedArg
	// ProviderApp is the OAuth client that the credential belongs to.
	ProviderApp latchkey.ProviderAppID `json:"provider_app,omitempty"`
	Test        bool                   `json:"test,omitempty"`
	// Tell says that the application hears of the outcome: it knew the account.
	Tell bool `json:"tell,omitempty"`
}

func (a revokeArgs) aad() string {
	return string(a.ApplicationID) + "|jobs|" + a.ID + "|sealed"
}

// Delete forgets an account at once, and tells the application so. Where the provider can be told,
// a job tells it: an outage there does not keep the account here.
func (s *Service) Delete(ctx context.Context, app latchkey.ApplicationID, idOrExternal string) error {
	var gone latchkey.Account
	err := s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		a, err := tx.Accounts().ForUpdate(ctx, app, idOrExternal)
		if err != nil {
			return known(err)
		}
		gone = a
		data, err := eventData(a, nil)
		if err != nil {
			return err
		}
		// Before the row goes: the event takes its number from it.
		_, err = s.cfg.Events.Emit(ctx, tx, latchkey.Event{
			ApplicationID: app, Type: latchkey.EventAccountDeleted, AccountID: a.ID, Data: data,
		})
		if err != nil {
			return err
		}
		if s.cfg.Reminders != nil {
			if err := s.cfg.Reminders.Gone(ctx, tx, a); err != nil {
				return err
			}
		}
		if err := tx.Accounts().Delete(ctx, app, a.ID); err != nil {
			return known(err)
		}
		if err := tx.StatusChanges().DeleteOf(ctx, a.ID); err != nil {
			return err
		}
		if _, err := tx.ReconnectURLs().DeleteOf(ctx, app, a.ID); err != nil {
			return err
		}
		return s.enqueueRevocation(ctx, tx, a, true)
	})
	if err != nil {
		return err
	}
	s.cfg.Log.InfoContext(ctx, "account deleted", slog.String("account_id", string(gone.ID)), slog.String("application_id", string(app)))
	return nil
}

func (s *Service) enqueueRevocation(ctx context.Context, tx store.Tx, a latchkey.Account, tell bool) error {
	// What an application's authentication server lends is not ours to end.
	if _, ok := s.cfg.Connectors[a.Provider].(connector.Revoker); !ok || len(a.Secret) == 0 || a.AuthServer {
		return nil
	}
	args := revokeArgs{
		ID: rand.Text(), ApplicationID: a.ApplicationID, AccountID: a.ID, Provider: a.Provider, Name: a.Name,
		ExternalID: a.ExternalID, Identity: a.Identity, Params: a.Params, Test: a.Test, Tell: tell,
		ProviderApp: a.ProviderApp,
	}
	var err error
	if args.Sealed, err = s.cfg.Seal.Seal(args.aad(), a.Secret); err != nil {
		return fmt.Errorf("seal the credential for its revocation: %w", err)
	}
	raw, err := json.Marshal(args)
	if err != nil {
		return err
	}
	return tx.Enqueue(ctx, store.Job{Kind: KindRevoke, Args: raw, MaxAttempts: revokeAttempts})
}

// Revoke has a grant ended at its provider that never became an account, or is not needed any
// more. It takes part in the caller's transaction; providers that cannot be told are passed over.
func (s *Service) Revoke(ctx context.Context, tx store.Tx, p latchkey.Provider, app latchkey.ApplicationID, c connector.Credential) error {
	a := latchkey.Account{ID: c.AccountID, ApplicationID: app, Provider: p, Identity: c.Identity, Params: c.Params, Secret: c.Secret}
	if c.App != nil {
		a.ProviderApp = latchkey.ProviderAppID(c.App.ID)
	}
	return s.enqueueRevocation(ctx, tx, a, false)
}

// HandleRevoke is the handler of KindRevoke. Of an account that was deleted it tells the
// application how it ended.
func (s *Service) HandleRevoke(ctx context.Context, j store.RunningJob) error {
	var args revokeArgs
	if err := json.Unmarshal(j.Args, &args); err != nil {
		return store.CancelJob(fmt.Errorf("read the job: %w", err))
	}
	revoker, ok := s.cfg.Connectors[args.Provider].(connector.Revoker)
	if !ok {
		return store.CancelJob(fmt.Errorf("the connector of %s cannot revoke any more", args.Provider))
	}
	plain, err := s.cfg.Seal.Open(args.aad(), args.Sealed)
	// What one account gives back, the provider takes from all of the same person.
	var others int64
	if err == nil && !s.cfg.Connectors[args.Provider].Describe().OwnGrants {
		others, err = s.cfg.Store.Accounts().SameGrant(ctx, args.Provider, args.ProviderApp, args.Identity)
	}
	if err == nil && others > 0 {
		s.cfg.Log.InfoContext(ctx, "not revoked: another account uses the grant", slog.String("account_id", string(args.AccountID)), slog.String("provider", string(args.Provider)))
		return s.tellRevocation(ctx, args, EventRevocationFailed, revocationInUse)
	}
	if err == nil {
		err = s.revoke(ctx, revoker, args, plain)
	}
	if err == nil {
		return s.tellRevocation(ctx, args, EventRevoked, "")
	}
	if j.Attempt >= j.MaxAttempts {
		return errors.Join(err, s.tellRevocation(ctx, args, EventRevocationFailed, revocationRefused))
	}
	return err
}

func (s *Service) revoke(ctx context.Context, revoker connector.Revoker, args revokeArgs, secret []byte) error {
	c, err := s.credential(ctx, latchkey.Account{
		ID: args.AccountID, ApplicationID: args.ApplicationID, Provider: args.Provider, Identity: args.Identity,
		Params: args.Params, Secret: secret, ProviderApp: args.ProviderApp,
	})
	// A client that is gone need not stand in the way: not every provider asks for it here.
	if err != nil && !errs.Is(err, errs.CodeNotFound) {
		return err
	}
	if _, kept := s.cfg.Connectors[args.Provider].(connector.Keeper); kept && s.cfg.Sessions != nil {
		return s.cfg.Sessions.Alone(ctx, args.AccountID, func(ctx context.Context) error { return revoker.Revoke(ctx, c) })
	}
	return revoker.Revoke(ctx, c)
}

func (s *Service) tellRevocation(ctx context.Context, args revokeArgs, what latchkey.EventType, why string) error {
	if !args.Tell {
		return nil
	}
	a := latchkey.Account{ID: args.AccountID, Provider: args.Provider, Name: args.Name, ExternalID: args.ExternalID, Test: args.Test}
	more := map[string]any{}
	if why != "" {
		more["reason"] = why
	}
	data, err := eventData(a, more)
	if err != nil {
		return err
	}
	return s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		_, err := s.cfg.Events.Emit(ctx, tx, latchkey.Event{
			ApplicationID: args.ApplicationID, Type: what, AccountID: args.AccountID, Data: data,
		})
		return err
	})
}
