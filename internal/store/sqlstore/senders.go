package sqlstore

import (
	"context"
	"time"

	"latchkey"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

type senders struct{ tx }

func senderPlace(app, id, column string) string { return aad(app, "senders", id, column) }

// senderSecrets are the sealed columns of a sender.
type senderSecrets struct{ password, clientSecret, serviceAccount []byte }

func (s senders) seal(v latchkey.Sender) (c senderSecrets, err error) {
	app, id := string(v.ApplicationID), string(v.ID)
	if c.password, err = s.s.seal(senderPlace(app, id, "password"), []byte(v.Password)); err != nil {
		return c, err
	}
	if c.clientSecret, err = s.s.seal(senderPlace(app, id, "client_secret"), []byte(v.ClientSecret)); err != nil {
		return c, err
	}
	c.serviceAccount, err = s.s.seal(senderPlace(app, id, "service_account"), []byte(v.ServiceAccount))
	return c, err
}

func (s senders) Create(ctx context.Context, v latchkey.Sender) error {
	store.AuditOf(ctx).Target(v.ApplicationID, string(v.ID))
	c, err := s.seal(v)
	if err != nil {
		return err
	}
	p := sqlgen.CreateSenderParams{
		ID: string(v.ID), ApplicationID: string(v.ApplicationID), Kind: string(v.Kind), Email: v.Email, Address: v.Address, Name: v.Name,
		Host: v.Host, Port: int64(v.Port), Username: v.Username, Password: c.password,
		Provider: string(v.Provider), ClientID: v.ClientID, ClientSecret: c.clientSecret, Tenant: v.Tenant, ServiceAccount: c.serviceAccount,
		Transport: string(v.Transport), SecretExpiresAt: ms(v.SecretExpiresAt), Fallback: v.Fallback, ProofHash: blob(v.ProofHash),
		OwnedAt: ms(v.OwnedAt), CheckedAt: ms(v.CheckedAt), Problem: v.Problem, CreatedAt: ms(v.CreatedAt), UpdatedAt: ms(v.UpdatedAt),
		ProofExpiresAt: ms(v.ProofExpiresAt), SecretTold: int64(v.SecretTold),
	}
	return s.insert(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.CreateSender(ctx, p) })
}

func (s senders) Get(ctx context.Context, app latchkey.ApplicationID, id latchkey.SenderID) (v latchkey.Sender, err error) {
	var row sqlgen.Sender
	err = s.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.GetSender(ctx, sqlgen.GetSenderParams{ID: string(id), ApplicationID: string(app)})
		return err
	})
	if err != nil {
		return v, err
	}
	return s.fromRow(row)
}

func (s senders) ForUpdate(ctx context.Context, app latchkey.ApplicationID, id latchkey.SenderID) (v latchkey.Sender, err error) {
	p := sqlgen.GetSenderParams{ID: string(id), ApplicationID: string(app)}
	var row sqlgen.Sender
	err = s.locked(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.GetSender(ctx, p)
		return err
	}, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.GetSenderForUpdate(ctx, sqlgen.GetSenderForUpdateParams(p))
		return err
	})
	if err != nil {
		return v, err
	}
	return s.fromRow(row)
}

func (s senders) ByProof(ctx context.Context, hash []byte) (v latchkey.Sender, err error) {
	var row sqlgen.Sender
	err = s.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.SenderByProof(ctx, blob(hash))
		return err
	})
	if err != nil {
		return v, err
	}
	return s.fromRow(row)
}

func (s senders) ProvedWith(ctx context.Context, address string) (found bool, err error) {
	err = s.read(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		ids, err := q.SenderProvedWith(ctx, address)
		found = len(ids) > 0
		return err
	})
	return found, err
}

func (s senders) List(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.Sender, error) {
	var rows []sqlgen.Sender
	err := s.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.ListSenders(ctx, string(app))
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, s.fromRow)
}

func (s senders) Ending(ctx context.Context, first, last time.Time, firstDays, limit int) ([]latchkey.Sender, error) {
	p := sqlgen.SendersWithEndingSecretParams{First: ms(first), FirstDays: int64(firstDays), Last: ms(last), Page: pageSize(limit)}
	var rows []sqlgen.Sender
	err := s.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.SendersWithEndingSecret(ctx, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, s.fromRow)
}

func (s senders) Update(ctx context.Context, v latchkey.Sender) error {
	c, err := s.seal(v)
	if err != nil {
		return err
	}
	p := sqlgen.UpdateSenderParams{
		ID: string(v.ID), ApplicationID: string(v.ApplicationID), Kind: string(v.Kind), Email: v.Email, Address: v.Address, Name: v.Name,
		Host: v.Host, Port: int64(v.Port), Username: v.Username, Password: c.password,
		Provider: string(v.Provider), ClientID: v.ClientID, ClientSecret: c.clientSecret, Tenant: v.Tenant, ServiceAccount: c.serviceAccount,
		Transport: string(v.Transport), SecretExpiresAt: ms(v.SecretExpiresAt), Fallback: v.Fallback, ProofHash: blob(v.ProofHash),
		OwnedAt: ms(v.OwnedAt), CheckedAt: ms(v.CheckedAt), Problem: v.Problem, UpdatedAt: ms(v.UpdatedAt),
		ProofExpiresAt: ms(v.ProofExpiresAt), SecretTold: int64(v.SecretTold),
	}
	return s.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.UpdateSender(ctx, p) })
}

func (s senders) Delete(ctx context.Context, app latchkey.ApplicationID, id latchkey.SenderID) error {
	p := sqlgen.DeleteSenderParams{ApplicationID: string(app), ID: string(id)}
	return s.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeleteSender(ctx, p) })
}

func (s senders) fromRow(r sqlgen.Sender) (v latchkey.Sender, err error) {
	v = latchkey.Sender{
		ID: latchkey.SenderID(r.ID), ApplicationID: latchkey.ApplicationID(r.ApplicationID), Kind: latchkey.SenderKind(r.Kind),
		Email: r.Email, Address: r.Address, Name: r.Name, Host: r.Host, Port: int(r.Port), Username: r.Username,
		Provider: latchkey.Provider(r.Provider), ClientID: r.ClientID, Tenant: r.Tenant, Transport: latchkey.Transport(r.Transport),
		SecretExpiresAt: at(r.SecretExpiresAt), Fallback: r.Fallback, ProofHash: bytesOf(r.ProofHash), OwnedAt: at(r.OwnedAt),
		CheckedAt: at(r.CheckedAt), Problem: r.Problem, CreatedAt: at(r.CreatedAt), UpdatedAt: at(r.UpdatedAt),
		ProofExpiresAt: at(r.ProofExpiresAt), SecretTold: int(r.SecretTold),
	}
	for _, c := range []struct {
		column string
		sealed []byte
		to     *string
	}{
		{"password", r.Password, &v.Password},
		{"client_secret", r.ClientSecret, &v.ClientSecret},
		{"service_account", r.ServiceAccount, &v.ServiceAccount},
	} {
		plain, err := s.s.unseal(senderPlace(r.ApplicationID, r.ID, c.column), c.sealed)
		if err != nil {
			return v, err
		}
		*c.to = string(plain)
	}
	return v, nil
}
