package sqlstore

import (
	"context"

	"latchkey/internal/store/sqlstore/sqlgen"
)

// sealedColumns are all columns that hold sealed values.
func sealedColumns() []sealedColumn {
	return []sealedColumn{
		{otherwise: applicationsSealed, count: func(ctx context.Context, q *sqlgen.Queries, prefix []byte) (int64, error) {
			return q.CountApplicationsSealedWith(ctx, prefix)
		}},
		{otherwise: applicationOldSecretsSealed, count: func(ctx context.Context, q *sqlgen.Queries, prefix []byte) (int64, error) {
			return q.CountApplicationOldSecretsSealedWith(ctx, prefix)
		}},
		{otherwise: accountsSealed, count: func(ctx context.Context, q *sqlgen.Queries, prefix []byte) (int64, error) {
			return q.CountAccountsSealedWith(ctx, prefix)
		}},
		{otherwise: linkProxiesSealed, count: func(ctx context.Context, q *sqlgen.Queries, prefix []byte) (int64, error) {
			return q.CountLinkProxiesSealedWith(ctx, prefix)
		}},
		{otherwise: flowsSealed, count: func(ctx context.Context, q *sqlgen.Queries, prefix []byte) (int64, error) {
			return q.CountFlowsSealedWith(ctx, prefix)
		}},
		{otherwise: answersSealed, count: func(ctx context.Context, q *sqlgen.Queries, prefix []byte) (int64, error) {
			return q.CountIdempotencySealedWith(ctx, prefix)
		}},
		{otherwise: providerAppSecretsSealed, count: func(ctx context.Context, q *sqlgen.Queries, prefix []byte) (int64, error) {
			return q.CountProviderAppSecretsSealedWith(ctx, prefix)
		}},
		{otherwise: serviceAccountsSealed, count: func(ctx context.Context, q *sqlgen.Queries, prefix []byte) (int64, error) {
			return q.CountProviderAppServiceAccountsSealedWith(ctx, prefix)
		}},
		{otherwise: memorySealed, count: func(ctx context.Context, q *sqlgen.Queries, prefix []byte) (int64, error) {
			return q.CountMemorySealedWith(ctx, prefix)
		}},
		{otherwise: senderPasswordsSealed, count: func(ctx context.Context, q *sqlgen.Queries, prefix []byte) (int64, error) {
			return q.CountSenderPasswordsSealedWith(ctx, prefix)
		}},
		{otherwise: senderSecretsSealed, count: func(ctx context.Context, q *sqlgen.Queries, prefix []byte) (int64, error) {
			return q.CountSenderSecretsSealedWith(ctx, prefix)
		}},
		{otherwise: senderServiceAccountsSealed, count: func(ctx context.Context, q *sqlgen.Queries, prefix []byte) (int64, error) {
			return q.CountSenderServiceAccountsSealedWith(ctx, prefix)
		}},
		{otherwise: mailsSealed, count: func(ctx context.Context, q *sqlgen.Queries, prefix []byte) (int64, error) {
			return q.CountMailsSealedWith(ctx, prefix)
		}},
		{otherwise: signingKeysSealed, count: func(ctx context.Context, q *sqlgen.Queries, prefix []byte) (int64, error) {
			return q.CountSigningKeysSealedWith(ctx, prefix)
		}},
		{otherwise: endpointSecretsSealed, count: func(ctx context.Context, q *sqlgen.Queries, prefix []byte) (int64, error) {
			return q.CountEndpointSecretsSealedWith(ctx, prefix)
		}},
		{otherwise: endpointOldSecretsSealed, count: func(ctx context.Context, q *sqlgen.Queries, prefix []byte) (int64, error) {
			return q.CountEndpointOldSecretsSealedWith(ctx, prefix)
		}},
		{otherwise: endpointHeadersSealed, count: func(ctx context.Context, q *sqlgen.Queries, prefix []byte) (int64, error) {
			return q.CountEndpointHeadersSealedWith(ctx, prefix)
		}},
	}
}

func applicationsSealed(ctx context.Context, q *sqlgen.Queries, prefix []byte, after string, _, page int32) ([]sealedRow, error) {
	rows, err := q.ApplicationsSealedOtherwise(ctx, sqlgen.ApplicationsSealedOtherwiseParams{After: after, Prefix: prefix, Page: page})
	if err != nil {
		return nil, err
	}
	return convert(rows, func(r sqlgen.ApplicationsSealedOtherwiseRow) (sealedRow, error) {
		return sealedRow{
			id: r.ID, place: webhookSecretPlace(r.ID), sealed: r.Sealed,
			swap: func(ctx context.Context, q *sqlgen.Queries, sealed []byte) (int64, error) {
				return q.SwapApplicationSecret(ctx, sqlgen.SwapApplicationSecretParams{ID: r.ID, Was: r.Sealed, Sealed: sealed})
			},
		}, nil
	})
}

