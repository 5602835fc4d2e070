package whatsapp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types/events"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
)

// Bounds of staying connected.
const (
	// loginTime is how long the server may take to let a device in.
	loginTime = time.Minute
	// deafTime ends a connection over which nothing was answered for that long.
	deafTime = 3 * time.Minute
	// replacedPause keeps two holders of the same keys from throwing each other out in turn.
	replacedPause = 10 * time.Minute
	// outdatedPause is how often it is tried whether the server takes this version after all.
	outdatedPause = time.Hour
	// oddPause follows a refusal that nobody has explained.
	oddPause = 30 * time.Minute
)

// sourceID names the one part that an account has.
const sourceID = "MESSAGING"

// Keep implements connector.Keeper.
func (c *Connector) Keep(ctx context.Context, k connector.Kept) (connector.Ending, error) {
	d, mem, cred, err := decodeDevice(k.Secret, k.Memory, quiet{c.cfg.Log})
	if err != nil {
		return unreadable("the credential"), nil
	}
	// Before anything connects: with keys that are not the device's, the server takes it for unlinked.
	if err := cred.move(ctx, k.Memory); err != nil {
		if errors.Is(err, connector.ErrUnreadable) {
			return unreadable("the memory"), nil
		}
		return connector.Ending{}, err
	}
	s := &session{conn: c, kept: k, device: d, cred: cred}
	mem.saved = s.save
	cl, err := c.open(ctx, d, cred.Proxy, "")
	if err != nil {
		if ctx.Err() != nil {
			return connector.Ending{}, ctx.Err()
		}
		return c.refused(err), nil
	}
	defer cl.close()
	return s.run(ctx, cl)
}

func unreadable(what string) connector.Ending {
	return connector.Ending{Health: connector.Health{
		Status: latchkey.AccountError, Reason: latchkey.ReasonSealedUnreadable, Detail: what + " cannot be read",
	}}
}

// refused is the end of a connection that did not come about.
func (c *Connector) refused(err error) connector.Ending {
	code := codeOf(err)
	h := connector.Health{Status: latchkey.AccountConnecting, Reason: latchkey.ReasonHostUnreachable, Detail: "not connected: " + string(code)}
	switch code {
	case errs.CodeRateLimited:
		h.Reason = latchkey.ReasonRateLimited
	case errs.CodeClientOutdated:
		return c.ending(latchkey.AccountError, latchkey.ReasonClientOutdated, outdatedPause, string(code))
	case errs.CodeHostNotFound:
		h.Reason = latchkey.ReasonHostNotFound
	case errs.CodeTLSFailed, errs.CodeCertificateInvalid:
		h.Reason = latchkey.ReasonTLS
	case errs.CodeHostNotAllowed, errs.CodePortNotAllowed:
		h.Status, h.Reason = latchkey.AccountError, latchkey.ReasonEgressDenied
	case errs.CodeProxyUnreachable:
		h.Reason = latchkey.ReasonProxyUnreachable
	case errs.CodeProxyCredentials, errs.CodeProxyRefused:
		return c.ending(latchkey.AccountError, latchkey.ReasonProxyRefused, oddPause, string(code))
	case errs.CodeProxyNotAllowed:
		h.Status, h.Reason = latchkey.AccountError, latchkey.ReasonEgressDenied
	case errs.CodeProtocolError:
		h.Reason = latchkey.ReasonProtocol
	}
	return connector.Ending{Health: h}
}

func (c *Connector) ending(st latchkey.AccountStatus, why latchkey.Reason, pause time.Duration, detail string) connector.Ending {
	e := connector.Ending{Health: connector.Health{Status: st, Reason: why, Detail: detail}}
	if pause > 0 {
		e.NotBefore = c.cfg.Now().Add(pause)
	}
	return e
}

// session is one connection of a linked device.
type session struct {
	conn   *Connector
	kept   connector.Kept
	device *store.Device
	cred   credential
	in     bool
}

func (s *session) run(ctx context.Context, cl *client) (connector.Ending, error) {
	limit := time.NewTimer(loginTime)
	defer limit.Stop()
	for {
		select {
		case <-ctx.Done():
			return connector.Ending{}, ctx.Err()
		case <-limit.C:
			if !s.in {
				return s.outage("the server did not let the device in"), nil
			}
		case ev := <-cl.events:
			if end, err := s.hear(ctx, ev); end != nil || err != nil {
				return orNone(end), err
			}
		case <-cl.lost:
			return s.lost(ctx, cl)
		}
	}
}

func orNone(e *connector.Ending) connector.Ending {
	if e == nil {
		return connector.Ending{}
	}
	return *e
}

// lost reads what the server said before it hung up, if it did.
func (s *session) lost(ctx context.Context, cl *client) (connector.Ending, error) {
	limit := time.NewTimer(lastWord)
	defer limit.Stop()
	for {
		select {
		case ev := <-cl.events:
			if _, ok := ev.(*events.Disconnected); ok {
				continue
			}
			if end, err := s.hear(ctx, ev); end != nil || err != nil {
				return orNone(end), err
			}
		case <-limit.C:
			return s.outage("the connection broke"), nil
		case <-ctx.Done():
			return connector.Ending{}, ctx.Err()
		}
	}
}

func (s *session) outage(detail string) connector.Ending {
	return s.conn.ending(latchkey.AccountConnecting, latchkey.ReasonHostUnreachable, 0, detail)
}

