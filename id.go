package latchkey

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"time"
)

// The typed ids: a prefix that names the noun, then 26 URL-safe characters: 64 bits of time, so that
// ids sort by creation, and 64 random bits, so that none can be guessed from another.
type (
	// ApplicationID is app_…
	ApplicationID string
	// KeyID is key_…
	KeyID string
	// LinkID is lnk_…
	LinkID string
	// FlowID is flw_…
	FlowID string
	// AccountID is acc_…
	AccountID string
	// EventID is evt_…
	EventID string
	// EndpointID is whe_…
	EndpointID string
	// DeliveryID is dlv_…
	DeliveryID string
	// AuditID is aud_…
	AuditID string
	// ProviderAppID is pap_…
	ProviderAppID string
	// StatusChangeID is hst_…
	StatusChangeID string
	// ReconnectURLID is rcu_…
	ReconnectURLID string
	// SenderID is snd_…
	SenderID string
	// MailID is eml_…
	MailID string
	// SignInID is sin_…
	SignInID string
	// OIDCClientID is cli_…
	OIDCClientID string
	// OperatorID is opr_…
	OperatorID string
	// LoginID is lgn_…
	LoginID string
	// PasskeyID is pky_…
	PasskeyID string
	// ImageID is img_…
	ImageID string
)

// Prefixes of the ids, one for each noun that has one.
const (
	prefixApplication = "app_"
	prefixKey         = "key_"
	prefixLink        = "lnk_"
	prefixFlow        = "flw_"
	prefixAccount     = "acc_"
	prefixEvent       = "evt_"
	prefixDelivery    = "dlv_"
	prefixEndpoint    = "whe_"
	prefixProviderApp = "pap_"
	prefixAudit       = "aud_"

	prefixStatusChange = "hst_"
	prefixReconnectURL = "rcu_"
	prefixSender       = "snd_"
	prefixMail         = "eml_"
	prefixSignIn       = "sin_"
	prefixOIDCClient   = "cli_"
	prefixOperator     = "opr_"
	prefixLogin        = "lgn_"
	prefixPasskey      = "pky_"
	prefixImage        = "img_"
)

// Base32 with an alphabet in ASCII order, so that the text sorts as the bytes do.
var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewApplicationID makes an application's id, created at now.
func NewApplicationID(now time.Time) ApplicationID {
	return ApplicationID(newID(prefixApplication, now))
}

// NewKeyID makes an API key's id, created at now.
func NewKeyID(now time.Time) KeyID { return KeyID(newID(prefixKey, now)) }

// NewLinkID makes a link's id, created at now.
func NewLinkID(now time.Time) LinkID { return LinkID(newID(prefixLink, now)) }

// NewFlowID makes a flow's id, created at now.
func NewFlowID(now time.Time) FlowID { return FlowID(newID(prefixFlow, now)) }

// NewAccountID makes an account's id, created at now.
func NewAccountID(now time.Time) AccountID { return AccountID(newID(prefixAccount, now)) }

// NewEventID makes an event's id, created at now.
func NewEventID(now time.Time) EventID { return EventID(newID(prefixEvent, now)) }

// EventIDAt sorts before the ids of all events of now and later, and after those before.
func EventIDAt(now time.Time) EventID { return EventID(idAt(prefixEvent, now)) }

// NewEndpointID makes an endpoint's id, created at now.
func NewEndpointID(now time.Time) EndpointID { return EndpointID(newID(prefixEndpoint, now)) }

// NewDeliveryID makes a delivery's id, created at now.
func NewDeliveryID(now time.Time) DeliveryID { return DeliveryID(newID(prefixDelivery, now)) }

// NewAuditID makes the id of a line of the audit trail, written at now.
func NewAuditID(now time.Time) AuditID { return AuditID(newID(prefixAudit, now)) }

// NewProviderAppID makes a provider app's id, created at now.
func NewProviderAppID(now time.Time) ProviderAppID {
	return ProviderAppID(newID(prefixProviderApp, now))
}

