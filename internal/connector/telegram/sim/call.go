package sim

import (
	"errors"
	"strconv"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
)

// rest takes what is left of a message: the call inside a wrapper.
type rest struct{ b bin.Buffer }

// Encode implements bin.Encoder.
func (r *rest) Encode(b *bin.Buffer) error {
	b.Put(r.b.Buf)
	return nil
}

// Decode implements bin.Decoder.
func (r *rest) Decode(b *bin.Buffer) error {
	r.b.ResetTo(b.Copy())
	b.Reset()
	return nil
}

// maxWraps bounds wrappers within wrappers.
const maxWraps = 4

// handle unwraps a call (core.telegram.org/api/invoking) and does it.
func (r *request) handle(b *bin.Buffer) (bin.Encoder, error) {
	for range maxWraps {
		id, err := b.PeekID()
		if err != nil {
			return nil, err
		}
		var inner rest
		switch id {
		case tg.InvokeWithLayerRequestTypeID:
			err = (&tg.InvokeWithLayerRequest{Query: &inner}).Decode(b)
		case tg.InvokeWithoutUpdatesRequestTypeID:
			err = (&tg.InvokeWithoutUpdatesRequest{Query: &inner}).Decode(b)
		case tg.InitConnectionRequestTypeID:
			w := tg.InitConnectionRequest{Query: &inner}
			if err = w.Decode(b); err == nil {
				err = r.init(w)
			}
		default:
			return r.do(id, b)
		}
		if err != nil {
			return nil, err
		}
		b = &inner.b
	}
	return nil, errors.New("sim: too many wrappers")
}

func (r *request) init(w tg.InitConnectionRequest) error {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if len(r.s.cfg.APIs) > 0 && r.s.cfg.APIs[w.APIID] == "" {
		return tgerr.New(400, "CONNECTION_API_ID_INVALID")
	}
	r.key.device, r.key.apiID = w.DeviceModel, w.APIID
	return nil
}

// method is one call of the API: how it is read, and what it does.
type method struct {
	name string
	do   func(r *request, b *bin.Buffer) (bin.Encoder, error)
}

func methods() map[uint32]method {
	return map[uint32]method{
		tg.HelpGetConfigRequestTypeID:        {"help.getConfig", (*request).getConfig},
		tg.AuthExportLoginTokenRequestTypeID: {"auth.exportLoginToken", (*request).exportLoginToken},
		tg.AuthImportLoginTokenRequestTypeID: {"auth.importLoginToken", (*request).importLoginToken},
		tg.AuthSendCodeRequestTypeID:         {"auth.sendCode", (*request).sendCode},
		tg.AuthResendCodeRequestTypeID:       {"auth.resendCode", (*request).resendCode},
		tg.AuthSignInRequestTypeID:           {"auth.signIn", (*request).signIn},
		tg.AccountGetPasswordRequestTypeID:   {"account.getPassword", (*request).getPassword},
		tg.AuthCheckPasswordRequestTypeID:    {"auth.checkPassword", (*request).checkPassword},
		tg.UsersGetUsersRequestTypeID:        {"users.getUsers", (*request).getUsers},
		tg.AuthLogOutRequestTypeID:           {"auth.logOut", (*request).logOut},
	}
}

func (r *request) do(id uint32, b *bin.Buffer) (bin.Encoder, error) {
	m, ok := methods()[id]
	if !ok {
		return nil, tgerr.New(400, "INPUT_METHOD_INVALID_"+strconv.FormatUint(uint64(id), 10))
	}
	r.method = m.name
	act := func() (bin.Encoder, error) {
		r.s.mu.Lock()
		defer r.s.mu.Unlock()
		if r.key.owner != nil && len(r.key.conns) > 1 {
			r.key.ended = true // core.telegram.org/api/errors: the same key from two places
			return nil, tgerr.New(406, "AUTH_KEY_DUPLICATED")
		}
		return m.do(r, b)
	}
	if f := r.s.fault(m.name); f != nil {
		return r.spoil(f, act)
	}
	return act()
}

func (r *request) getConfig(*bin.Buffer) (bin.Encoder, error) {
	now := int(r.s.cfg.Now().Unix())
	cfg := &tg.Config{Date: now, Expires: now + 3600, ThisDC: r.key.dc, DCTxtDomainName: "localhost", MeURLPrefix: "https://t.me/"}
	return cfg, nil
}

// authorized is whoever logged in with the key.
func (r *request) authorized() (*person, error) {
	switch p := r.key.owner; {
	case r.key.pending != nil:
		return nil, tgerr.New(401, "SESSION_PASSWORD_NEEDED")
	case p == nil:
		return nil, tgerr.New(401, "AUTH_KEY_UNREGISTERED")
	case p.banned:
		return nil, tgerr.New(401, "USER_DEACTIVATED_BAN")
	default:
		return p, nil
	}
}

func (r *request) getUsers(b *bin.Buffer) (bin.Encoder, error) {
	var req tg.UsersGetUsersRequest
	if err := req.Decode(b); err != nil {
		return nil, err
	}
	p, err := r.authorized()
	if err != nil {
		return nil, err
	}
	return &tg.UserClassVector{Elems: []tg.UserClass{p.user(true)}}, nil
}

func (r *request) logOut(*bin.Buffer) (bin.Encoder, error) {
	if _, err := r.authorized(); err != nil {
		return nil, err
	}
	r.key.owner, r.key.pending = nil, nil
	return &tg.AuthLoggedOut{}, nil
}
