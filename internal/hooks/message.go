package hooks

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

// instant is a time as callers read it: UTC, always with milliseconds.
const instant = "2006-01-02T15:04:05.000Z07:00"

// Message is an event as endpoints are told of it.
type Message struct {
	ID        latchkey.EventID   `json:"id"`
	Type      latchkey.EventType `json:"type"`
	CreatedAt string             `json:"created_at"`
	Sequence  int64              `json:"sequence"`
	Data      json.RawMessage    `json:"data"`
	// Test marks what comes from a test application.
	Test bool `json:"test,omitempty"`
}

// NewMessage makes the native payload. The data also names the account and the link.
func NewMessage(ev latchkey.Event, test bool) (Message, error) {
	data := map[string]json.RawMessage{}
	if len(ev.Data) > 0 {
		if err := json.Unmarshal(ev.Data, &data); err != nil {
			return Message{}, err
		}
	}
	for name, id := range map[string]string{
		"account_id": string(ev.AccountID), "link_id": string(ev.LinkID), "flow_id": string(ev.FlowID),
	} {
		if _, ok := data[name]; ok || id == "" {
			continue
		}
		quoted, err := json.Marshal(id)
		if err != nil {
			return Message{}, err
		}
		data[name] = quoted
	}
	enc, err := json.Marshal(data)
	return Message{
		ID: ev.ID, Type: ev.Type, CreatedAt: ev.CreatedAt.UTC().Format(instant), Sequence: ev.Sequence, Data: enc, Test: test,
	}, err
}

// accountStatus is the message of existing client libraries.
type accountStatus struct {
	AccountStatus accountStatusBody `json:"AccountStatus"`
	Test          bool              `json:"test,omitempty"`
}

type accountStatusBody struct {
	AccountID   latchkey.AccountID `json:"account_id"`
	AccountType string             `json:"account_type"`
	Message     string             `json:"message"`
}

// payload is what the endpoint is told, as bytes that do not change any more.
func (h *Hooks) payload(ctx context.Context, tx store.Tx, test bool, e latchkey.Endpoint, ev latchkey.Event) ([]byte, error) {
	if e.Payload != latchkey.PayloadAccountStatus {
		m, err := NewMessage(ev, test)
		if err != nil {
			return nil, err
		}
		return json.Marshal(m)
	}
	body, err := accountStatusOf(ctx, tx, e, ev)
	if err != nil {
		return nil, err
	}
	return json.Marshal(accountStatus{AccountStatus: body, Test: test})
}

func accountStatusOf(ctx context.Context, tx store.Tx, e latchkey.Endpoint, ev latchkey.Event) (accountStatusBody, error) {
	var data struct {
		Status   string            `json:"status"`
		Provider latchkey.Provider `json:"account_type"`
	}
	if err := json.Unmarshal(ev.Data, &data); err != nil {
		return accountStatusBody{}, err
	}
	if data.Provider == "" && ev.AccountID != "" {
		acc, err := tx.Accounts().Get(ctx, ev.ApplicationID, string(ev.AccountID))
		if err != nil {
			return accountStatusBody{}, err
		}
		data.Provider = acc.Provider
	}
	b := accountStatusBody{AccountID: ev.AccountID, AccountType: typeName(data.Provider, e.Lenient), Message: data.Status}
	switch ev.Type {
	case latchkey.EventAccountConnected:
		b.Message = string(CreationSuccess)
	case latchkey.EventAccountReconnected:
		b.Message = string(Reconnected)
	case latchkey.EventAccountDeleted:
		b.Message = "DELETED"
	case latchkey.EventWebhookTest:
		b = accountStatusBody{AccountID: testAccount, AccountType: string(latchkey.Mock), Message: string(latchkey.AccountOK)}
	}
	return b, nil
}

// testAccount stands for an account in a test event: it is nobody's.
const testAccount = "acc_00000000000000000000000000"

// typeName is a provider as the endpoint's dialect names it.
func typeName(p latchkey.Provider, lenient bool) string {
	if !lenient {
		return string(p)
	}
	switch p {
	case latchkey.IMAP:
		return "MAIL"
	case latchkey.Google:
		return "GOOGLE_OAUTH"
	case latchkey.Microsoft:
		return "OUTLOOK"
	}
	return string(p)
}

// data encodes the data of an event of ours.
func data(fields map[string]any) (json.RawMessage, error) {
	for _, k := range slices.Collect(maps.Keys(fields)) {
		if t, ok := fields[k].(time.Time); ok {
			fields[k] = t.UTC().Format(instant)
		}
	}
	return json.Marshal(fields)
}
