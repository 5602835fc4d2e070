// Package wizardtest shows every state of every page without a flow engine: a list of Views (the
// gallery), and an Engine that plays them. It is for tests and for looking at the pages.
package wizardtest

import (
	"context"
	"embed"
	"io/fs"
	"sync"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
)

//go:embed texts/*.json
var texts embed.FS

// Engine shows, for each token, the View of that name, and remembers what was answered.
type Engine struct {
	mu    sync.Mutex
	views map[string]hosted.View
	// reconnecting are the pages of reconnect URLs.
	reconnecting map[string]hosted.Reconnecting
	// OnAnswer, if set, decides what an answer leads to.
	OnAnswer func(token string, a hosted.Answer) (hosted.View, error)
	answers  []hosted.Answer
	cookies  []string
}

// NewEngine plays the states.
func NewEngine(states []State) *Engine {
	e := &Engine{views: map[string]hosted.View{}, reconnecting: map[string]hosted.Reconnecting{}}
	for _, s := range states {
		if s.Reconnecting != nil {
			e.reconnecting[s.Name] = *s.Reconnecting
			continue
		}
		e.views[s.Name] = s.View
	}
	return e
}

// Set changes what a token shows.
func (e *Engine) Set(token string, v hosted.View) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.views[token] = v
}

// Answers returns what was answered so far.
func (e *Engine) Answers() []hosted.Answer {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]hosted.Answer(nil), e.answers...)
}

// Cookies returns the values that requests brought for the cookie "bind".
func (e *Engine) Cookies() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.cookies...)
}

// View implements wizard.Engine.
func (e *Engine) View(_ context.Context, token string, cookies func(string) string) (hosted.View, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cookies = append(e.cookies, cookies("bind"))
	v, ok := e.views[token]
	if !ok {
		return hosted.View{}, errs.NotFoundf("link")
	}
	return v, nil
}

// Answer implements wizard.Engine.
func (e *Engine) Answer(ctx context.Context, token string, cookies func(string) string, a hosted.Answer) (hosted.View, error) {
	v, err := e.View(ctx, token, cookies)
	if err != nil {
		return v, err
	}
	e.mu.Lock()
	e.answers = append(e.answers, a)
	on := e.OnAnswer
	e.mu.Unlock()
	if on != nil {
		return on(token, a)
	}
	return v, nil
}

// Reconnecting implements wizard.Engine. One whose account has no status has expired.
func (e *Engine) Reconnecting(_ context.Context, token string) (hosted.Reconnecting, error) {
	r, ok := e.reconnecting[token]
	switch {
	case !ok:
		return r, errs.NotFoundf("link")
	case r.Status == "":
		return r, errs.New(errs.Gone, errs.CodeLinkExpired, "This link has expired.")
	}
	return r, nil
}

// Reconnect implements wizard.Engine: the link's token is that of the URL and "-link".
func (e *Engine) Reconnect(ctx context.Context, token, _ string) (hosted.CreatedLink, error) {
	r, err := e.Reconnecting(ctx, token)
	if err != nil || !r.Mendable() {
		return hosted.CreatedLink{}, err
	}
	return hosted.CreatedLink{Token: token + "-link"}, nil
}

// Return implements wizard.Engine: the state is the token.
func (e *Engine) Return(ctx context.Context, state string, _ map[string]string, cookies func(string) string) (hosted.Returned, error) {
	v, err := e.View(ctx, state, cookies)
	return hosted.Returned{Token: state, Dialect: v.Link.Dialect}, err
}

// Connectors describes the providers of the gallery.
func Connectors() []connector.Descriptor {
	sub, err := fs.Sub(texts, "texts")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	var out []connector.Descriptor
	for _, p := range latchkey.Providers() {
		scopes := []string{"messages.read", "messages.send"}
		if latchkey.Wished([]string{latchkey.MailingProviders}, p) {
			scopes = []string{"mail.read", "mail.send"}
		}
		out = append(out, connector.Descriptor{Provider: p, Texts: sub, Scopes: scopes})
	}
	return out
}
