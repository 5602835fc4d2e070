package sim

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/proto"
	"github.com/gotd/td/tg"
)

// Person is somebody with a phone.
type Person struct {
	// Phone is the number, with its country code.
	Phone    string `json:"phone"`
	First    string `json:"first_name"`
	Last     string `json:"last_name,omitempty"`
	Username string `json:"username,omitempty"`
	// DC is where the account lives; 2 if zero.
	DC int `json:"dc,omitempty"`
	// Password and Hint are the two-step password.
	Password string `json:"password,omitempty"`
	Hint     string `json:"hint,omitempty"`
	// Codes are the ways in which codes reach the phone, one after the other when it is sent again:
	// app, sms, call, missed_call, email, fragment, word, flash_call, email_setup, payment. App, SMS and
	// call if empty.
	Codes []string `json:"codes,omitempty"`
}

type person struct {
	Person
	id     int64
	banned bool
}

// Session is one device that is logged in, as the phone lists it.
type Session struct {
	Device string    `json:"device"`
	APIID  int       `json:"api_id"`
	DC     int       `json:"dc"`
	Since  time.Time `json:"since"`
	Online bool      `json:"online"`
}

// What can be wrong with what somebody does on a phone.
var (
	ErrNobody   = errors.New("sim: nobody has that number")
	ErrNoToken  = errors.New("sim: that QR code is unknown or has expired")
	ErrNoCode   = errors.New("sim: no code was sent to that number")
	errNotDigit = errors.New("sim: a phone number has 7 to 15 digits")
)

// Add gives somebody an account, and returns its number at Telegram.
func (s *Sim) Add(p Person) (int64, error) {
	digits := digitsOf(p.Phone)
	if len(digits) < minPhone || len(digits) > maxPhone {
		return 0, errNotDigit
	}
	if p.DC == 0 {
		p.DC = 2
	}
	if s.dcs[p.DC] == nil {
		return 0, fmt.Errorf("sim: there is no data centre %d", p.DC)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextID++
	s.people[digits] = &person{Person: p, id: s.nextID}
	return s.nextID, nil
}

// ITU-T E.164: fifteen digits at most.
const (
	minPhone = 7
	maxPhone = 15
)

func digitsOf(phone string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, phone)
}

func (s *Sim) person(phone string) (*person, error) {
	p := s.people[digitsOf(phone)]
	if p == nil {
		return nil, ErrNobody
	}
	return p, nil
}

// Scan lets somebody scan a QR code ("tg://login?token=…") and accept it.
func (s *Sim) Scan(phone, qr string) error {
	s.mu.Lock()
	p, err := s.person(phone)
	if err != nil {
		s.mu.Unlock()
		return err
	}
	t := s.tokens[tokenKey(qr)]
	if t == nil || !s.cfg.Now().Before(t.expires) || t.used {
		s.mu.Unlock()
		return ErrNoToken
	}
	t.accepted = p
	wake := s.wakers(t.key)
	s.mu.Unlock()
	for _, f := range wake {
		f()
	}
	return nil
}

// wakers tell every connection of a key that its token was accepted.
func (s *Sim) wakers(k *key) []func() {
	var out []func()
	for conn, session := range k.conns {
		out = append(out, func() {
			// A client that has gone meanwhile asks when it comes back.
			_ = s.push(s.ctx, k, conn, session, proto.MessageFromServer, acceptedUpdate(s.cfg.Now()))
		})
	}
	return out
}

// Code reads the last code that was sent to a number.
func (s *Sim) Code(phone string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.sent[digitsOf(phone)]
	if c == nil {
		return "", ErrNoCode
	}
	return c.value, nil
}

// Unlink ends every session of a person, as "Terminate all other sessions" on the phone does.
func (s *Sim) Unlink(phone string) error {
	return s.end(phone, func(*person) {})
}

// Ban takes a person's account away.
func (s *Sim) Ban(phone string) error { return s.shut(phone, true) }

// Lift gives it back.
func (s *Sim) Lift(phone string) error { return s.shut(phone, false) }

func (s *Sim) shut(phone string, out bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.person(phone)
	if err == nil {
		p.banned = out
	}
	return err
}

// end takes the sessions of a person away and hangs up on them.
func (s *Sim) end(phone string, also func(*person)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.person(phone)
	if err != nil {
		return err
	}
	also(p)
	for _, k := range s.keys {
		if k.owner != p {
			continue
		}
		k.owner, k.pending = nil, nil
		for conn := range k.conns {
			_ = conn.Close() // that is the point
		}
	}
	return nil
}

// Sessions lists the devices on which a person is logged in.
func (s *Sim) Sessions(phone string) ([]Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.person(phone)
	if err != nil {
		return nil, err
	}
	out := []Session{}
	for _, k := range s.keys {
		if k.owner == p {
			out = append(out, Session{Device: k.device, APIID: k.apiID, DC: k.dc, Since: k.since, Online: len(k.conns) > 0})
		}
	}
	return out, nil
}

func (p *person) user(self bool) *tg.User {
	u := &tg.User{ID: p.id, AccessHash: p.id * 31, FirstName: p.First, LastName: p.Last, Username: p.Username, Phone: digitsOf(p.Phone), Self: self}
	u.SetFlags()
	return u
}

func tokenKey(qr string) string {
	_, tok, _ := strings.Cut(qr, "token=")
	sum := sha256.Sum256([]byte(strings.TrimRight(tok, "=")))
	return string(sum[:])
}

// acceptedUpdate is updateShort with updateLoginToken in it. It is written by hand: the library's type
// can hold every other update, and with it most of the schema would be in the binary.
type acceptedUpdate time.Time

// Encode implements bin.Encoder.
func (u acceptedUpdate) Encode(b *bin.Buffer) error {
	b.PutID(tg.UpdateShortTypeID)
	b.PutID(tg.UpdateLoginTokenTypeID)
	b.PutInt(int(time.Time(u).Unix()))
	return nil
}

// Keys are all keys that were agreed on: the secrets that a client must not leave lying about.
func (s *Sim) Keys() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out [][]byte
	for _, k := range s.keys {
		out = append(out, bytes.Clone(k.Value[:]))
	}
	return out
}
