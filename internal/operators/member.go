package operators

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"latchkey"
	"latchkey/internal/address"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// Member is somebody with a role in an application.
type Member struct {
	Operator latchkey.Operator
	Role     latchkey.Role
}

// Members are the application's people, owners of the installation first. They have no role of their
// own in it.
func (s *Service) Members(ctx context.Context, app latchkey.ApplicationID) ([]Member, error) {
	all, err := s.cfg.Store.Operators().List(ctx)
	if err != nil {
		return nil, err
	}
	roles, err := s.cfg.Store.Operators().Members(ctx, app)
	if err != nil {
		return nil, err
	}
	var out []Member
	for _, o := range all {
		if o.Owner {
			out = append(out, Member{Operator: o, Role: latchkey.RoleOwner})
		}
	}
	for _, m := range roles {
		i := slices.IndexFunc(all, func(o latchkey.Operator) bool { return o.ID == m.OperatorID && !o.Owner })
		if i >= 0 {
			out = append(out, Member{Operator: all[i], Role: m.Role})
		}
	}
	return out, nil
}

// List returns all operators.
func (s *Service) List(ctx context.Context) ([]latchkey.Operator, error) {
	return s.cfg.Store.Operators().List(ctx)
}

// member finds an operator who has a role in the application. Others are unknown there.
func member(ctx context.Context, tx store.Tx, app latchkey.ApplicationID, id latchkey.OperatorID) (latchkey.Membership, error) {
	all, err := tx.Operators().Memberships(ctx, id)
	if err != nil {
		return latchkey.Membership{}, err
	}
	for _, m := range all {
		if m.ApplicationID == app {
			return m, nil
		}
	}
	return latchkey.Membership{}, errs.NotFoundf("member")
}

// SetRole changes a member's role in an application.
func (s *Service) SetRole(ctx context.Context, app latchkey.ApplicationID, id latchkey.OperatorID, role latchkey.Role) error {
	if _, ok := latchkey.ParseRole(string(role)); !ok {
		return errs.InvalidFields(errs.FieldError{Field: "role", Code: errs.CodeInvalidValue, Message: "This must be owner, developer or viewer."})
	}
	err := s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		m, err := member(ctx, tx, app, id)
		if err != nil {
			return err
		}
		m.Role = role
		return tx.Operators().PutMember(ctx, m)
	})
	if err == nil {
		s.cfg.Log.InfoContext(ctx, "role changed", slog.String("application_id", string(app)), slog.String("operator_id", string(id)), slog.String("role", string(role)))
	}
	return err
}

// RemoveMember takes an operator's role in an application away. Who never came in, and is nothing
// else, is forgotten with it.
func (s *Service) RemoveMember(ctx context.Context, app latchkey.ApplicationID, id latchkey.OperatorID) error {
	err := s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		o, err := tx.Operators().ForUpdate(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			return errs.NotFoundf("member")
		}
		if err != nil {
			return err
		}
		if _, err := member(ctx, tx, app, id); err != nil {
			return err
		}
		if err := tx.Operators().RemoveMember(ctx, app, id); err != nil {
			return err
		}
		left, err := tx.Operators().Memberships(ctx, id)
		if err != nil || len(left) > 0 || o.Owner || !o.AcceptedAt.IsZero() {
			return err
		}
		return tx.Operators().Delete(ctx, id)
	})
	if err == nil {
		s.cfg.Log.InfoContext(ctx, "member removed", slog.String("application_id", string(app)), slog.String("operator_id", string(id)))
	}
	return err
}

// Remove ends an operator: roles, logins, passkeys and open invitations. The last owner of the
// installation who has come in stays, or nobody could let anybody in.
func (s *Service) Remove(ctx context.Context, email string) (latchkey.Operator, error) {
	var gone latchkey.Operator
	who, err := address.Parse(email)
	if err != nil {
		return gone, errs.NotFoundf("operator")
	}
	err = s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		// Two removals at once would each see the other's owner.
		if err := tx.Settings().Put(ctx, store.Setting{Kind: firstLock, Body: []byte("{}"), UpdatedAt: s.now()}); err != nil {
			return err
		}
		o, err := tx.Operators().ByAddress(ctx, who.Canonical)
		if err != nil {
			return err
		}
		all, err := tx.Operators().List(ctx)
		if err != nil {
			return err
		}
		others := slices.ContainsFunc(all, func(x latchkey.Operator) bool { return x.Owner && x.ID != o.ID && !x.AcceptedAt.IsZero() })
		if o.Owner && !o.AcceptedAt.IsZero() && !others {
			return errs.New(errs.Conflict, errs.CodeConflict, "This is the last owner of the installation. Invite another one first.")
		}
		gone = o
		store.AuditOf(ctx).Target("", string(o.ID))
		return tx.Operators().Delete(ctx, o.ID)
	})
	if err != nil {
		return gone, unknown(err, "operator")
	}
	s.cfg.Log.InfoContext(ctx, "operator removed", slog.String("operator_id", string(gone.ID)))
	return gone, nil
}