// hear takes one event of the library. An Ending ends the connection.
func (s *session) hear(ctx context.Context, ev any) (*connector.Ending, error) {
	end := func(e connector.Ending) (*connector.Ending, error) { return &e, nil }
	switch e := ev.(type) {
	case *events.Connected:
		s.in = true
		return nil, s.kept.Tell(ctx, s.well())
	case *events.PushNameSetting:
		return nil, s.rename(ctx, e.Action.GetName())
	case *events.LoggedOut:
		return end(loggedOut(e))
	case *events.TemporaryBan:
		return end(s.conn.banned(e))
	case *events.StreamReplaced:
		return end(s.conn.ending(latchkey.AccountError, latchkey.ReasonSessionReplaced, replacedPause, "the same keys connected elsewhere"))
	case *events.ClientOutdated:
		return end(s.conn.ending(latchkey.AccountError, latchkey.ReasonClientOutdated, outdatedPause, "405"))
	case *events.ConnectFailure:
		return end(s.conn.failure(e.Reason))
	case *events.StreamError:
		return end(s.conn.ending(latchkey.AccountConnecting, latchkey.ReasonProtocol, 0, "stream error"))
	case *events.Disconnected:
		return nil, nil //nolint:nilnil // the socket's own end says so, too
	case *events.KeepAliveTimeout:
		if s.conn.cfg.Now().Sub(e.LastSuccess) > deafTime {
			return end(s.outage("nothing was answered any more"))
		}
	}
	return nil, nil //nolint:nilnil // messages and their like
}

// well is what a connected device tells.
func (s *session) well() connector.Health {
	return connector.Health{Status: latchkey.AccountOK, Sources: []latchkey.Source{{ID: sourceID, Status: latchkey.AccountOK}}}
}

// loggedOut says who ended the linking, and that only a new one helps.
func loggedOut(e *events.LoggedOut) connector.Ending {
	h := connector.Health{Status: latchkey.AccountCredentials, Reason: latchkey.ReasonSessionTerminated, Detail: "logged out, reason " + e.Reason.NumberString()}
	switch e.Reason {
	case events.ConnectFailureMainDeviceGone, events.ConnectFailureUnknownLogout:
		h.Reason = latchkey.ReasonBlocked
	}
	h.Sources = []latchkey.Source{{ID: sourceID, Status: h.Status, Reason: h.Reason}}
	return connector.Ending{Health: h, Final: true}
}

// banned says when the account will be let in again.
func (c *Connector) banned(e *events.TemporaryBan) connector.Ending {
	pause := e.Expire
	if pause <= 0 {
		pause = oddPause
	}
	out := c.ending(latchkey.AccountError, latchkey.ReasonTemporaryBan, pause, fmt.Sprintf("code %d", int(e.Code)))
	src := latchkey.Source{ID: sourceID, Status: out.Health.Status, Reason: out.Health.Reason}
	if e.Expire > 0 {
		src.Until = out.NotBefore
	}
	out.Health.Sources = []latchkey.Source{src}
	return out
}

func (c *Connector) failure(r events.ConnectFailureReason) connector.Ending {
	detail := "connect failure " + r.NumberString()
	switch {
	case r == 429:
		return c.ending(latchkey.AccountConnecting, latchkey.ReasonRateLimited, oddPause, detail)
	case r >= 500:
		return c.ending(latchkey.AccountConnecting, latchkey.ReasonHostUnreachable, 0, detail)
	}
	return c.ending(latchkey.AccountError, latchkey.ReasonProtocol, oddPause, detail)
}

// save writes the device where the library has changed it.
func (s *session) save(ctx context.Context, d *store.Device) error {
	secret, err := encodeDevice(d, s.cred.Names, s.cred.Seed, s.cred.Proxy)
	if err != nil {
		return err
	}
	h := s.well()
	h.Secret = secret
	return s.kept.Tell(ctx, h)
}

// rename takes the name that the account's owner gave themselves.
func (s *session) rename(ctx context.Context, name string) error {
	if name == "" || name == s.device.PushName && s.cred.PushName == name {
		return nil
	}
	s.device.PushName, s.cred.PushName = name, name
	secret, err := encodeDevice(s.device, s.cred.Names, s.cred.Seed, s.cred.Proxy)
	if err != nil {
		return err
	}
	h := s.well()
	h.Secret = secret
	if s.device.BusinessName == "" {
		h.Name = name
	}
	return s.kept.Tell(ctx, h)
}

// Revoke implements connector.Revoker: it unlinks the device. One that the phone has unlinked before
// is no less gone.
func (c *Connector) Revoke(ctx context.Context, a connector.Credential) error {
	d, mem, cred, err := decodeDevice(a.Secret, newRAM(), quiet{c.cfg.Log})
	if err != nil {
		return err
	}
	// No one-time keys for the last minute of a device.
	d.PreKeys = lastKeys{mem}
	cl, err := c.open(ctx, d, cred.Proxy, "")
	if err != nil {
		return wrap("unlinking", err)
	}
	defer cl.close()
	limit := time.NewTimer(loginTime)
	defer limit.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return wrap("unlinking", context.DeadlineExceeded)
		case <-cl.lost:
			select {
			case ev := <-cl.events:
				if _, gone := ev.(*events.LoggedOut); gone {
					return nil
				}
			case <-time.After(lastWord):
			}
			return wrap("unlinking", errLost)
		case ev := <-cl.events:
			switch ev.(type) {
			case *events.LoggedOut:
				return nil
			case *events.Connected:
				return wrap("unlinking", cl.Logout(ctx))
			case *events.TemporaryBan, *events.ClientOutdated, *events.StreamReplaced, *events.ConnectFailure, *events.StreamError:
				return fmt.Errorf("whatsapp: unlinking was refused: %T", ev)
			}
		}
	}
}

// lastKeys pretends that there are one-time keys enough.
type lastKeys struct{ *keeping }

// UploadedPreKeyCount implements store.PreKeyStore.
func (lastKeys) UploadedPreKeyCount(context.Context) (int, error) { return preKeyShelf, nil }