// NewStatusChangeID makes the id of a line of an account's history, written at now.
func NewStatusChangeID(now time.Time) StatusChangeID {
	return StatusChangeID(newID(prefixStatusChange, now))
}

// NewReconnectURLID makes a reconnect URL's id, created at now.
func NewReconnectURLID(now time.Time) ReconnectURLID {
	return ReconnectURLID(newID(prefixReconnectURL, now))
}

// NewSenderID makes a sender's id, created at now.
func NewSenderID(now time.Time) SenderID { return SenderID(newID(prefixSender, now)) }

// NewMailID makes a mail's id, created at now.
func NewMailID(now time.Time) MailID { return MailID(newID(prefixMail, now)) }

// NewSignInID makes a sign-in's id, created at now.
func NewSignInID(now time.Time) SignInID { return SignInID(newID(prefixSignIn, now)) }

// NewOIDCClientID makes an OpenID Connect client's id, created at now.
func NewOIDCClientID(now time.Time) OIDCClientID { return OIDCClientID(newID(prefixOIDCClient, now)) }

// NewOperatorID makes an operator's id, created at now.
func NewOperatorID(now time.Time) OperatorID { return OperatorID(newID(prefixOperator, now)) }

// NewLoginID makes a login's id, created at now.
func NewLoginID(now time.Time) LoginID { return LoginID(newID(prefixLogin, now)) }

// NewPasskeyID makes a passkey's id, created at now.
func NewPasskeyID(now time.Time) PasskeyID { return PasskeyID(newID(prefixPasskey, now)) }

// NewImageID makes an image's id, created at now.
func NewImageID(now time.Time) ImageID { return ImageID(newID(prefixImage, now)) }

// IsImageID tells whether s, which anybody may have made up, can be the id of an image.
func IsImageID(s string) bool {
	rest, ok := strings.CutPrefix(s, prefixImage)
	raw, err := idEncoding.DecodeString(rest)
	return ok && err == nil && len(raw) == 16
}

// newID takes 48 bits of milliseconds and 16 of the time within one, so that things made one after
// the other in a transaction sort as they were made, then 64 random bits.
func newID(prefix string, now time.Time) string {
	var b [16]byte
	within := uint64(now.Nanosecond()%int(time.Millisecond)) << 16 / uint64(time.Millisecond) //nolint:gosec // 0 to 999,999
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16|within)
	// crypto/rand.Read never fails: it ends the program where the system has no randomness.
	_, _ = rand.Read(b[8:])
	return prefix + idEncoding.EncodeToString(b[:])
}

// LinkIDAt is the same for links.
func LinkIDAt(t time.Time) LinkID { return LinkID(idAt(prefixLink, t)) }

func idAt(prefix string, t time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(max(t.UnixMilli(), 0))<<16)
	return prefix + idEncoding.EncodeToString(b[:])
}

// Time is when the id was made, to the millisecond; zero for what is no id.
func (id LinkID) Time() time.Time {
	raw, err := idEncoding.DecodeString(strings.TrimPrefix(string(id), prefixLink))
	if err != nil || len(raw) != 16 {
		return time.Time{}
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(raw[:8]) >> 16)).UTC()
}

// IsFlowID tells whether s, which anybody may have made up, can be the id of a flow.
func IsFlowID(s string) bool {
	rest, ok := strings.CutPrefix(s, prefixFlow)
	raw, err := idEncoding.DecodeString(rest)
	return ok && err == nil && len(raw) == 16
}

// HasPrefixOfID tells whether s has the shape of an id of ours. An application's own name for an
// account must not: it would be ambiguous wherever either may stand.
func HasPrefixOfID(s string) bool {
	for _, p := range []string{
		prefixApplication, prefixKey, prefixLink, prefixFlow, prefixAccount, prefixEvent, prefixDelivery,
		prefixProviderApp, prefixAudit, prefixStatusChange, prefixReconnectURL,
		prefixSender, prefixMail,
		prefixEndpoint, "dom_",
		prefixSignIn,
		prefixOIDCClient,
		prefixOperator, prefixLogin, prefixPasskey,
		prefixImage,
	} {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}
