package latchkey

import "time"

// ReconnectURL stands for weeks in an email, and makes a fresh reconnect link when its reader asks for
// one. Its token is known to its holder only; we keep the hash.
type ReconnectURL struct {
	ID            ReconnectURLID
	ApplicationID ApplicationID
	AccountID     AccountID
	TokenHash     []byte
	CreatedAt     time.Time
	ExpiresAt     time.Time
	// Name and Terms are those of the links that it makes.
	Name  string
	Terms LinkTerms
}

// ReconnectURLsKept is how many reconnect URLs of one account live side by side: as many emails.
const ReconnectURLsKept = 20

// Live tells whether the URL still makes links at now.
func (u ReconnectURL) Live(now time.Time) bool { return now.Before(u.ExpiresAt) }
