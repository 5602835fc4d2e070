package storetest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"latchkey"
	"latchkey/internal/store"
)

// Open makes a store on an empty database, which is closed when the test ends.
type Open func(t *testing.T) store.Store

// Run runs the suite.
func Run(t *testing.T, open Open) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, store.Store){
		"applications":   testApplications,
		"keys":           testKeys,
		"links":          testLinks,
		"flows":          testFlows,
		"accounts":       testAccounts,
		"events":         testEvents,
		"deliveries":     testDeliveries,
		"endpoints":      testEndpoints,
		"shares":         testShares,
		"expiry":         testExpiry,
		"follow":         testFollow,
		"watch":          testWatch,
		"idempotency":    testIdempotency,
		"tries":          testTries,
		"provider apps":  testProviderApps,
		"refresh":        testRefresh,
		"checks":         testChecks,
		"history":        testStatusChanges,
		"reconnect urls": testReconnectURLs,
		"transactions":   testTransactions,
		"senders":        testSenders,
		"mails":          testMails,
		"settings":       testSettings,
		"operators":      testOperators,
		"logins":         testLogins,
		"one times":      testOneTimes,
		"counts":         testCounts,
		"funnel":         testFunnel,
		"paces":          testPaces,
		"audit":          testAudit,
		"sign-ins":       testSignIns,
		"sign-in rules":  testSignInRules,
		"oidc clients":   testOIDCClients,
		"signing keys":   testSigningKeys,
		"keeps":          testKeeps,
		"memories":       testMemories,
		"images":         testImages,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// parallel is how many goroutines race.
const parallel = 50

// moment has more than milliseconds, and a zone.
func moment() time.Time {
	return time.Date(2026, 3, 29, 2, 30, 0, 123_987_654, time.FixedZone("", 3600))
}

// ms is a time as the contract keeps it.
func ms(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

func want[T any](t *testing.T, what string, got, wanted T) {
	t.Helper()
	if diff := cmp.Diff(wanted, got, cmpopts.EquateErrors(), cmp.Comparer(sameJSON)); diff != "" {
		t.Errorf("%s: (-want +got)\n%s", what, diff)
	}
}

func sameJSON(a, b json.RawMessage) bool { return string(a) == string(b) }

func ok(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func wantErr(t *testing.T, what string, err, wanted error) {
	t.Helper()
	if !errors.Is(err, wanted) {
		t.Errorf("%s: error is %v, want %v", what, err, wanted)
	}
}

// race runs fn in many goroutines at once and returns how many answered nil, and the errors.
func race(n int, fn func(i int) error) (won int, errs []error) {
	var wg sync.WaitGroup
	var count atomic.Int64
	all := make([]error, n)
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			if all[i] = fn(i); all[i] == nil {
				count.Add(1)
			}
		})
	}
	close(start)
	wg.Wait()
	for _, err := range all {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return int(count.Load()), errs
}

// onlyErr fails the test where an error is another than wanted.
func onlyErr(t *testing.T, what string, errs []error, wanted error) {
	t.Helper()
	for _, err := range errs {
		if !errors.Is(err, wanted) {
			t.Errorf("%s: error is %v, want %v", what, err, wanted)
		}
	}
}

// twice runs a test on the store itself and on a transaction's store.
func twice(t *testing.T, s store.Store, fn func(t *testing.T, ctx context.Context, tx store.Tx)) {
	t.Helper()
	t.Run("alone", func(t *testing.T) { fn(t, t.Context(), s) })
	t.Run("in a transaction", func(t *testing.T) {
		ok(t, "transaction", s.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
			fn(t, ctx, tx)
			return nil
		}))
	})
}

func link(app latchkey.ApplicationID, at time.Time) latchkey.Link {
	return latchkey.Link{
		ID: latchkey.NewLinkID(at), ApplicationID: app, TokenHash: random(32), Type: latchkey.LinkCreate,
		Dialect: latchkey.DialectLink, Status: latchkey.LinkCreated, CreatedAt: ms(at), UpdatedAt: ms(at), ExpiresAt: ms(at.Add(time.Hour)),
	}
}

func flow(app latchkey.ApplicationID, at time.Time) latchkey.Flow {
	return latchkey.Flow{
		ID: latchkey.NewFlowID(at), LinkID: latchkey.NewLinkID(at), ApplicationID: app, CookieHash: random(32), Version: 1,
		Status: latchkey.FlowInProgress, Body: []byte("state"), Fence: 1, CreatedAt: ms(at), UpdatedAt: ms(at), ExpiresAt: ms(at.Add(time.Hour)),
	}
}

func account(app latchkey.ApplicationID, at time.Time) latchkey.Account {
	return latchkey.Account{
		ID: latchkey.NewAccountID(at), ApplicationID: app, Provider: latchkey.IMAP, Identity: "ada@example.com",
		Proof: latchkey.ProofTyped, Status: latchkey.AccountOK, StatusAt: ms(at), Secret: []byte("credential"),
		CreatedAt: ms(at), UpdatedAt: ms(at), CheckedAt: ms(at),
	}
}

func event(app latchkey.ApplicationID, at time.Time) latchkey.Event {
	return latchkey.Event{ID: latchkey.NewEventID(at), ApplicationID: app, Type: latchkey.EventLinkStarted, Data: json.RawMessage(`{"b":1,"a":2}`), CreatedAt: ms(at)}
}

func delivery(app latchkey.ApplicationID, at time.Time) latchkey.Delivery {
	return latchkey.Delivery{
		ID: latchkey.NewDeliveryID(at), ApplicationID: app, EventID: latchkey.NewEventID(at), LinkID: latchkey.NewLinkID(at),
		URL: "https://app.example/hook", Payload: []byte(`{"status":"CREATION_SUCCESS"}`), Status: latchkey.DeliveryPending,
		CreatedAt: ms(at), UpdatedAt: ms(at),
	}
}

func newApp() latchkey.ApplicationID { return latchkey.NewApplicationID(moment()) }
