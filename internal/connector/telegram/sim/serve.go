package sim

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/exchange"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/proto"
	"github.com/gotd/td/proto/codec"
	"github.com/gotd/td/tgerr"
	"github.com/gotd/td/transport"
)

// key is one authorization key: what a client made with a data centre, and who logged in with it.
type key struct {
	crypto.AuthKey
	dc     int
	device string
	apiID  int
	// owner has logged in. pending has, but for the password.
	owner, pending *person
	srp            *srpExchange
	conns          map[transport.Conn]int64 // the session of each
	ended          bool
	since          time.Time
}

// request is one call of a client.
type request struct {
	s       *Sim
	ctx     context.Context //nolint:containedctx // it lives as long as the request
	key     *key
	conn    transport.Conn
	session int64
	msgID   int64
	method  string
}

// errCut ends a connection without an answer.
var errCut = errors.New("sim: cut")

const readTimeout = 2 * time.Minute

// serve speaks with one client until it goes.
func (s *Sim) serve(ctx context.Context, dc int, conn transport.Conn) {
	if s.misbehave(ctx, "connect", conn) != nil {
		return
	}
	var mine *key
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if mine != nil {
			delete(mine.conns, conn)
		}
	}()
	for {
		var b bin.Buffer
		rctx, cancel := context.WithTimeout(ctx, readTimeout)
		err := conn.Recv(rctx, &b)
		cancel()
		if err != nil {
			return
		}
		var id [8]byte
		if b.PeekN(id[:], len(id)) != nil {
			return
		}
		if id == [8]byte{} {
			if s.misbehave(ctx, "exchange", conn) != nil || s.exchange(ctx, dc, conn, &b) != nil {
				return
			}
			continue
		}
		k := s.use(id, dc, conn)
		if k == nil {
			var refusal bin.Buffer
			refusal.PutInt32(-codec.CodeAuthKeyNotFound)
			if conn.Send(ctx, &refusal) != nil {
				return
			}
			continue
		}
		mine = k
		if s.encrypted(ctx, k, conn, &b) != nil {
			return
		}
	}
}

// use finds a key, and notes that this connection uses it.
func (s *Sim) use(id [8]byte, dc int, conn transport.Conn) *key {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[id]
	if k == nil || k.dc != dc || k.ended {
		return nil
	}
	if _, known := k.conns[conn]; known {
		return k
	}
	k.conns[conn] = 0
	// One that was just closed over there may not have been noticed here.
	for waited := time.Duration(0); len(k.conns) > 1 && waited < overlapNoticed; waited += overlapLook {
		s.mu.Unlock()
		time.Sleep(overlapLook)
		s.mu.Lock()
	}
	if len(k.conns) > 1 {
		s.overlaps++
	}
	return k
}

// How long a second connection of a key waits for the end of the first before it counts as one.
const (
	overlapNoticed = 2 * time.Second
	overlapLook    = time.Millisecond
)

