package providerapps_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/providerapps"
)

func declared(key, provider, client string, more ...func(*providerapps.Spec)) providerapps.Declared {
	secret := "s-" + client
	d := providerapps.Declared{Key: key, Spec: providerapps.Spec{Provider: &provider, Name: &key, ClientID: &client, ClientSecret: &secret}}
	for _, f := range more {
		f(&d.Spec)
	}
	return d
}

func byName(t *testing.T, s *providerapps.Service, name string) latchkey.ProviderApp {
	t.Helper()
	all, err := s.List(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(a latchkey.ProviderApp) bool { return a.Name == name })
	if i < 0 {
		t.Fatalf("there is no %s", name)
	}
	return all[i]
}

// TestDeclared makes provider apps what a list says, again and again, on two replicas at once.
func TestDeclared(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, l *lab) {
		t.Helper()
		s := l.replicas[0]
		names := func() string {
			t.Helper()
			all, err := s.List(t.Context(), app)
			if err != nil {
				t.Fatal(err)
			}
			var out []string
			for _, a := range all {
				name := string(a.Provider) + " " + a.Name + " " + a.ClientID
				if a.Default {
					name += "*"
				}
				out = append(out, name)
			}
			return strings.Join(slices.Sorted(slices.Values(out)), ", ")
		}
		declare := func(list ...providerapps.Declared) {
			t.Helper()
			var wg sync.WaitGroup
			for _, r := range l.replicas {
				wg.Go(func() {
					if err := r.Declare(t.Context(), app, list); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
		hand, err := s.Create(t.Context(), app, declared("by hand", "GOOGLE", "hand").Spec)
		if err != nil {
			t.Fatal(err)
		}
		tenant := "organizations"
		yes := true
		first := declared("g", "GOOGLE", "one", func(s *providerapps.Spec) { s.ExtraScopes = &[]string{"a"} })
		declare(first, declared("l", "LINKEDIN", "two"))
		if got := names(); got != "GOOGLE by hand hand*, GOOGLE g one, LINKEDIN l two*" {
			t.Fatal(got)
		}
		before := byName(t, s, "g")
		declare(first, declared("l", "LINKEDIN", "two"))
		if again := byName(t, s, "g"); again.ID != before.ID || !again.UpdatedAt.Equal(before.UpdatedAt) {
			t.Errorf("the same list changed something: %+v, %+v", before, again)
		}
		// A change keeps the id; what is no longer said goes.
		if err := s.Flag(t.Context(), app, string(before.ID), "client_secret"); err != nil {
			t.Fatal(err)
		}
		declare(declared("g", "GOOGLE", "three", func(s *providerapps.Spec) { s.Default = &yes }), declared("l", "LINKEDIN", "two"))
		if after := byName(t, s, "g"); after.ID != before.ID || after.ClientSecret != "s-three" || len(after.ExtraScopes) != 0 || after.Flag != "" || !after.CreatedAt.Equal(before.CreatedAt) {
			t.Errorf("changed to %+v", after)
		}
		if got := names(); got != "GOOGLE by hand hand, GOOGLE g three*, LINKEDIN l two*" {
			t.Error(got)
		}
		// It is the file's.
		if _, err := s.Update(t.Context(), app, before.ID, providerapps.Spec{Tenant: &tenant}); !errs.Is(err, errs.CodeConflict) {
			t.Errorf("changed by hand: %v", err)
		}
		if err := s.Delete(t.Context(), app, before.ID); !errs.Is(err, errs.CodeConflict) {
			t.Errorf("deleted by hand: %v", err)
		}
		// One that accounts use stays, and is nobody's; the other goes; what was made by hand is let be.
		now := l.now()
		acc := latchkey.Account{ID: latchkey.NewAccountID(now), ApplicationID: app, Provider: latchkey.Google, Identity: "a@b.c", Secret: []byte("x"), ProviderApp: before.ID, CreatedAt: now, UpdatedAt: now}
		if err := l.store.Accounts().Create(t.Context(), acc); err != nil {
			t.Fatal(err)
		}
		declare()
		if got := names(); got != "GOOGLE by hand hand, GOOGLE g three*" || !strings.Contains(l.logs.String(), "declared no longer") {
			t.Error(got)
		}
		// It can be declared again, or deleted.
		declare(first)
		if got := byName(t, s, "g"); got.ID != before.ID || got.ClientID != "one" || got.Declared != "g" {
			t.Errorf("declared again: %+v", got)
		}
		if err := l.store.Accounts().Delete(context.WithoutCancel(t.Context()), app, acc.ID); err != nil {
			t.Fatal(err)
		}
		declare()
		if got := names(); got != "GOOGLE by hand hand*" {
			t.Error(got)
		}
		if _, err := s.Get(t.Context(), app, hand.ID); err != nil {
			t.Error(err)
		}
		if err := s.Declare(t.Context(), app, []providerapps.Declared{first, declared("x", "GOGLE", "y")}); !errs.Is(err, errs.CodeInvalidParameters) {
			t.Errorf("a bad list: %v", err)
		}
		if got := names(); got != "GOOGLE by hand hand*" {
			t.Errorf("a bad list left %s", got)
		}
	})
}
