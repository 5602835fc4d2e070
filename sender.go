package latchkey

import "time"

// SenderKind is how a sender proves to its mail host who it is.
type SenderKind string

// The kinds: a password, or a token of an OAuth client.
const (
	SenderBasic SenderKind = "basic"
	SenderOAuth SenderKind = "oauth"
)

// Transport is how a sender's mail leaves.
type Transport string

// The transports: SMTP, or Microsoft Graph's sendMail with the same credentials.
const (
	TransportSMTP  Transport = "smtp"
	TransportGraph Transport = "graph"
)

// Sender is a From identity with the mail host that may send for it.
type Sender struct {
	ID            SenderID
	ApplicationID ApplicationID
	Kind          SenderKind
	// Email is what mail comes from, as typed; Address is its canonical form (package address).
	Email   string
	Address string
	// Name stands beside the address in From; empty means the address alone.
	Name string

	// Host, Port, Username and Password belong to SenderBasic.
	Host     string
	Port     int
	Username string
	Password string

	// Provider (Google or Microsoft) and the rest belong to SenderOAuth.
	Provider     Provider
	ClientID     string
	ClientSecret string
	Tenant       string
	// ServiceAccount is Google's JSON key.
	ServiceAccount string
	Transport      Transport
	// SecretExpiresAt is when the client secret ends, as the operator told us; zero where unknown.
	SecretExpiresAt time.Time
	// SecretTold is how many days before that somebody was told last; 0 for nobody yet.
	SecretTold int

	// Fallback lets mail that this sender cannot send leave through the installation's default sender.
	Fallback bool
	// ProofHash is the hash of the token in the mail that asks the address to prove that it is theirs;
	// OwnedAt is when it did. Nothing is sent from a sender before.
	ProofHash []byte
	OwnedAt   time.Time
	// ProofExpiresAt is when the token ends.
	ProofExpiresAt time.Time
	// CheckedAt is the last check, Problem the code of what is wrong since then; empty means nothing.
	CheckedAt time.Time
	Problem   string
	CreatedAt time.Time
	UpdatedAt time.Time
}

// MailStatus is where a mail stands.
type MailStatus string

// The states of a mail. A mail that was accepted is out of our hands: its host may still bounce it.
const (
	MailQueued   MailStatus = "queued"
	MailAccepted MailStatus = "accepted"
	// MailFailed was refused for good.
	MailFailed MailStatus = "failed"
	// MailExpired was not worth sending any more, such as a code that has ended.
	MailExpired MailStatus = "expired"
	// MailCanceled was not needed any more before it was sent.
	MailCanceled MailStatus = "canceled"
)

// Mail is one message on its way out.
type Mail struct {
	ID            MailID
	ApplicationID ApplicationID // empty for the installation's own mail
	// SenderID is whose mail host takes it; empty means the default sender. It is also the lane: mail of
	// one sender never waits for another's.
	SenderID SenderID
	Kind     string
	To       string
	// Body holds subject and texts, sealed. It is erased when the mail is out of our hands, for it
	// may hold a code.
	Body   []byte
	Status MailStatus
	// Attempts counts tries; Code and Detail say what went wrong with the last, in our words and the
	// mail host's.
	Attempts int
	Code     string
	Detail   string
	// DueAt is when it may be tried, and the end of the lease while somebody does.
	DueAt     time.Time
	ExpiresAt time.Time
	CreatedAt time.Time
	UpdatedAt time.Time
}
