package sqlstore

import (
	"context"
	"time"

	"latchkey"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

type applications struct{ tx }

func webhookSecretPlace(id string) string { return aad(id, "applications", id, "webhook_secret") }

func oldWebhookSecretPlace(id string) string {
	return aad(id, "applications", id, "old_webhook_secret")
}

func (a applications) sealSecrets(v latchkey.Application) (secret, old []byte, err error) {
	if secret, err = a.s.seal(webhookSecretPlace(string(v.ID)), []byte(v.WebhookSecret)); err != nil {
		return nil, nil, err
	}
	old, err = a.s.seal(oldWebhookSecretPlace(string(v.ID)), []byte(v.OldWebhookSecret))
	return secret, old, err
}

func (a applications) Create(ctx context.Context, v latchkey.Application) error {
	store.AuditOf(ctx).Target(v.ID, string(v.ID))
	providers, err := toJSON(v.Providers, len(v.Providers))
	if err != nil {
		return err
	}
	secret, old, err := a.sealSecrets(v)
	if err != nil {
		return err
	}
	p := sqlgen.CreateApplicationParams{
		ID: string(v.ID), Name: v.Name, Test: v.Test, Providers: providers, WebhookSecret: secret,
		Sender: string(v.Sender), AuthServerUrl: v.AuthServerURL, CreatedAt: ms(v.CreatedAt),
		ReconnectEmail: v.ReconnectEmail.Enabled, ReconnectEmailAfter: v.ReconnectEmail.After.Milliseconds(),
		OldWebhookSecret: old, OldSecretUntil: ms(v.OldSecretUntil),
	}
	return a.insert(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.CreateApplication(ctx, p) })
}

func (a applications) Get(ctx context.Context, id latchkey.ApplicationID) (v latchkey.Application, err error) {
	var row sqlgen.Application
	err = a.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.GetApplication(ctx, string(id))
		return err
	})
	if err != nil {
		return v, err
	}
	return a.fromRow(row)
}

// Lock has nothing to do on SQLite, which has one writer.
func (a applications) Lock(ctx context.Context, id latchkey.ApplicationID) error {
	return a.locked(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		_, err := q.GetApplication(ctx, string(id))
		return err
	}, func(ctx context.Context, q *sqlgen.Queries) error {
		_, err := q.LockApplication(ctx, string(id))
		return err
	})
}

func (a applications) ByName(ctx context.Context, name string) (v latchkey.Application, err error) {
	var row sqlgen.Application
	err = a.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.ApplicationByName(ctx, name)
		return err
	})
	if err != nil {
		return v, err
	}
	return a.fromRow(row)
}

func (a applications) List(ctx context.Context) ([]latchkey.Application, error) {
	var rows []sqlgen.Application
	err := a.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.ListApplications(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, a.fromRow)
}

func (a applications) Update(ctx context.Context, v latchkey.Application) error {
	providers, err := toJSON(v.Providers, len(v.Providers))
	if err != nil {
		return err
	}
	secret, old, err := a.sealSecrets(v)
	if err != nil {
		return err
	}
	p := sqlgen.UpdateApplicationParams{
		ID: string(v.ID), Name: v.Name, Test: v.Test, Providers: providers, WebhookSecret: secret, Sender: string(v.Sender),
		AuthServerUrl: v.AuthServerURL, ReconnectEmail: v.ReconnectEmail.Enabled, ReconnectEmailAfter: v.ReconnectEmail.After.Milliseconds(),
		OldWebhookSecret: old, OldSecretUntil: ms(v.OldSecretUntil),
	}
	return a.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.UpdateApplication(ctx, p) })
}

func (a applications) fromRow(r sqlgen.Application) (latchkey.Application, error) {
	v := latchkey.Application{
		ID: latchkey.ApplicationID(r.ID), Name: r.Name, Test: r.Test, Sender: latchkey.SenderID(r.Sender), AuthServerURL: r.AuthServerUrl,
		CreatedAt: at(r.CreatedAt), OldSecretUntil: at(r.OldSecretUntil),
		ReconnectEmail: latchkey.ReconnectEmail{Enabled: r.ReconnectEmail, After: time.Duration(r.ReconnectEmailAfter) * time.Millisecond},
	}
	var err error
	if v.Providers, err = fromJSON[[]latchkey.Provider](r.Providers, "an application's providers"); err != nil {
		return v, err
	}
	secret, err := a.s.unseal(webhookSecretPlace(r.ID), r.WebhookSecret)
	if err != nil {
		return v, err
	}
	old, err := a.s.unseal(oldWebhookSecretPlace(r.ID), r.OldWebhookSecret)
	v.WebhookSecret, v.OldWebhookSecret = string(secret), string(old)
	return v, err
}

func (a applications) Follow(ctx context.Context, id latchkey.ApplicationID, until time.Time) error {
	p := sqlgen.FollowApplicationParams{ID: string(id), Until: ms(until)}
	return a.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.FollowApplication(ctx, p) })
}

func (a applications) FollowedUntil(ctx context.Context, id latchkey.ApplicationID) (t time.Time, err error) {
	err = a.read(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		n, err := q.FollowedUntil(ctx, string(id))
		t = at(n)
		return err
	})
	return t, err
}