// exchange makes a key with a client (core.telegram.org/mtproto/auth_key).
func (s *Sim) exchange(ctx context.Context, dc int, conn transport.Conn, first *bin.Buffer) error {
	res, err := exchange.NewExchanger(&replayed{Conn: conn, first: first}, dc).WithRand(rand.Reader).Server(s.key).Run(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[res.Key.ID] = &key{AuthKey: res.Key, dc: dc, conns: map[transport.Conn]int64{}, since: s.cfg.Now()}
	return nil
}

// replayed gives back a message that was read to see what it is.
type replayed struct {
	transport.Conn
	first *bin.Buffer
}

// Recv implements transport.Conn.
func (r *replayed) Recv(ctx context.Context, b *bin.Buffer) error {
	if r.first == nil {
		return r.Conn.Recv(ctx, b)
	}
	b.ResetTo(r.first.Copy())
	r.first = nil
	return nil
}

// encrypted reads one message of a client that has a key.
func (s *Sim) encrypted(ctx context.Context, k *key, conn transport.Conn, b *bin.Buffer) error {
	msg, err := s.cipher.DecryptFromBuffer(k.AuthKey, b)
	if err != nil {
		return err
	}
	r := &request{s: s, ctx: ctx, key: k, conn: conn, session: msg.SessionID, msgID: msg.MessageID}
	s.mu.Lock()
	fresh := k.conns[conn] != msg.SessionID
	k.conns[conn] = msg.SessionID
	s.mu.Unlock()
	if fresh {
		err := r.send(proto.MessageFromServer, &mt.NewSessionCreated{FirstMsgID: msg.MessageID, ServerSalt: salt(k)})
		if err != nil {
			return err
		}
	}
	return r.take(&bin.Buffer{Buf: msg.Data()})
}

func salt(k *key) int64 {
	return int64(binary.LittleEndian.Uint64(k.ID[:])) //nolint:gosec // any number will do
}

// take does one message: the protocol's own, or a call.
func (r *request) take(b *bin.Buffer) error {
	id, err := b.PeekID()
	if err != nil {
		return err
	}
	switch id {
	case proto.MessageContainerTypeID:
		var c proto.MessageContainer
		if err := c.Decode(b); err != nil {
			return err
		}
		for _, m := range c.Messages {
			inner := *r
			inner.msgID = m.ID
			if err := inner.take(&bin.Buffer{Buf: m.Body}); err != nil {
				return err
			}
		}
		return nil
	case proto.GZIPTypeID:
		var z proto.GZIP
		if err := z.Decode(b); err != nil {
			return err
		}
		return r.take(&bin.Buffer{Buf: z.Data})
	case mt.MsgsAckTypeID:
		return nil
	case mt.PingRequestTypeID:
		var p mt.PingRequest
		if err := p.Decode(b); err != nil {
			return err
		}
		return r.send(proto.MessageServerResponse, &mt.Pong{MsgID: r.msgID, PingID: p.PingID})
	case mt.PingDelayDisconnectRequestTypeID:
		var p mt.PingDelayDisconnectRequest
		if err := p.Decode(b); err != nil {
			return err
		}
		return r.send(proto.MessageServerResponse, &mt.Pong{MsgID: r.msgID, PingID: p.PingID})
	case mt.GetFutureSaltsRequestTypeID:
		return r.send(proto.MessageServerResponse, &mt.FutureSalts{
			ReqMsgID: r.msgID, Now: int(r.s.cfg.Now().Unix()),
			Salts: []mt.FutureSalt{{ValidSince: 1, ValidUntil: math.MaxInt32, Salt: salt(r.key)}},
		})
	case mt.RPCDropAnswerRequestTypeID:
		return r.answer(&mt.RPCAnswerUnknown{})
	}
	return r.call(b)
}

// call does one call of the API and answers it.
func (r *request) call(b *bin.Buffer) error {
	out, err := r.handle(b)
	if errors.Is(err, errCut) {
		return err
	}
	if refused, ok := tgerr.As(err); ok {
		return r.answer(&mt.RPCError{ErrorCode: refused.Code, ErrorMessage: refused.Message})
	}
	if err != nil {
		return r.answer(&mt.RPCError{ErrorCode: 400, ErrorMessage: "INPUT_REQUEST_INVALID"})
	}
	if out == nil { // silence
		return nil
	}
	return r.answer(out)
}

func (r *request) answer(out bin.Encoder) error {
	var b bin.Buffer
	if err := out.Encode(&b); err != nil {
		return err
	}
	return r.send(proto.MessageServerResponse, &proto.Result{RequestMessageID: r.msgID, Result: b.Raw()})
}

func (r *request) send(t proto.MessageType, msg bin.Encoder) error {
	return r.s.push(r.ctx, r.key, r.conn, r.session, t, msg)
}

// push sends a message to one connection.
func (s *Sim) push(ctx context.Context, k *key, conn transport.Conn, session int64, t proto.MessageType, msg bin.Encoder) error {
	var b bin.Buffer
	if err := msg.Encode(&b); err != nil {
		return err
	}
	plain := crypto.EncryptedMessageData{
		Salt: salt(k), SessionID: session, MessageID: s.ids.New(t), MessageDataLen: int32(b.Len()), //nolint:gosec // messages are small
		MessageDataWithPadding: b.Copy(),
	}
	if err := s.cipher.Encrypt(k.AuthKey, plain, &b); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return conn.Send(ctx, &b)
}
