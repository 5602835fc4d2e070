package whatsapp

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"

	"latchkey/internal/connector"
)

// keeping is the library's stores over a Memory. Names are hashed; where the library wants all entries
// of somebody, that person is the group.
type keeping struct {
	unkept
	mem   connector.Memory
	names []byte
	// saved is called when the library changed the device itself.
	saved func(ctx context.Context, d *store.Device) error

	prekeys sync.Mutex
}

var _ store.AllStores = (*keeping)(nil)

// The kinds of entries.
const (
	kindIdentity = "identity"
	kindSession  = "session"
	kindSender   = "sender"
	kindAppKey   = "appkey"
	kindAppVer   = "appver"
	kindAppMAC   = "appmac"
	kindToken    = "token"
	kindSalt     = "salt"
	kindLID      = "lid"
	kindPN       = "pn"
)

func (k *keeping) name(kind, clear string) string { return name(k.names, kind, clear) }

// person is the part of a Signal address ("user:device") that stays the same for all devices.
func person(address string) string {
	user, _, _ := strings.Cut(address, ":")
	return user
}

// labelled is a value with its clear name, for entries that are moved to another name.
func labelled(label string, value []byte) []byte {
	return append(append(binary.AppendUvarint(nil, uint64(len(label))), label...), value...)
}

func unlabelled(raw []byte) (label string, value []byte, err error) {
	n, size := binary.Uvarint(raw)
	if size <= 0 || n > uint64(len(raw)-size) { //nolint:gosec // not negative
		return "", nil, errors.New("whatsapp: an entry of the memory is damaged")
	}
	end := size + int(n) //nolint:gosec // bounded by the length above
	return string(raw[size:end]), raw[end:], nil
}

func (k *keeping) put(ctx context.Context, kind, address string, value []byte) error {
	return k.mem.Put(ctx, kind, k.name(kind, person(address)), map[string][]byte{k.name(kind, address): labelled(address, value)})
}

func (k *keeping) get(ctx context.Context, kind, address string) ([]byte, error) {
	n := k.name(kind, address)
	found, err := k.mem.Get(ctx, kind, k.name(kind, person(address)), n)
	if err != nil || found[n] == nil {
		return nil, err
	}
	_, value, err := unlabelled(found[n])
	return value, err
}

// PutIdentity implements store.IdentityStore.
func (k *keeping) PutIdentity(ctx context.Context, address string, key [32]byte) error {
	return k.put(ctx, kindIdentity, address, key[:])
}

// DeleteAllIdentities implements store.IdentityStore.
func (k *keeping) DeleteAllIdentities(ctx context.Context, phone string) error {
	return k.mem.Delete(ctx, kindIdentity, k.name(kindIdentity, phone))
}

// DeleteIdentity implements store.IdentityStore.
func (k *keeping) DeleteIdentity(ctx context.Context, address string) error {
	return k.mem.Delete(ctx, kindIdentity, k.name(kindIdentity, person(address)), k.name(kindIdentity, address))
}

// IsTrustedIdentity implements store.IdentityStore: who is not known yet is trusted.
func (k *keeping) IsTrustedIdentity(ctx context.Context, address string, key [32]byte) (bool, error) {
	known, err := k.get(ctx, kindIdentity, address)
	if err != nil || known == nil {
		return err == nil, err
	}
	return len(known) == 32 && [32]byte(known) == key, nil
}

// GetSession implements store.SessionStore.
func (k *keeping) GetSession(ctx context.Context, address string) ([]byte, error) {
	return k.get(ctx, kindSession, address)
}

// HasSession implements store.SessionStore.
func (k *keeping) HasSession(ctx context.Context, address string) (bool, error) {
	s, err := k.get(ctx, kindSession, address)
	return s != nil, err
}

// GetManySessions implements store.SessionStore.
func (k *keeping) GetManySessions(ctx context.Context, addresses []string) (map[string][]byte, error) {
	out := make(map[string][]byte, len(addresses))
	for _, a := range addresses {
		s, err := k.get(ctx, kindSession, a)
		if err != nil {
			return nil, err
		}
		out[a] = s
	}
	return out, nil
}

