package hosted

// This file is the list of what the rest of the house calls; each is implemented in the file named.
//
//	create.go   (e *Engine) CreateLink(ctx, app latchkey.Application, spec LinkSpec) (CreatedLink, error)
//	read.go     (e *Engine) Link(ctx, app latchkey.ApplicationID, id latchkey.LinkID) (latchkey.Link, []latchkey.Event, error)
//	            (e *Engine) Links(ctx, app, filter store.LinkFilter, page store.Page) ([]latchkey.Link, error)
//	            (e *Engine) ExpireLink(ctx, app, id) (latchkey.Link, error)
//	view.go     (e *Engine) View(ctx, token string, cookies func(name string) string) (View, error)
//	answer.go   (e *Engine) Answer(ctx, token string, cookies func(name string) string, a Answer) (View, error)
//	            returns the current View together with an *errs.Error of code stale_version or
//	            action_not_offered where the answer was not taken
//	return.go   (e *Engine) Return(ctx, state string, values map[string]string, cookies func(name string) string) (Returned, error)
//	            for /oauth/callback; Returned{Token string, Dialect latchkey.Dialect} says which page to go back to
//	direct.go   (e *Engine) Connect(ctx, app latchkey.Application, d DirectSpec) (DirectResult, error)
//	            with DirectSpec{Provider, ExternalID, Name, Metadata, ExpectedIdentity, Reconnect string, Values map[string]string, Address string}
//	            and DirectResult{Account latchkey.Account, State string}
