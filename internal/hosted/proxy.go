package hosted

import (
	"context"
	"errors"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// canProxy refuses a proxy that a provider's connections would go round.
func (e *Engine) canProxy(p *latchkey.Proxy, providers ...latchkey.Provider) error {
	if p == nil {
		return nil
	}
	for _, provider := range providers {
		if !e.descs[provider].Proxies {
			return errs.InvalidFields(errs.FieldError{Field: "proxy", Code: errs.CodeUnsupported, Message: "Accounts of " + string(provider) + " have no proxy of their own."})
		}
	}
	return nil
}

// wished lists the providers that a link's wishes may come to.
func (e *Engine) wished(wishes []string) []latchkey.Provider {
	var out []latchkey.Provider
	for p := range e.descs {
		if latchkey.Wished(wishes, p) {
			out = append(out, p)
		}
	}
	return out
}

// withProxy adds the link's proxy to what a connector is told. One that cannot be read does not turn
// into none.
func withProxy(ctx context.Context, tx store.Tx, l latchkey.Link, st *connector.Start) error {
	if !l.Terms.Proxied {
		return nil
	}
	p, err := tx.Links().Proxy(ctx, l.ID)
	if err == nil && p == nil {
		err = errors.New("hosted: the link's proxy is missing")
	}
	st.Proxy = p
	return err
}

// proxyField says which field of a request a problem with the proxy is about.
func proxyField(c errs.Code) (string, bool) {
	switch c {
	case errs.CodeProxyNotAllowed, errs.CodeProxyUnreachable:
		return "proxy.host", true
	case errs.CodeProxyCredentials:
		return "proxy.password", true
	case errs.CodeProxyRefused:
		return "proxy", true
	}
	return "", false
}