// PutSession implements store.SessionStore.
func (k *keeping) PutSession(ctx context.Context, address string, session []byte) error {
	return k.put(ctx, kindSession, address, session)
}

// PutManySessions implements store.SessionStore.
func (k *keeping) PutManySessions(ctx context.Context, sessions map[string][]byte) error {
	for a, s := range sessions {
		if err := k.PutSession(ctx, a, s); err != nil {
			return err
		}
	}
	return nil
}

// DeleteAllSessions implements store.SessionStore.
func (k *keeping) DeleteAllSessions(ctx context.Context, phone string) error {
	return k.mem.Delete(ctx, kindSession, k.name(kindSession, phone))
}

// DeleteSession implements store.SessionStore.
func (k *keeping) DeleteSession(ctx context.Context, address string) error {
	return k.mem.Delete(ctx, kindSession, k.name(kindSession, person(address)), k.name(kindSession, address))
}

// MigratePNToLID implements store.SessionStore: somebody's entries move from the phone number to the
// other name that the server has given.
func (k *keeping) MigratePNToLID(ctx context.Context, pn, lid types.JID) error {
	from, to := pn.SignalAddressUser(), lid.SignalAddressUser()
	for _, kind := range []string{kindSession, kindIdentity, kindSender} {
		if err := k.rename(ctx, kind, from, to); err != nil {
			return wrap("moving what is kept of a contact", err)
		}
	}
	return nil
}

func (k *keeping) rename(ctx context.Context, kind, from, to string) error {
	old, err := k.mem.List(ctx, kind, k.name(kind, from))
	if err != nil || len(old) == 0 {
		return err
	}
	moved := map[string][]byte{}
	for _, raw := range old {
		label, value, err := unlabelled(raw)
		if err != nil {
			return err
		}
		label = to + strings.TrimPrefix(label, from)
		moved[k.name(kind, label)] = labelled(label, value)
	}
	if err := k.mem.Put(ctx, kind, k.name(kind, to), moved); err != nil {
		return err
	}
	return k.mem.Delete(ctx, kind, k.name(kind, from))
}

// PutSenderKey implements store.SenderKeyStore. The sender is the group of rows, so that it can move.
func (k *keeping) PutSenderKey(ctx context.Context, group, user string, key []byte) error {
	return k.put(ctx, kindSender, user+"\x00"+group, key)
}

// GetSenderKey implements store.SenderKeyStore.
func (k *keeping) GetSenderKey(ctx context.Context, group, user string) ([]byte, error) {
	return k.get(ctx, kindSender, user+"\x00"+group)
}

// appKey is one key of the account's synchronised settings.
type appKey struct {
	ID  []byte                `json:"id"`
	Key store.AppStateSyncKey `json:"key"`
}

// PutAppStateSyncKey implements store.AppStateSyncKeyStore: an older one does not replace a newer.
func (k *keeping) PutAppStateSyncKey(ctx context.Context, id []byte, key store.AppStateSyncKey) error {
	old, err := k.GetAppStateSyncKey(ctx, id)
	if err != nil || (old != nil && old.Timestamp >= key.Timestamp) {
		return err
	}
	raw, err := json.Marshal(appKey{ID: id, Key: key})
	if err != nil {
		return err
	}
	return k.mem.Put(ctx, kindAppKey, "", map[string][]byte{k.name(kindAppKey, string(id)): raw})
}

// GetAppStateSyncKey implements store.AppStateSyncKeyStore.
func (k *keeping) GetAppStateSyncKey(ctx context.Context, id []byte) (*store.AppStateSyncKey, error) {
	n := k.name(kindAppKey, string(id))
	found, err := k.mem.Get(ctx, kindAppKey, "", n)
	if err != nil || found[n] == nil {
		return nil, err
	}
	var x appKey
	err = json.Unmarshal(found[n], &x)
	return &x.Key, err
}

