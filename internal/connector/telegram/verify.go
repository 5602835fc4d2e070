package telegram

import (
	"context"
	"fmt"
	"strconv"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"latchkey/internal/connector"
)

var _ connector.AppVerifier = (*Connector)(nil)

// VerifyApp implements connector.AppVerifier: it asks for a QR code that nobody will scan.
func (c *Connector) VerifyApp(ctx context.Context, a connector.App, _ string) ([]connector.AppFinding, error) {
	id, err := strconv.Atoi(a.ClientID)
	if err != nil {
		return []connector.AppFinding{{Code: "client_id", Detail: "This must be the number that my.telegram.org shows as App api_id."}}, nil //nolint:nilerr // it is what is found
	}
	var s session
	err = c.on(ctx, &s, caller{api: id}, nil, func(ctx context.Context, api calls) error {
		_, err := api.AuthExportLoginToken(ctx, &tg.AuthExportLoginTokenRequest{APIID: id, APIHash: a.ClientSecret})
		return err
	})
	switch {
	case err == nil:
		return []connector.AppFinding{{Code: "client_id", OK: true}, {Code: "client_secret", OK: true}}, nil
	case tgerr.Is(err, "API_ID_PUBLISHED_FLOOD"):
		return []connector.AppFinding{{Code: "client_id", Detail: "This api_id was published, and Telegram limits it. Make your own at my.telegram.org."}}, nil
	case tgerr.Is(err, "API_ID_INVALID", "CONNECTION_API_ID_INVALID"):
		return []connector.AppFinding{{Code: "client_id", Detail: "Telegram does not know this api_id with this api_hash. Copy both from my.telegram.org, “API development tools”."}}, nil
	}
	return nil, fmt.Errorf("telegram: verify the app: %w", err)
}
