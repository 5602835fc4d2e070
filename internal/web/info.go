package web

import (
	"context"
	"net/netip"

	"latchkey"
)

// Info is what is learned about a request on its way in. The log line is made of it, so nothing in
// it may be secret: the route's pattern stands for the path, which can hold a token.
//
// It is written by the goroutine that serves the request only.
type Info struct {
	RequestID string
	// Address is the client's, as far as it can be trusted; see Addresses.
	Address netip.Addr
	// Route is the pattern that matched.
	Route         string
	KeyID         latchkey.KeyID
	ApplicationID latchkey.ApplicationID
	err           error
}

type infoKey struct{}

// InfoOf returns the request's Info. A context without one gets a fresh Info that nobody reads.
func InfoOf(ctx context.Context) *Info {
	if i, ok := ctx.Value(infoKey{}).(*Info); ok {
		return i
	}
	return &Info{}
}

func withInfo(ctx context.Context, i *Info) context.Context {
	return context.WithValue(ctx, infoKey{}, i)
}

// fail keeps what the log line says of the error; the first cause is the one that matters.
func (i *Info) fail(err error) {
	if i.err == nil {
		i.err = err
	}
}
