package signin_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"latchkey/internal/errs"
	"latchkey/internal/secret"
	"latchkey/internal/signin"
)

// TestChangesOfAClientAtOnceAreAllKept edits a client from two replicas while its secret is rotated: none is lost.
func TestChangesOfAClientAtOnceAreAllKept(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *lab) {
		made, err := l.signin.CreateClient(t.Context(), l.app, signin.ClientSpec{RedirectURIs: &[]string{"https://app.acme.test/in"}})
		must(t, err)
		other := l.replica()
		for round := range 15 {
			name, uris := fmt.Sprint("Shop ", round), []string{fmt.Sprint("https://app.acme.test/", round)}
			var rotated signin.CreatedClient
			var wg sync.WaitGroup
			wg.Go(func() {
				if _, err := l.signin.UpdateClient(t.Context(), l.app, made.Client.ID, signin.ClientSpec{Name: &name}); err != nil {
					t.Error(err)
				}
			})
			wg.Go(func() {
				if _, err := other.UpdateClient(t.Context(), l.app, made.Client.ID, signin.ClientSpec{RedirectURIs: &uris}); err != nil {
					t.Error(err)
				}
			})
			wg.Go(func() {
				var err error
				if rotated, err = other.RotateClientSecret(t.Context(), l.app, made.Client.ID); err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
			got, err := l.signin.Client(t.Context(), l.app, made.Client.ID)
			must(t, err)
			if got.Name != name || !slices.Equal(got.RedirectURIs, uris) || !slices.Equal(got.SecretHash, secret.HashToken(rotated.Secret.Reveal())) {
				t.Fatalf("round %d: one change undid another: %q %q", round, got.Name, got.RedirectURIs)
			}
		}
		// What is wrong changes nothing, and a foreign one is unknown.
		public := true
		_, err = l.signin.UpdateClient(t.Context(), l.app, made.Client.ID, signin.ClientSpec{Public: &public, Name: new(string)})
		wantCode(t, "made public", err, errs.CodeInvalidParameters)
		_, err = l.signin.RotateClientSecret(t.Context(), l.other, made.Client.ID)
		wantCode(t, "a foreign one", err, errs.CodeNotFound)
		_, err = l.signin.UpdateClient(t.Context(), l.other, made.Client.ID, signin.ClientSpec{})
		wantCode(t, "a foreign one", err, errs.CodeNotFound)
		if got, err := l.signin.Client(t.Context(), l.app, made.Client.ID); err != nil || got.Name != "Shop 14" {
			t.Errorf("%q, %v", got.Name, err)
		}
	})
}

// TestClientsMadeAtOnceAreCounted fills the last place of an application twice.
func TestClientsMadeAtOnceAreCounted(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *lab) {
		public := true
		spec := signin.ClientSpec{Public: &public, RedirectURIs: &[]string{"https://app.acme.test/in"}}
		for range signin.MaxClients - 1 {
			_, err := l.signin.CreateClient(t.Context(), l.app, spec)
			must(t, err)
		}
		var wg sync.WaitGroup
		for range 8 {
			s := l.replica()
			wg.Go(func() {
				if _, err := s.CreateClient(t.Context(), l.app, spec); err != nil && !errs.Is(err, errs.CodeConflict) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		all, err := l.signin.Clients(t.Context(), l.app)
		must(t, err)
		if len(all) != signin.MaxClients {
			t.Errorf("%d clients", len(all))
		}
	})
}