func applicationOldSecretsSealed(ctx context.Context, q *sqlgen.Queries, prefix []byte, after string, _, page int32) ([]sealedRow, error) {
	rows, err := q.ApplicationOldSecretsSealedOtherwise(ctx, sqlgen.ApplicationOldSecretsSealedOtherwiseParams{After: after, Prefix: prefix, Page: page})
	if err != nil {
		return nil, err
	}
	return convert(rows, func(r sqlgen.ApplicationOldSecretsSealedOtherwiseRow) (sealedRow, error) {
		return sealedRow{
			id: r.ID, place: oldWebhookSecretPlace(r.ID), sealed: r.Sealed,
			swap: func(ctx context.Context, q *sqlgen.Queries, sealed []byte) (int64, error) {
				return q.SwapApplicationOldSecret(ctx, sqlgen.SwapApplicationOldSecretParams{ID: r.ID, Was: r.Sealed, Sealed: sealed})
			},
		}, nil
	})
}

func accountsSealed(ctx context.Context, q *sqlgen.Queries, prefix []byte, after string, _, page int32) ([]sealedRow, error) {
	rows, err := q.AccountsSealedOtherwise(ctx, sqlgen.AccountsSealedOtherwiseParams{After: after, Prefix: prefix, Page: page})
	if err != nil {
		return nil, err
	}
	return convert(rows, func(r sqlgen.AccountsSealedOtherwiseRow) (sealedRow, error) {
		return sealedRow{
			id: r.ID, place: accountSecretPlace(r.ApplicationID, r.ID), sealed: r.Sealed,
			swap: func(ctx context.Context, q *sqlgen.Queries, sealed []byte) (int64, error) {
				return q.SwapAccountSecret(ctx, sqlgen.SwapAccountSecretParams{ID: r.ID, Was: r.Sealed, Sealed: sealed})
			},
		}, nil
	})
}

func flowsSealed(ctx context.Context, q *sqlgen.Queries, prefix []byte, after string, _, page int32) ([]sealedRow, error) {
	rows, err := q.FlowsSealedOtherwise(ctx, sqlgen.FlowsSealedOtherwiseParams{After: after, Prefix: prefix, Page: page})
	if err != nil {
		return nil, err
	}
	return convert(rows, func(r sqlgen.FlowsSealedOtherwiseRow) (sealedRow, error) {
		return sealedRow{
			id: r.ID, place: flowBodyPlace(r.ApplicationID, r.ID), sealed: r.Sealed,
			swap: func(ctx context.Context, q *sqlgen.Queries, sealed []byte) (int64, error) {
				return q.SwapFlowBody(ctx, sqlgen.SwapFlowBodyParams{ID: r.ID, Was: r.Sealed, Sealed: sealed})
			},
		}, nil
	})
}

// answersSealed pages by skipping those that could not be opened: the others leave the list as they
// are sealed anew.
func answersSealed(ctx context.Context, q *sqlgen.Queries, prefix []byte, _ string, skip, page int32) ([]sealedRow, error) {
	rows, err := q.IdempotencySealedOtherwise(ctx, sqlgen.IdempotencySealedOtherwiseParams{Prefix: prefix, Skip: skip, Page: page})
	if err != nil {
		return nil, err
	}
	return convert(rows, func(r sqlgen.IdempotencySealedOtherwiseRow) (sealedRow, error) {
		return sealedRow{
			place: answerPlace(r.ApplicationID, r.Route, r.KeyHash), sealed: r.Sealed,
			swap: func(ctx context.Context, q *sqlgen.Queries, sealed []byte) (int64, error) {
				return q.SwapIdempotencyBody(ctx, sqlgen.SwapIdempotencyBodyParams{
					ApplicationID: r.ApplicationID, Route: r.Route, KeyHash: r.KeyHash, Was: r.Sealed, Sealed: sealed,
				})
			},
		}, nil
	})
}

