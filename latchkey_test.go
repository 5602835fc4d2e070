package latchkey_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey"
)

func TestIDsSortByCreation(t *testing.T) {
	start := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	var ids []string
	for i := range 2000 {
		ids = append(ids, string(latchkey.NewEventID(start.Add(time.Duration(i)*500*time.Nanosecond))))
	}
	if !slices.IsSorted(ids) {
		t.Error("ids do not sort by creation")
	}
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 2000 {
		t.Error("ids repeat")
	}
	if id := string(latchkey.NewLinkID(start)); !strings.HasPrefix(id, "lnk_") || len(id) != 30 || !latchkey.HasPrefixOfID(id) {
		t.Errorf("id %q", id)
	}
}

func TestProviderNames(t *testing.T) {
	for in, want := range map[string]string{"MAIL": "IMAP", "outlook": "MICROSOFT", "GOOGLE_OAUTH": "GOOGLE", "*": "*", "*:mailing": "*:MAILING"} {
		if got, ok := latchkey.ParseProviderWish(in); !ok || got != want {
			t.Errorf("ParseProviderWish(%q) = %q, %v", in, got, ok)
		}
	}
	for _, bad := range []string{"", "*:", "SLACK", "*:CALENDAR", "IMAP "} {
		if _, ok := latchkey.ParseProviderWish(bad); ok {
			t.Errorf("%q is taken for a provider", bad)
		}
	}
	if latchkey.Wished([]string{"*:MAILING"}, latchkey.WhatsApp) || !latchkey.Wished([]string{"*:MESSAGING"}, latchkey.WhatsApp) || !latchkey.Wished([]string{"*"}, latchkey.Mock) {
		t.Error("wildcards cover the wrong providers")
	}
}

func TestLinkStatusByTime(t *testing.T) {
	end := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		status latchkey.LinkStatus
		after  time.Duration
		want   latchkey.LinkStatus
	}{
		{latchkey.LinkCreated, -time.Second, latchkey.LinkCreated},
		{latchkey.LinkCreated, 0, latchkey.LinkExpired},
		{latchkey.LinkFailed, time.Second, latchkey.LinkExpired},
		{latchkey.LinkInProgress, 14 * time.Minute, latchkey.LinkInProgress},
		{latchkey.LinkInProgress, 15 * time.Minute, latchkey.LinkExpired},
		{latchkey.LinkCompleted, time.Hour, latchkey.LinkCompleted},
	} {
		l := latchkey.Link{Status: c.status, ExpiresAt: end}
		if got := l.StatusAt(end.Add(c.after)); got != c.want {
			t.Errorf("%s, %s after its end: %s, want %s", c.status, c.after, got, c.want)
		}
	}
}

func TestSameIdentity(t *testing.T) {
	for _, c := range []struct {
		p    latchkey.Provider
		a, b string
		same bool
	}{
		{latchkey.IMAP, "Anna@x.test", " anna@X.test", true},
		{latchkey.Google, "anna+1@x.test", "anna@x.test", false},
		{latchkey.Microsoft, "a.b@x.test", "ab@x.test", false},
		{latchkey.LinkedIn, "782bbtaQ", "782bbtaQ ", true},
		{latchkey.LinkedIn, "782bbtaQ", "782BBTAQ", false},
		{latchkey.Instagram, "17841405793187218", "17841405793187218", true},
	} {
		if got := latchkey.SameIdentity(c.p, c.a, c.b); got != c.same {
			t.Errorf("%s: %q and %q: %v", c.p, c.a, c.b, got)
		}
	}
}
