package idp

import (
	"time"
)

// Kind is whose ways a server has.
type Kind string

// The kinds.
const (
	Google    Kind = "google"
	Microsoft Kind = "microsoft"
	LinkedIn  Kind = "linkedin"
	Instagram Kind = "instagram"
)

// Personal is the tenant of Microsoft's personal accounts.
const Personal = "9188040d-6c67-4c5b-b112-36a304b66dad"

// User is somebody who can sign in.
type User struct {
	Email, Name string
	// Subject is sub, oid and user_id. TID is the tenant, HD the Workspace domain.
	Subject, TID, HD string
	// UPN is preferred_username where it differs from Email; Username is a profile's.
	UPN, Username string
	// Mailboxes are further addresses whose mail the user may open.
	Mailboxes []string
	// Type is Instagram's account_type, BUSINESS if empty.
	Type string
}

// Client is an OAuth client.
type Client struct {
	ID, Secret   string
	RedirectURIs []string
	// ServiceKeyPEM is the public key (PKIX) of a service account whose client_email is ID.
	ServiceKeyPEM []byte
}

// Config is what a server needs.
type Config struct {
	Kind Kind
	// Listen is "127.0.0.1:0" if empty.
	Listen  string
	Users   []User
	Clients []Client
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// Refusal is an error of the token endpoint.
type Refusal struct {
	Status                 int
	Code, Sub, Description string
	Numbers                []int
}

// Knobs are what goes wrong. The zero value is a provider that behaves, with a page to click on.
type Knobs struct {
	// Auto answers the authorize request at once: as User (or the hinted or first one).
	Auto bool
	User string
	// AuthorizeError and the rest send the browser back with an error.
	AuthorizeError, AuthorizeReason, AuthorizeDescription string
	// Untick are scopes that are not granted.
	Untick []string
	// CallbackIssuer is sent as iss; "-" sends none where one is promised.
	CallbackIssuer string
	// PromiseIssuer says in the discovery document that iss is always sent.
	PromiseIssuer bool

	// TokenRefusal answers every token request. TokenHang never does. TokenLies gives numbers for
	// strings; TokenHuge sends 10 MB; TokenGarbage no JSON; TokenType another type.
	TokenRefusal                                     *Refusal
	TokenHang, TokenLies, TokenHuge, TokenGarbage    bool
	TokenType                                        string
	NoRefreshToken, RotateRefreshTokens, NoIDToken   bool
	ExpiresIn                                        int
	ClockSkew                                        time.Duration
	WrongNonce, WrongAudience, WrongIssuer, WrongTID bool
	WrongSignature, AlgorithmNone, ES256             bool
	OmitEmail, OtherSubject                          bool
	// Outage answers 503 everywhere behind the pages; KeysDown only where the keys are.
	Outage, KeysDown bool
	// DiscoveryIssuer replaces the discovery document's issuer.
	DiscoveryIssuer string
	// APIStatus answers the provider's API.
	APIStatus int
	// SecretExpired refuses the right secret as one that has expired.
	SecretExpired bool
}
