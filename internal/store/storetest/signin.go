package storetest

import (
	"context"
	"strings"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

func challenge(at time.Time) latchkey.Challenge {
	return latchkey.Challenge{CodeMAC: random(32), LinkHash: random(32), CodePad: 417_033, ExpiresAt: ms(at.Add(10 * time.Minute))}
}

func signIn(app latchkey.ApplicationID, at time.Time) latchkey.SignIn {
	return latchkey.SignIn{
		ID: latchkey.NewSignInID(at), ApplicationID: app, Email: "Ada@Acme.io", Address: "ada@acme.io", Status: latchkey.SignInPending,
		Locale: "de", Device: "Firefox", BrowserHash: random(32), RedirectURI: "https://a.io/cb?x=1", State: "s&t",
		OIDC:  &latchkey.OIDCRequest{ClientID: latchkey.NewOIDCClientID(at), Scope: "openid", Nonce: "n", Challenge: "c"},
		Sends: 1, SentAt: ms(at), Current: challenge(at), CreatedAt: ms(at), Network: "net", Familiar: "dev",
	}
}

func testSignIns(t *testing.T, s store.Store) {
	twice(t, s, testSignInLife)
	t.Run("looks at a code race", func(t *testing.T) {
		v := signIn(newApp(), moment())
		ok(t, "create", s.SignIns().Create(t.Context(), v))
		won, errs := race(6*parallel, func(int) error {
			_, err := s.SignIns().CountTry(t.Context(), v.ApplicationID, v.ID, 5)
			return err
		})
		want(t, "looks that were allowed", won, 5)
		onlyErr(t, "count", errs, store.ErrStale)
	})
	t.Run("it is proved and completed once", func(t *testing.T) {
		v := signIn(newApp(), moment())
		ok(t, "create", s.SignIns().Create(t.Context(), v))
		won, errs := race(parallel, func(int) error {
			return s.SignIns().Prove(t.Context(), v.ApplicationID, v.ID, latchkey.SignInByLink, moment())
		})
		want(t, "proved", won, 1)
		onlyErr(t, "prove", errs, store.ErrStale)
		won, errs = race(parallel, func(int) error { return s.SignIns().Complete(t.Context(), v.ApplicationID, v.ID, moment()) })
		want(t, "completed", won, 1)
		onlyErr(t, "complete", errs, store.ErrStale)
	})
}

func testSignInLife(t *testing.T, ctx context.Context, tx store.Tx) {
	at := moment()
	v := signIn(newApp(), at)
	plain := signIn("", at) // the installation's own
	plain.OIDC, plain.BrowserHash, plain.Withheld = nil, nil, "blocked"
	for _, x := range []latchkey.SignIn{v, plain} {
		ok(t, "create", tx.SignIns().Create(ctx, x))
		wantErr(t, "create again", tx.SignIns().Create(ctx, x), store.ErrConflict)
		got, err := tx.SignIns().Get(ctx, x.ApplicationID, x.ID)
		ok(t, "get", err)
		want(t, "get", got, x)
		got, err = tx.SignIns().ByID(ctx, x.ID)
		ok(t, "by id", err)
		want(t, "by id", got, x)
	}
	_, err := tx.SignIns().Get(ctx, "", v.ID)
	wantErr(t, "another realm's", err, store.ErrNotFound)
	_, err = tx.SignIns().CountTry(ctx, newApp(), v.ID, 5)
	wantErr(t, "count another's", err, store.ErrStale)

	for n := 1; n <= 2; n++ {
		got, err := tx.SignIns().CountTry(ctx, v.ApplicationID, v.ID, 2)
		ok(t, "count", err)
		want(t, "looks", got.Current.Tries, n)
	}
	_, err = tx.SignIns().CountTry(ctx, v.ApplicationID, v.ID, 2)
	wantErr(t, "one too many", err, store.ErrStale)

	next := v
	next.Sends, next.SentAt, next.Before, next.Current = 2, ms(at.Add(time.Minute)), v.Current, challenge(at.Add(time.Minute))
	next.Before.Tries = 2
	other := next
	other.ApplicationID = newApp()
	wantErr(t, "renew another's", tx.SignIns().Renew(ctx, other, 1), store.ErrStale)
	ok(t, "renew", tx.SignIns().Renew(ctx, next, 1))
	wantErr(t, "renew twice at once", tx.SignIns().Renew(ctx, next, 1), store.ErrStale)
	got, err := tx.SignIns().Get(ctx, v.ApplicationID, v.ID)
	ok(t, "get", err)
	want(t, "renewed", got, next)

	wantErr(t, "complete what is not proved", tx.SignIns().Complete(ctx, v.ApplicationID, v.ID, at), store.ErrStale)
	wantErr(t, "prove another's", tx.SignIns().Prove(ctx, "", v.ID, latchkey.SignInByCode, at), store.ErrStale)
	ok(t, "prove", tx.SignIns().Prove(ctx, v.ApplicationID, v.ID, latchkey.SignInByCode, at))
	_, err = tx.SignIns().CountTry(ctx, v.ApplicationID, v.ID, 5)
	wantErr(t, "a look after that", err, store.ErrStale)
	wantErr(t, "a mail after that", tx.SignIns().Renew(ctx, next, 2), store.ErrStale)
	ok(t, "complete", tx.SignIns().Complete(ctx, v.ApplicationID, v.ID, at.Add(time.Second)))
	ok(t, "revoke", tx.SignIns().Revoke(ctx, v.ApplicationID, v.ID, at.Add(2*time.Second)))
	wantErr(t, "revoke again", tx.SignIns().Revoke(ctx, v.ApplicationID, v.ID, at), store.ErrStale)
	next.Status, next.Method, next.ProvedAt = latchkey.SignInCompleted, latchkey.SignInByCode, ms(at)
	next.CompletedAt, next.RevokedAt = ms(at.Add(time.Second)), ms(at.Add(2*time.Second))
	got, err = tx.SignIns().Get(ctx, v.ApplicationID, v.ID)
	ok(t, "get", err)
	want(t, "at the end", got, next)

	_, err = tx.SignIns().DeleteExpired(ctx, plain.ExpiresAt().Add(time.Millisecond), 1000)
	ok(t, "delete", err)
	_, err = tx.SignIns().Get(ctx, "", plain.ID)
	wantErr(t, "it is forgotten", err, store.ErrNotFound)
	_, err = tx.SignIns().Get(ctx, v.ApplicationID, v.ID)
	ok(t, "what expires later is not", err)
	_, err = tx.SignIns().DeleteExpired(ctx, at.Add(time.Hour), 1000)
	ok(t, "delete", err)
}

func testSignInRules(t *testing.T, s store.Store) {
	twice(t, s, func(t *testing.T, ctx context.Context, tx store.Tx) {
		app, rules := newApp(), tx.SignInRules()
		match := func(what string, first, second string, wanted [3]bool) {
			t.Helper()
			allowed, blocked, listed, err := rules.Match(ctx, app, store.SignInPatterns{Of: [5]string{first, second}, Mailbox: strings.Replace(first, "+tag", "", 1)})
			ok(t, what, err)
			want(t, what, [3]bool{allowed, blocked, listed}, wanted)
		}
		match("nothing", "ada@acme.io", "*@acme.io", [3]bool{})
		n, err := rules.Add(ctx, app, latchkey.SignInBlock, []string{"eve@acme.io", "*@evil.io", "eve@acme.io"}, moment())
		ok(t, "add", err)
		want(t, "added", n, 2)
		match("a block list only", "ada@acme.io", "*@acme.io", [3]bool{})
		match("blocked", "eve@acme.io", "*@acme.io", [3]bool{false, true, false})
		_, err = rules.Add(ctx, app, latchkey.SignInAllow, []string{"*@acme.io"}, moment())
		ok(t, "add", err)
		match("allowed", "ada@acme.io", "*@acme.io", [3]bool{true, false, true})
		match("both", "eve@acme.io", "*@acme.io", [3]bool{true, true, true})
		match("blocked, with a tag", "eve+tag@acme.io", "*@nowhere.io", [3]bool{false, true, true})
		_, err = rules.Add(ctx, app, latchkey.SignInAllow, []string{"bob@other.io"}, moment())
		ok(t, "add", err)
		match("allowed, with a tag", "bob+tag@other.io", "*@other.io", [3]bool{false, false, true})
		match("neither", "x@y.io", "*@y.io", [3]bool{false, false, true})
		_, _, listed, err := rules.Match(ctx, newApp(), store.SignInPatterns{Of: [5]string{"ada@acme.io"}})
		ok(t, "match", err)
		want(t, "another application's", listed, false)
		list, err := rules.List(ctx, app, latchkey.SignInBlock, "", 10)
		ok(t, "list", err)
		want(t, "list", list, []string{"*@evil.io", "eve@acme.io"})
		list, err = rules.List(ctx, app, latchkey.SignInBlock, "*@evil.io", 10)
		ok(t, "list", err)
		want(t, "the rest", list, []string{"eve@acme.io"})
		n, err = rules.Delete(ctx, app, latchkey.SignInBlock, []string{"*@evil.io", "nobody@acme.io"})
		ok(t, "delete", err)
		want(t, "deleted", n, 1)
		n, err = rules.Count(ctx, app, latchkey.SignInBlock)
		ok(t, "count", err)
		want(t, "count", n, 1)
		ok(t, "clear", rules.Clear(ctx, app, latchkey.SignInBlock))
		match("no block list", "eve@acme.io", "*@acme.io", [3]bool{true, false, true})
	})
}

func testOIDCClients(t *testing.T, s store.Store) {
	twice(t, s, func(t *testing.T, ctx context.Context, tx store.Tx) {
		at := moment()
		v := latchkey.OIDCClient{
			ID: latchkey.NewOIDCClientID(at), ApplicationID: newApp(), Name: "web", SecretHash: random(32),
			RedirectURIs: []string{"https://a.io/cb", "https://a.io/cb2"}, PostLogoutURIs: []string{"https://a.io/"}, Algorithm: "RS256",
			CreatedAt: ms(at), UpdatedAt: ms(at),
		}
		ok(t, "create", tx.OIDCClients().Create(ctx, v))
		wantErr(t, "create again", tx.OIDCClients().Create(ctx, v), store.ErrConflict)
		got, err := tx.OIDCClients().Get(ctx, v.ApplicationID, v.ID)
		ok(t, "get", err)
		want(t, "get", got, v)
		_, err = tx.OIDCClients().Get(ctx, newApp(), v.ID)
		wantErr(t, "another's", err, store.ErrNotFound)
		second := v
		second.ID, second.Public, second.SecretHash, second.PostLogoutURIs = latchkey.NewOIDCClientID(at.Add(time.Second)), true, nil, nil
		ok(t, "create", tx.OIDCClients().Create(ctx, second))
		v.Name, v.SecretHash, v.RedirectURIs, v.PostLogoutURIs, v.Algorithm = "x", random(32), []string{"http://localhost/"}, nil, "ES256"
		v.UpdatedAt = ms(at.Add(time.Hour))
		ok(t, "update", tx.OIDCClients().Update(ctx, v))
		list, err := tx.OIDCClients().List(ctx, v.ApplicationID)
		ok(t, "list", err)
		want(t, "list", list, []latchkey.OIDCClient{v, second})
		v.ApplicationID = newApp()
		wantErr(t, "update another's", tx.OIDCClients().Update(ctx, v), store.ErrNotFound)
		wantErr(t, "delete another's", tx.OIDCClients().Delete(ctx, v.ApplicationID, v.ID), store.ErrNotFound)
		ok(t, "delete", tx.OIDCClients().Delete(ctx, second.ApplicationID, v.ID))
	})
}

func testSigningKeys(t *testing.T, s store.Store) {
	twice(t, s, func(t *testing.T, ctx context.Context, tx store.Tx) {
		app, at := newApp(), moment()
		key := func(algorithm string, generation int) latchkey.SigningKey {
			return latchkey.SigningKey{
				ApplicationID: app, Algorithm: algorithm, Generation: generation, KeyID: "k", Public: []byte(`{"kty":"EC"}`),
				Private: random(100), ActiveAt: ms(at), CreatedAt: ms(at),
			}
		}
		e1, e2, r1 := key("ES256", 1), key("ES256", 2), key("RS256", 1)
		e2.CreatedAt = ms(at.Add(time.Hour))
		for _, k := range []latchkey.SigningKey{r1, e2, e1} {
			ok(t, "create", tx.SigningKeys().Create(ctx, k))
		}
		wantErr(t, "create again", tx.SigningKeys().Create(ctx, key("ES256", 1)), store.ErrConflict)
		list, err := tx.SigningKeys().List(ctx, app)
		ok(t, "list", err)
		want(t, "list", list, []latchkey.SigningKey{e1, e2, r1})
		aged, err := tx.SigningKeys().Aged(ctx, at.Add(time.Minute), 1000)
		ok(t, "aged", err)
		var mine []string
		for _, k := range aged {
			if k.ApplicationID == app {
				mine = append(mine, k.Algorithm)
			}
		}
		want(t, "whose newest is old", mine, []string{"RS256"})
		ok(t, "withdraw", tx.SigningKeys().Withdraw(ctx, app, "ES256", 2, at))
		ok(t, "withdraw again", tx.SigningKeys().Withdraw(ctx, app, "ES256", 2, at.Add(time.Hour)))
		ok(t, "delete", tx.SigningKeys().Delete(ctx, app, "RS256", 1))
		wantErr(t, "delete again", tx.SigningKeys().Delete(ctx, app, "RS256", 1), store.ErrNotFound)
		e1.WithdrawnAt = ms(at)
		list, err = tx.SigningKeys().List(ctx, app)
		ok(t, "list", err)
		want(t, "the first withdrawal counts", list, []latchkey.SigningKey{e1, e2})
	})
}
