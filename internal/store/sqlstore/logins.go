package sqlstore

import (
	"context"
	"time"

	"latchkey"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

type logins struct{ tx }

func (l logins) Create(ctx context.Context, v latchkey.Login) error {
	p := sqlgen.CreateLoginParams{
		ID: string(v.ID), OperatorID: string(v.OperatorID), TokenHash: blob(v.TokenHash), Method: string(v.Method),
		UserAgent: v.UserAgent, Address: v.Address, CreatedAt: ms(v.CreatedAt), SeenAt: ms(v.SeenAt), ExpiresAt: ms(v.ExpiresAt),
	}
	return l.insert(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.CreateLogin(ctx, p) })
}

func (l logins) ByToken(ctx context.Context, hash []byte) (latchkey.Login, error) {
	var row sqlgen.Login
	err := l.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.LoginByToken(ctx, blob(hash))
		return err
	})
	return loginFromRow(row), err
}

func (l logins) Touch(ctx context.Context, id latchkey.LoginID, seen time.Time) error {
	p := sqlgen.TouchLoginParams{ID: string(id), SeenAt: ms(seen)}
	return l.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.TouchLogin(ctx, p) })
}

func (l logins) List(ctx context.Context, id latchkey.OperatorID) ([]latchkey.Login, error) {
	var rows []sqlgen.Login
	err := l.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.ListLogins(ctx, string(id))
		return err
	})
	return each(rows, loginFromRow), err
}

func (l logins) Delete(ctx context.Context, of latchkey.OperatorID, id latchkey.LoginID) error {
	p := sqlgen.DeleteLoginParams{OperatorID: string(of), ID: string(id)}
	return l.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeleteLogin(ctx, p) })
}

func (l logins) DeleteOf(ctx context.Context, id latchkey.OperatorID) (int, error) {
	return l.remove(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeleteLoginsOf(ctx, string(id)) })
}

func (l logins) DeleteEnded(ctx context.Context, now, idleSince time.Time, n int) (int, error) {
	p := sqlgen.DeleteEndedLoginsParams{Now: ms(now), IdleSince: ms(idleSince), Page: limit(n)}
	return l.remove(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeleteEndedLogins(ctx, p) })
}

func loginFromRow(r sqlgen.Login) latchkey.Login {
	return latchkey.Login{
		ID: latchkey.LoginID(r.ID), OperatorID: latchkey.OperatorID(r.OperatorID), TokenHash: bytesOf(r.TokenHash),
		Method: latchkey.LoginMethod(r.Method), UserAgent: r.UserAgent, Address: r.Address,
		CreatedAt: at(r.CreatedAt), SeenAt: at(r.SeenAt), ExpiresAt: at(r.ExpiresAt),
	}
}

type passkeys struct{ tx }

func (k passkeys) Create(ctx context.Context, v latchkey.Passkey) error {
	p := sqlgen.CreatePasskeyParams{
		ID: string(v.ID), OperatorID: string(v.OperatorID), Name: v.Name, CredentialID: blob(v.CredentialID),
		Credential: blob(v.Credential), CreatedAt: ms(v.CreatedAt), UsedAt: ms(v.UsedAt),
	}
	return k.insert(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.CreatePasskey(ctx, p) })
}

func (k passkeys) ByCredential(ctx context.Context, credentialID []byte) (latchkey.Passkey, error) {
	var row sqlgen.Passkey
	err := k.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.PasskeyByCredential(ctx, blob(credentialID))
		return err
	})
	return passkeyFromRow(row), err
}

func (k passkeys) List(ctx context.Context, id latchkey.OperatorID) ([]latchkey.Passkey, error) {
	var rows []sqlgen.Passkey
	err := k.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.ListPasskeys(ctx, string(id))
		return err
	})
	return each(rows, passkeyFromRow), err
}

func (k passkeys) Use(ctx context.Context, v latchkey.Passkey) error {
	p := sqlgen.UsePasskeyParams{ID: string(v.ID), Credential: blob(v.Credential), UsedAt: ms(v.UsedAt)}
	return k.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.UsePasskey(ctx, p) })
}

func (k passkeys) Delete(ctx context.Context, of latchkey.OperatorID, id latchkey.PasskeyID) error {
	p := sqlgen.DeletePasskeyParams{OperatorID: string(of), ID: string(id)}
	return k.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeletePasskey(ctx, p) })
}

func passkeyFromRow(r sqlgen.Passkey) latchkey.Passkey {
	return latchkey.Passkey{
		ID: latchkey.PasskeyID(r.ID), OperatorID: latchkey.OperatorID(r.OperatorID), Name: r.Name,
		CredentialID: bytesOf(r.CredentialID), Credential: bytesOf(r.Credential), CreatedAt: at(r.CreatedAt), UsedAt: at(r.UsedAt),
	}
}

type oneTimes struct{ tx }

func (o oneTimes) Create(ctx context.Context, v store.OneTime) error {
	p := sqlgen.CreateOneTimeParams{
		TokenHash: blob(v.TokenHash), Kind: v.Kind, OperatorID: string(v.OperatorID), Body: blob(v.Body),
		CreatedAt: ms(v.CreatedAt), ExpiresAt: ms(v.ExpiresAt),
	}
	return o.insert(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.CreateOneTime(ctx, p) })
}

func (o oneTimes) Get(ctx context.Context, kind string, hash []byte) (store.OneTime, error) {
	var row sqlgen.OneTime
	err := o.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.GetOneTime(ctx, sqlgen.GetOneTimeParams{TokenHash: blob(hash), Kind: kind})
		return err
	})
	return oneTimeFromRow(row), err
}

func (o oneTimes) Take(ctx context.Context, kind string, hash []byte) (store.OneTime, error) {
	var row sqlgen.OneTime
	err := o.write(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.TakeOneTime(ctx, sqlgen.TakeOneTimeParams{TokenHash: blob(hash), Kind: kind})
		return err
	})
	return oneTimeFromRow(row), err
}

func (o oneTimes) DeleteOf(ctx context.Context, kind string, id latchkey.OperatorID) (int, error) {
	p := sqlgen.DeleteOneTimesOfParams{OperatorID: string(id), Kind: kind}
	return o.remove(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeleteOneTimesOf(ctx, p) })
}

func (o oneTimes) DeleteExpired(ctx context.Context, now time.Time, n int) (int, error) {
	p := sqlgen.DeleteExpiredOneTimesParams{Now: ms(now), Page: limit(n)}
	return o.remove(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeleteExpiredOneTimes(ctx, p) })
}

func oneTimeFromRow(r sqlgen.OneTime) store.OneTime {
	return store.OneTime{
		TokenHash: bytesOf(r.TokenHash), Kind: r.Kind, OperatorID: latchkey.OperatorID(r.OperatorID), Body: bytesOf(r.Body),
		CreatedAt: at(r.CreatedAt), ExpiresAt: at(r.ExpiresAt),
	}
}