func providerAppSecretsSealed(ctx context.Context, q *sqlgen.Queries, prefix []byte, after string, _, page int32) ([]sealedRow, error) {
	rows, err := q.ProviderAppSecretsSealedOtherwise(ctx, sqlgen.ProviderAppSecretsSealedOtherwiseParams{After: after, Prefix: prefix, Page: page})
	if err != nil {
		return nil, err
	}
	return convert(rows, func(r sqlgen.ProviderAppSecretsSealedOtherwiseRow) (sealedRow, error) {
		return sealedRow{
			id: r.ID, place: providerAppPlace(r.ApplicationID, r.ID, "client_secret"), sealed: r.Sealed,
			swap: func(ctx context.Context, q *sqlgen.Queries, sealed []byte) (int64, error) {
				return q.SwapProviderAppSecret(ctx, sqlgen.SwapProviderAppSecretParams{ID: r.ID, Was: r.Sealed, Sealed: sealed})
			},
		}, nil
	})
}

func serviceAccountsSealed(ctx context.Context, q *sqlgen.Queries, prefix []byte, after string, _, page int32) ([]sealedRow, error) {
	rows, err := q.ProviderAppServiceAccountsSealedOtherwise(ctx, sqlgen.ProviderAppServiceAccountsSealedOtherwiseParams{After: after, Prefix: prefix, Page: page})
	if err != nil {
		return nil, err
	}
	return convert(rows, func(r sqlgen.ProviderAppServiceAccountsSealedOtherwiseRow) (sealedRow, error) {
		return sealedRow{
			id: r.ID, place: providerAppPlace(r.ApplicationID, r.ID, "service_account"), sealed: r.Sealed,
			swap: func(ctx context.Context, q *sqlgen.Queries, sealed []byte) (int64, error) {
				return q.SwapProviderAppServiceAccount(ctx, sqlgen.SwapProviderAppServiceAccountParams{ID: r.ID, Was: r.Sealed, Sealed: sealed})
			},
		}, nil
	})
}

func endpointSecretsSealed(ctx context.Context, q *sqlgen.Queries, prefix []byte, after string, _, page int32) ([]sealedRow, error) {
	rows, err := q.EndpointSecretsSealedOtherwise(ctx, sqlgen.EndpointSecretsSealedOtherwiseParams{After: after, Prefix: prefix, Page: page})
	if err != nil {
		return nil, err
	}
	return convert(rows, func(r sqlgen.EndpointSecretsSealedOtherwiseRow) (sealedRow, error) {
		return sealedRow{
			id: r.ID, place: endpointPlace(r.ApplicationID, r.ID, "secret"), sealed: r.Sealed,
			swap: func(ctx context.Context, q *sqlgen.Queries, sealed []byte) (int64, error) {
				return q.SwapEndpointSecret(ctx, sqlgen.SwapEndpointSecretParams{ID: r.ID, Was: r.Sealed, Sealed: sealed})
			},
		}, nil
	})
}

func endpointOldSecretsSealed(ctx context.Context, q *sqlgen.Queries, prefix []byte, after string, _, page int32) ([]sealedRow, error) {
	rows, err := q.EndpointOldSecretsSealedOtherwise(ctx, sqlgen.EndpointOldSecretsSealedOtherwiseParams{After: after, Prefix: prefix, Page: page})
	if err != nil {
		return nil, err
	}
	return convert(rows, func(r sqlgen.EndpointOldSecretsSealedOtherwiseRow) (sealedRow, error) {
		return sealedRow{
			id: r.ID, place: endpointPlace(r.ApplicationID, r.ID, "old_secret"), sealed: r.Sealed,
			swap: func(ctx context.Context, q *sqlgen.Queries, sealed []byte) (int64, error) {
				return q.SwapEndpointOldSecret(ctx, sqlgen.SwapEndpointOldSecretParams{ID: r.ID, Was: r.Sealed, Sealed: sealed})
			},
		}, nil
	})
}

func endpointHeadersSealed(ctx context.Context, q *sqlgen.Queries, prefix []byte, after string, _, page int32) ([]sealedRow, error) {
	rows, err := q.EndpointHeadersSealedOtherwise(ctx, sqlgen.EndpointHeadersSealedOtherwiseParams{After: after, Prefix: prefix, Page: page})
	if err != nil {
		return nil, err
	}
	return convert(rows, func(r sqlgen.EndpointHeadersSealedOtherwiseRow) (sealedRow, error) {
		return sealedRow{
			id: r.ID, place: endpointPlace(r.ApplicationID, r.ID, "headers"), sealed: r.Sealed,
			swap: func(ctx context.Context, q *sqlgen.Queries, sealed []byte) (int64, error) {
				return q.SwapEndpointHeaders(ctx, sqlgen.SwapEndpointHeadersParams{ID: r.ID, Was: r.Sealed, Sealed: sealed})
			},
		}, nil
	})
}