func (k *keeping) appKeys(ctx context.Context) ([]appKey, error) {
	all, err := k.mem.List(ctx, kindAppKey, "")
	if err != nil {
		return nil, err
	}
	var out []appKey
	for _, raw := range all {
		var x appKey
		if err := json.Unmarshal(raw, &x); err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

// GetLatestAppStateSyncKeyID implements store.AppStateSyncKeyStore.
func (k *keeping) GetLatestAppStateSyncKeyID(ctx context.Context) ([]byte, error) {
	all, err := k.appKeys(ctx)
	var latest appKey
	for _, x := range all {
		if latest.ID == nil || x.Key.Timestamp > latest.Key.Timestamp {
			latest = x
		}
	}
	return latest.ID, err
}

// GetAllAppStateSyncKeys implements store.AppStateSyncKeyStore.
func (k *keeping) GetAllAppStateSyncKeys(ctx context.Context) ([]*store.AppStateSyncKey, error) {
	all, err := k.appKeys(ctx)
	out := make([]*store.AppStateSyncKey, 0, len(all))
	for i := range all {
		out = append(out, &all[i].Key)
	}
	return out, err
}

// PutAppStateVersion implements store.AppStateStore.
func (k *keeping) PutAppStateVersion(ctx context.Context, collection string, version uint64, hash [128]byte) error {
	value := append(binary.BigEndian.AppendUint64(nil, version), hash[:]...)
	return k.mem.Put(ctx, kindAppVer, "", map[string][]byte{k.name(kindAppVer, collection): value})
}

// GetAppStateVersion implements store.AppStateStore.
func (k *keeping) GetAppStateVersion(ctx context.Context, collection string) (version uint64, hash [128]byte, err error) {
	n := k.name(kindAppVer, collection)
	found, err := k.mem.Get(ctx, kindAppVer, "", n)
	if err != nil || len(found[n]) != 8+128 {
		return 0, hash, err
	}
	return binary.BigEndian.Uint64(found[n]), [128]byte(found[n][8:]), nil
}

// DeleteAppStateVersion implements store.AppStateStore.
func (k *keeping) DeleteAppStateVersion(ctx context.Context, collection string) error {
	if err := k.mem.Delete(ctx, kindAppMAC, k.name(kindAppMAC, collection)); err != nil {
		return err
	}
	return k.mem.Delete(ctx, kindAppVer, "", k.name(kindAppVer, collection))
}

// PutAppStateMutationMACs implements store.AppStateStore. A later version replaces an earlier one.
func (k *keeping) PutAppStateMutationMACs(ctx context.Context, collection string, _ uint64, mutations []store.AppStateMutationMAC) error {
	values := map[string][]byte{}
	for _, m := range mutations {
		values[k.name(kindAppMAC, string(m.IndexMAC))] = m.ValueMAC
	}
	return k.mem.Put(ctx, kindAppMAC, k.name(kindAppMAC, collection), values)
}

// DeleteAppStateMutationMACs implements store.AppStateStore.
func (k *keeping) DeleteAppStateMutationMACs(ctx context.Context, collection string, indexMACs [][]byte) error {
	var names []string
	for _, m := range indexMACs {
		names = append(names, k.name(kindAppMAC, string(m)))
	}
	if len(names) == 0 {
		return nil
	}
	return k.mem.Delete(ctx, kindAppMAC, k.name(kindAppMAC, collection), names...)
}

// GetAppStateMutationMAC implements store.AppStateStore.
func (k *keeping) GetAppStateMutationMAC(ctx context.Context, collection string, indexMAC []byte) ([]byte, error) {
	n := k.name(kindAppMAC, string(indexMAC))
	found, err := k.mem.Get(ctx, kindAppMAC, k.name(kindAppMAC, collection), n)
	return found[n], err
}

// PutPrivacyTokens implements store.PrivacyTokenStore.
func (k *keeping) PutPrivacyTokens(ctx context.Context, tokens ...store.PrivacyToken) error {
	values := map[string][]byte{}
	for _, t := range tokens {
		raw, err := json.Marshal(t)
		if err != nil {
			return err
		}
		values[k.name(kindToken, t.User.String())] = raw
	}
	return k.mem.Put(ctx, kindToken, "", values)
}

// GetPrivacyToken implements store.PrivacyTokenStore.
func (k *keeping) GetPrivacyToken(ctx context.Context, user types.JID) (*store.PrivacyToken, error) {
	n := k.name(kindToken, user.String())
	found, err := k.mem.Get(ctx, kindToken, "", n)
	if err != nil || found[n] == nil {
		return nil, err
	}
	var t store.PrivacyToken
	err = json.Unmarshal(found[n], &t)
	return &t, err
}

// DeleteExpiredPrivacyTokens implements store.PrivacyTokenStore.
func (k *keeping) DeleteExpiredPrivacyTokens(ctx context.Context, cutoff time.Time) (int64, error) {
	all, err := k.mem.List(ctx, kindToken, "")
	var old []string
	for n, raw := range all {
		var t store.PrivacyToken
		if json.Unmarshal(raw, &t) != nil || t.Timestamp.Before(cutoff) {
			old = append(old, n)
		}
	}
	if err != nil || len(old) == 0 {
		return 0, err
	}
	return int64(len(old)), k.mem.Delete(ctx, kindToken, "", old...)
}

// PutNCTSalt implements store.NCTSaltStore.
func (k *keeping) PutNCTSalt(ctx context.Context, salt []byte) error {
	return k.mem.Put(ctx, kindSalt, "", map[string][]byte{kindSalt: salt})
}

// GetNCTSalt implements store.NCTSaltStore.
func (k *keeping) GetNCTSalt(ctx context.Context) ([]byte, error) {
	found, err := k.mem.Get(ctx, kindSalt, "", kindSalt)
	return found[kindSalt], err
}

// DeleteNCTSalt implements store.NCTSaltStore.
func (k *keeping) DeleteNCTSalt(ctx context.Context) error {
	return k.mem.Delete(ctx, kindSalt, "", kindSalt)
}

// PutManyLIDMappings implements store.LIDStore.
func (k *keeping) PutManyLIDMappings(ctx context.Context, mappings []store.LIDMapping) error {
	lids, pns := map[string][]byte{}, map[string][]byte{}
	for _, m := range mappings {
		lids[k.name(kindLID, m.LID.User)] = []byte(m.PN.User)
		pns[k.name(kindPN, m.PN.User)] = []byte(m.LID.User)
	}
	if len(lids) == 0 {
		return nil
	}
	if err := k.mem.Put(ctx, kindLID, "", lids); err != nil {
		return err
	}
	return k.mem.Put(ctx, kindPN, "", pns)
}

// PutLIDMapping implements store.LIDStore.
func (k *keeping) PutLIDMapping(ctx context.Context, lid, jid types.JID) error {
	return k.PutManyLIDMappings(ctx, []store.LIDMapping{{LID: lid, PN: jid}})
}

func (k *keeping) other(ctx context.Context, kind string, j types.JID, server string) (types.JID, error) {
	n := k.name(kind, j.User)
	found, err := k.mem.Get(ctx, kind, "", n)
	if err != nil || found[n] == nil {
		return types.EmptyJID, err
	}
	return types.JID{User: string(found[n]), Device: j.Device, Server: server}, nil
}

// GetPNForLID implements store.LIDStore.
func (k *keeping) GetPNForLID(ctx context.Context, lid types.JID) (types.JID, error) {
	return k.other(ctx, kindLID, lid, types.DefaultUserServer)
}

// GetLIDForPN implements store.LIDStore.
func (k *keeping) GetLIDForPN(ctx context.Context, pn types.JID) (types.JID, error) {
	return k.other(ctx, kindPN, pn, types.HiddenUserServer)
}

// GetManyLIDsForPNs implements store.LIDStore.
func (k *keeping) GetManyLIDsForPNs(ctx context.Context, pns []types.JID) (map[types.JID]types.JID, error) {
	out := make(map[types.JID]types.JID, len(pns))
	for _, pn := range pns {
		lid, err := k.GetLIDForPN(ctx, pn)
		if err != nil {
			return nil, err
		}
		if !lid.IsEmpty() {
			out[pn] = lid
		}
	}
	return out, nil
}

// PutDevice implements store.DeviceContainer.
func (k *keeping) PutDevice(ctx context.Context, d *store.Device) error {
	if k.saved == nil {
		return nil // linking: the Grant takes the keys
	}
	return k.saved(ctx, d)
}

// DeleteDevice implements store.DeviceContainer. The library deletes what the server refuses; whether
// the account is over is not its decision.
func (k *keeping) DeleteDevice(context.Context, *store.Device) error { return nil }
