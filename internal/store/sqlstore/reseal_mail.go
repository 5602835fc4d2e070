package sqlstore

import (
	"context"

	"latchkey/internal/store/sqlstore/sqlgen"
)

func senderPasswordsSealed(ctx context.Context, q *sqlgen.Queries, prefix []byte, after string, _, page int32) ([]sealedRow, error) {
	rows, err := q.SenderPasswordsSealedOtherwise(ctx, sqlgen.SenderPasswordsSealedOtherwiseParams{After: after, Prefix: prefix, Page: page})
	if err != nil {
		return nil, err
	}
	return convert(rows, func(r sqlgen.SenderPasswordsSealedOtherwiseRow) (sealedRow, error) {
		return sealedRow{
			id: r.ID, place: senderPlace(r.ApplicationID, r.ID, "password"), sealed: r.Sealed,
			swap: func(ctx context.Context, q *sqlgen.Queries, sealed []byte) (int64, error) {
				return q.SwapSenderPassword(ctx, sqlgen.SwapSenderPasswordParams{ID: r.ID, Was: r.Sealed, Sealed: sealed})
			},
		}, nil
	})
}

func senderSecretsSealed(ctx context.Context, q *sqlgen.Queries, prefix []byte, after string, _, page int32) ([]sealedRow, error) {
	rows, err := q.SenderSecretsSealedOtherwise(ctx, sqlgen.SenderSecretsSealedOtherwiseParams{After: after, Prefix: prefix, Page: page})
	if err != nil {
		return nil, err
	}
	return convert(rows, func(r sqlgen.SenderSecretsSealedOtherwiseRow) (sealedRow, error) {
		return sealedRow{
			id: r.ID, place: senderPlace(r.ApplicationID, r.ID, "client_secret"), sealed: r.Sealed,
			swap: func(ctx context.Context, q *sqlgen.Queries, sealed []byte) (int64, error) {
				return q.SwapSenderSecret(ctx, sqlgen.SwapSenderSecretParams{ID: r.ID, Was: r.Sealed, Sealed: sealed})
			},
		}, nil
	})
}

func senderServiceAccountsSealed(ctx context.Context, q *sqlgen.Queries, prefix []byte, after string, _, page int32) ([]sealedRow, error) {
	rows, err := q.SenderServiceAccountsSealedOtherwise(ctx, sqlgen.SenderServiceAccountsSealedOtherwiseParams{After: after, Prefix: prefix, Page: page})
	if err != nil {
		return nil, err
	}
	return convert(rows, func(r sqlgen.SenderServiceAccountsSealedOtherwiseRow) (sealedRow, error) {
		return sealedRow{
			id: r.ID, place: senderPlace(r.ApplicationID, r.ID, "service_account"), sealed: r.Sealed,
			swap: func(ctx context.Context, q *sqlgen.Queries, sealed []byte) (int64, error) {
				return q.SwapSenderServiceAccount(ctx, sqlgen.SwapSenderServiceAccountParams{ID: r.ID, Was: r.Sealed, Sealed: sealed})
			},
		}, nil
	})
}

func mailsSealed(ctx context.Context, q *sqlgen.Queries, prefix []byte, after string, _, page int32) ([]sealedRow, error) {
	rows, err := q.MailsSealedOtherwise(ctx, sqlgen.MailsSealedOtherwiseParams{After: after, Prefix: prefix, Page: page})
	if err != nil {
		return nil, err
	}
	return convert(rows, func(r sqlgen.MailsSealedOtherwiseRow) (sealedRow, error) {
		return sealedRow{
			id: r.ID, place: mailBodyPlace(r.ApplicationID, r.ID), sealed: r.Sealed,
			swap: func(ctx context.Context, q *sqlgen.Queries, sealed []byte) (int64, error) {
				return q.SwapMailBody(ctx, sqlgen.SwapMailBodyParams{ID: r.ID, Was: r.Sealed, Sealed: sealed})
			},
		}, nil
	})
}
