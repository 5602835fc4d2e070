package latchkey

import (
	"hash/fnv"
	"time"
)

// When a credential that expires is renewed: at earliest and latest after these parts of its life.
const (
	refreshEarliest = 0.70
	refreshSpread   = 0.15
)

// RefreshTime says when a credential that was made now and ends at expires should be renewed: well
// ahead of its end, and for each account at another part of its life, so that accounts connected
// in one burst do not come back as one. It is zero where the credential does not end.
func RefreshTime(id AccountID, now, expires time.Time) time.Time {
	if expires.IsZero() {
		return time.Time{}
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // never fails
	part := refreshEarliest + refreshSpread*float64(h.Sum32()%1024)/1024
	return now.Add(time.Duration(part * float64(max(expires.Sub(now), 0)))).UTC().Truncate(time.Millisecond)
}

// Refreshing tells whether somebody is renewing the account's credential right now: the claim has
// not been answered by another RefreshAt, and has not run out.
func (a Account) Refreshing(now time.Time) bool {
	return !a.RefreshAt.IsZero() && a.RefreshAt.Equal(a.RefreshClaim) && now.Before(a.RefreshAt)
}
