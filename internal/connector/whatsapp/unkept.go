package whatsapp

import (
	"context"
	"time"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
)

// unkept is what we do not keep: contacts, settings of chats, messages and what belongs to them. An
// account stays connected without.
type unkept struct{}

// PutPushName implements store.ContactStore.
func (unkept) PutPushName(context.Context, types.JID, string) (bool, string, error) {
	return false, "", nil
}

// PutBusinessName implements store.ContactStore.
func (unkept) PutBusinessName(context.Context, types.JID, string) (bool, string, error) {
	return false, "", nil
}

// PutContactName implements store.ContactStore.
func (unkept) PutContactName(context.Context, types.JID, string, string) error { return nil }

// PutAllContactNames implements store.ContactStore.
func (unkept) PutAllContactNames(context.Context, []store.ContactEntry) error { return nil }

// PutManyRedactedPhones implements store.ContactStore.
func (unkept) PutManyRedactedPhones(context.Context, []store.RedactedPhoneEntry) error { return nil }

// GetContact implements store.ContactStore.
func (unkept) GetContact(context.Context, types.JID) (types.ContactInfo, error) {
	return types.ContactInfo{}, nil
}

// GetAllContacts implements store.ContactStore.
func (unkept) GetAllContacts(context.Context) (map[types.JID]types.ContactInfo, error) {
	return map[types.JID]types.ContactInfo{}, nil
}

// PutMutedUntil implements store.ChatSettingsStore.
func (unkept) PutMutedUntil(context.Context, types.JID, time.Time) error { return nil }

// PutPinned implements store.ChatSettingsStore.
func (unkept) PutPinned(context.Context, types.JID, bool) error { return nil }

// PutArchived implements store.ChatSettingsStore.
func (unkept) PutArchived(context.Context, types.JID, bool) error { return nil }

// GetChatSettings implements store.ChatSettingsStore.
func (unkept) GetChatSettings(context.Context, types.JID) (types.LocalChatSettings, error) {
	return types.LocalChatSettings{}, nil
}

// PutMessageSecrets implements store.MsgSecretStore.
func (unkept) PutMessageSecrets(context.Context, []store.MessageSecretInsert) error { return nil }

// PutMessageSecret implements store.MsgSecretStore.
func (unkept) PutMessageSecret(context.Context, types.JID, types.JID, types.MessageID, []byte) error {
	return nil
}

// GetMessageSecret implements store.MsgSecretStore.
func (unkept) GetMessageSecret(context.Context, types.JID, types.JID, types.MessageID) ([]byte, types.JID, error) {
	return nil, types.EmptyJID, nil
}

// GetBufferedEvent implements store.EventBuffer.
func (unkept) GetBufferedEvent(context.Context, [32]byte) (*store.BufferedEvent, error) {
	return nil, nil //nolint:nilnil // the library's way to say that there is none
}

// PutBufferedEvent implements store.EventBuffer.
func (unkept) PutBufferedEvent(context.Context, [32]byte, []byte, time.Time) error { return nil }

// DoDecryptionTxn implements store.EventBuffer.
func (unkept) DoDecryptionTxn(ctx context.Context, fn func(context.Context) error) error {
	return fn(ctx)
}

// ClearBufferedEventPlaintext implements store.EventBuffer.
func (unkept) ClearBufferedEventPlaintext(context.Context, [32]byte) error { return nil }

// DeleteOldBufferedHashes implements store.EventBuffer.
func (unkept) DeleteOldBufferedHashes(context.Context) error { return nil }

// GetOutgoingEvent implements store.EventBuffer.
func (unkept) GetOutgoingEvent(context.Context, types.JID, types.JID, types.MessageID) (string, []byte, error) {
	return "", nil, nil
}

// AddOutgoingEvent implements store.EventBuffer.
func (unkept) AddOutgoingEvent(context.Context, types.JID, types.MessageID, string, []byte) error {
	return nil
}

// DeleteOldOutgoingEvents implements store.EventBuffer.
func (unkept) DeleteOldOutgoingEvents(context.Context) error { return nil }
