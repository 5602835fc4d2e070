package sim

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gotd/td/crypto"
	"github.com/gotd/td/exchange"
	"github.com/gotd/td/proto"
	"github.com/gotd/td/transport"
)

// Config is what a simulated Telegram is like.
type Config struct {
	// Listen is the host to listen on, a loopback address; each data centre takes a free port, or
	// Ports names one by its number. 127.0.0.1 if empty.
	Listen string
	Ports  map[int]int
	// DCs are the numbers of the data centres; 1, 2 and 4 if empty.
	DCs []int
	// TokenTTL is how long a QR token lasts, and ResendAfter when a code may be sent again; 30 and 60
	// seconds if zero.
	TokenTTL    time.Duration
	ResendAfter time.Duration
	// APIs are the applications that are known, by api_id; empty takes any.
	APIs map[int]string
	// Code is every code that is sent; random digits if empty.
	Code string
	// AutoScan is whose phone scans every QR code at once; nobody's if empty.
	AutoScan string
	// Key is the servers' RSA key; a new one if nil.
	Key *rsa.PrivateKey
	Now func() time.Time
}

// Sim is a running Telegram.
type Sim struct {
	cfg    Config
	key    exchange.PrivateKey
	cipher crypto.Cipher
	ids    *proto.MessageIDGen
	dcs    map[int]net.Listener
	ctx    context.Context //nolint:containedctx // it lives as long as the Sim
	stop   context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	people   map[string]*person // by phone number, digits only
	keys     map[[8]byte]*key
	tokens   map[string]*token
	sent     map[string]*code
	faults   map[string]*Fault
	overlaps int
	counts   map[string]int
	nextID   int64
}

// Start listens.
func Start(cfg Config) (*Sim, error) {
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1"
	}
	if len(cfg.DCs) == 0 {
		cfg.DCs = []int{1, 2, 4}
	}
	if cfg.TokenTTL == 0 {
		cfg.TokenTTL = 30 * time.Second
	}
	if cfg.ResendAfter == 0 {
		cfg.ResendAfter = time.Minute
	}
	if cfg.Now == nil {
		return nil, errors.New("sim: Now must be given")
	}
	if ip := net.ParseIP(cfg.Listen); ip == nil || !ip.IsLoopback() {
		return nil, errors.New("sim: a simulated Telegram listens on loopback only")
	}
	if cfg.Key == nil {
		k, err := rsa.GenerateKey(rand.Reader, crypto.RSAKeyBits)
		if err != nil {
			return nil, fmt.Errorf("sim: make a key: %w", err)
		}
		cfg.Key = k
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Sim{
		cfg: cfg, key: exchange.PrivateKey{RSA: cfg.Key}, cipher: crypto.NewServerCipher(rand.Reader), ids: proto.NewMessageIDGen(cfg.Now),
		dcs: map[int]net.Listener{}, ctx: ctx, stop: cancel, people: map[string]*person{}, keys: map[[8]byte]*key{}, tokens: map[string]*token{},
		sent: map[string]*code{}, faults: map[string]*Fault{}, counts: map[string]int{}, nextID: 770_000_000,
	}
	for _, dc := range cfg.DCs {
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(cfg.Listen, strconv.Itoa(cfg.Ports[dc])))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("sim: listen: %w", err), s.Close())
		}
		s.dcs[dc] = l
		s.wg.Go(func() { s.accept(ctx, dc, l) })
	}
	return s, nil
}

// Close ends every connection and waits for them.
func (s *Sim) Close() error {
	s.stop()
	var err error
	for _, l := range s.dcs {
		err = errors.Join(err, l.Close())
	}
	s.mu.Lock()
	for _, k := range s.keys {
		for c := range k.conns {
			_ = c.Close() // it is being thrown away
		}
	}
	s.mu.Unlock()
	s.wg.Wait()
	return err
}

// DCs are the addresses of the data centres, as clients are told them: "1=127.0.0.1:4431,…".
func (s *Sim) DCs() string {
	var out []string
	for dc, l := range s.dcs {
		out = append(out, strconv.Itoa(dc)+"="+l.Addr().String())
	}
	sort.Strings(out)
	return strings.Join(out, ",")
}

// Addresses are the addresses of the data centres by number.
func (s *Sim) Addresses() map[int]string {
	out := map[int]string{}
	for dc, l := range s.dcs {
		out[dc] = l.Addr().String()
	}
	return out
}

// PublicKey is the key that clients must trust.
func (s *Sim) PublicKey() *rsa.PublicKey { return &s.cfg.Key.PublicKey }

// PublicKeysPEM is PublicKey as a file (PKCS #1).
func (s *Sim) PublicKeysPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(s.PublicKey())})
}

func (s *Sim) accept(ctx context.Context, dc int, l net.Listener) {
	tl := transport.Listen(l)
	for {
		conn, err := tl.Accept()
		if errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
			return
		}
		if err != nil {
			continue // one that did not say which transport it speaks
		}
		s.wg.Go(func() {
			defer conn.Close()
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			defer stop()
			s.serve(ctx, dc, conn)
		})
	}
}
