package providerapps

import (
	"context"
	"slices"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
)

// For returns the application's client at the provider: the one with the id, or the default one
// where the id is empty. errs.CodeNotFound means that there is none. It remembers for some seconds.
func (s *Service) For(ctx context.Context, app latchkey.ApplicationID, p latchkey.Provider, id string) (*connector.App, error) {
	all, err := s.remembered(ctx, app)
	if err != nil {
		return nil, err
	}
	var a *latchkey.ProviderApp
	if id == "" {
		a = defaultOf(all, p)
	} else if a = find(all, latchkey.ProviderAppID(id)); a != nil && a.Provider != p {
		a = nil
	}
	if a == nil {
		return nil, errs.NotFoundf("provider app")
	}
	return client(*a), nil
}

// Has tells whether the application has a client at the provider.
func (s *Service) Has(ctx context.Context, app latchkey.ApplicationID, p latchkey.Provider) bool {
	all, err := s.remembered(ctx, app)
	return err == nil && defaultOf(all, p) != nil
}

// Exists tells whether the application has the provider app.
func (s *Service) Exists(ctx context.Context, app latchkey.ApplicationID, id string) (bool, error) {
	all, err := s.remembered(ctx, app)
	return err == nil && find(all, latchkey.ProviderAppID(id)) != nil, err
}

func (s *Service) remembered(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.ProviderApp, error) {
	all, ok, epoch := s.cache.look(app)
	if ok {
		return all, nil
	}
	all, err := s.cfg.Store.ProviderApps().List(ctx, app)
	if err != nil {
		return nil, err
	}
	s.cache.remember(app, all, epoch)
	return all, nil
}

// defaultOf finds the default of a provider.
func defaultOf(all []latchkey.ProviderApp, p latchkey.Provider) *latchkey.ProviderApp {
	i := slices.IndexFunc(all, func(a latchkey.ProviderApp) bool { return a.Provider == p && a.Default })
	if i < 0 {
		return nil
	}
	return &all[i]
}

func find(all []latchkey.ProviderApp, id latchkey.ProviderAppID) *latchkey.ProviderApp {
	i := slices.IndexFunc(all, func(a latchkey.ProviderApp) bool { return a.ID == id })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// client is the app as connectors see it.
func client(a latchkey.ProviderApp) *connector.App {
	return &connector.App{
		ID: string(a.ID), Provider: a.Provider, ClientID: a.ClientID, ClientSecret: a.ClientSecret, Tenant: a.Tenant, Cloud: a.Cloud,
		Domain: a.Domain, ExtraScopes: slices.Clone(a.ExtraScopes), SkipScopes: slices.Clone(a.SkipScopes), Protocol: a.Protocol,
		ServiceAccount: a.ServiceAccount,
	}
}
