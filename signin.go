package latchkey

import "time"

// SignInStatus is where a sign-in stands.
type SignInStatus string

// The states of a sign-in. Its expiry is no state: it shows by the time.
const (
	SignInPending SignInStatus = "pending"
	// SignInProved means that a code or a link was used; what comes of it has not been fetched yet.
	SignInProved SignInStatus = "proved"
	// SignInCompleted means that the application has been told who it is.
	SignInCompleted SignInStatus = "completed"
)

// SignInMethod is how somebody proved that a mailbox is theirs.
type SignInMethod string

// The methods.
const (
	SignInByCode SignInMethod = "code"
	SignInByLink SignInMethod = "link"
)

// Challenge is one mail of a sign-in: a code and a link.
type Challenge struct {
	// CodeMAC is an HMAC of the code under a server key; LinkHash a hash of the link's token.
	CodeMAC  []byte
	LinkHash []byte
	// CodePad is the code, hidden by the link's token: whoever has the link can be shown the code, and
	// the database alone tells nobody.
	CodePad int
	// Tries counts looks at a code, right ones too.
	Tries     int
	ExpiresAt time.Time
}

// OIDCRequest is what an OpenID Connect client asked for (OpenID Connect Core 1.0 §3.1.2.1).
type OIDCRequest struct {
	ClientID OIDCClientID `json:"client_id"`
	Scope    string       `json:"scope"`
	Nonce    string       `json:"nonce,omitempty"`
	// Challenge is the S256 code challenge (RFC 7636 §4.2); empty where a confidential client sent none.
	Challenge string `json:"challenge,omitempty"`
}

// SignIn is one passwordless login: an address, and the mails that were sent to prove it.
type SignIn struct {
	ID SignInID
	// ApplicationID is the realm; empty means the installation, whose operators sign in.
	ApplicationID ApplicationID
	// Email is as it was typed, Address its canonical form (package address).
	Email   string
	Address string
	Status  SignInStatus
	// Withheld is why no mail was sent, empty where one was. Nobody outside can tell the difference.
	Withheld string
	Locale   string
	// Device is the rough kind of browser that asked.
	Device string
	// BrowserHash is the hash of the cookie of the browser that asked; empty where an application's
	// backend did.
	BrowserHash []byte
	// Network is the network that asked, and Familiar the device, where it is known to be the address's own:
	// names that limits count, made so that nothing can be read from them.
	Network  string
	Familiar string
	// RedirectURI is where the browser goes in the end, with State as it came.
	RedirectURI string
	State       string
	// OIDC is set where an OpenID Connect client asked.
	OIDC *OIDCRequest

	// Sends counts mails; Current is the newest challenge and Before the one before it, if there is one.
	Sends   int
	SentAt  time.Time
	Current Challenge
	Before  Challenge

	Method      SignInMethod
	ProvedAt    time.Time
	CompletedAt time.Time
	// RevokedAt is when what was handed out became worthless, because somebody used it twice.
	RevokedAt time.Time
	CreatedAt time.Time
}

// ExpiresAt is when the last of its challenges ends.
func (s SignIn) ExpiresAt() time.Time { return s.Current.ExpiresAt }

// OIDCClient is a program of an application's that signs people in with OpenID Connect.
type OIDCClient struct {
	ID            OIDCClientID
	ApplicationID ApplicationID
	Name          string
	// Public clients have no secret and must use PKCE: programs that run at the end user's.
	Public bool
	// SecretHash is SHA-256 of the secret, which holds 256 random bits.
	SecretHash     []byte
	RedirectURIs   []string
	PostLogoutURIs []string
	// Algorithm signs its id tokens: RS256 or ES256.
	Algorithm string
	CreatedAt time.Time
	UpdatedAt time.Time
}

// SigningKey signs an application's id tokens.
type SigningKey struct {
	ApplicationID ApplicationID
	Algorithm     string
	// Generation counts the keys of one algorithm, from 1.
	Generation int
	// KeyID is the key's name in tokens and in the JWKS.
	KeyID string
	// Public is a JWK (RFC 7517), Private PKCS #8, sealed at rest.
	Public  []byte
	Private []byte
	// ActiveAt is when it begins to sign; it is published before. WithdrawnAt is when it was taken out
	// of use at once; zero means never.
	ActiveAt    time.Time
	WithdrawnAt time.Time
	CreatedAt   time.Time
}

// SignInList is one of the two lists of addresses that an application may keep.
type SignInList string

// The lists. Who is on both is blocked; an empty allow list allows everybody.
const (
	SignInAllow SignInList = "allow"
	SignInBlock SignInList = "block"
)
