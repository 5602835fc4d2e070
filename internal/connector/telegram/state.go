package telegram

import (
	"encoding/json"
	"fmt"
	"time"

	"latchkey"
	"latchkey/internal/connector"
)

// The methods, as the API names them.
const (
	methodQR    = "qr"
	methodPhone = "phone_code"
)

// apiKey is an application registered at Telegram (my.telegram.org).
type apiKey struct {
	ID   int    `json:"id"`
	Hash string `json:"hash,omitempty"`
}

// session is a key that was agreed with a data centre, and in time whoever logged in with it. It is
// the whole of a connection: a credential.
type session struct {
	DC   int    `json:"dc"`
	Key  []byte `json:"key,omitempty"`
	Salt int64  `json:"salt,omitempty"`
}

// state is what a flow keeps between its steps. The engine seals it.
type state struct {
	Application string  `json:"application"`
	Link        string  `json:"link,omitempty"`
	API         apiKey  `json:"api"`
	Device      string  `json:"device,omitempty"`
	Session     session `json:"session"`
	Prior       string  `json:"prior,omitempty"`
	PriorSecret []byte  `json:"prior_secret,omitempty"`
	// Proxy is what every connection goes through, now and later.
	Proxy *latchkey.Proxy `json:"proxy,omitempty"`

	// Token and Expires are the QR code shown, Codes how many there were, and Cuts how often in a row
	// the connection was lost.
	Token   []byte    `json:"token,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
	Codes   int       `json:"codes,omitempty"`
	Cuts    int       `json:"cuts,omitempty"`

	Phone string `json:"phone,omitempty"`
	// Sent is the code on its way.
	Sent  sent `json:"sent,omitzero"`
	Wrong int  `json:"wrong,omitempty"`
	// Hint is what the person noted beside the two-step password; Locked that the code was right.
	Hint   string `json:"hint,omitempty"`
	Locked bool   `json:"locked,omitempty"`
	// After is the Work that a flood wait stands before, and Until when it ends.
	After string    `json:"after,omitempty"`
	Until time.Time `json:"until,omitzero"`
}

// sent is a code that Telegram sent.
type sent struct {
	Hash string `json:"hash,omitempty"`
	// Way is how: app, sms, call, missed_call, email, fragment, word, phrase.
	Way    string    `json:"way,omitempty"`
	Length int       `json:"length,omitempty"`
	Detail string    `json:"detail,omitempty"` // the masked address, a number's beginning, a first letter
	URL    string    `json:"url,omitempty"`
	More   bool      `json:"more,omitempty"` // it can be sent another way
	Again  time.Time `json:"again,omitzero"`
}

// fresh forgets what a method had done, and its key.
func (s state) fresh() state {
	return state{
		Application: s.Application, Link: s.Link, API: s.API, Device: s.Device, Prior: s.Prior, PriorSecret: s.PriorSecret, Phone: s.Phone,
		Proxy: s.Proxy,
	}
}

func (s state) encode() []byte {
	out, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings, bytes and numbers always encode
	}
	return out
}

func decodeState(raw []byte) (state, error) {
	var s state
	if err := json.Unmarshal(raw, &s); err != nil {
		return s, fmt.Errorf("telegram: state: %w", err)
	}
	if s.API.ID == 0 {
		return s, fmt.Errorf("telegram: state: there is no api_id")
	}
	return s, nil
}

// input is what a Work is given: the state, and what was typed.
type input struct {
	State state `json:"state"`
	// Answer is the code or password. It is in no state.
	Answer string `json:"answer,omitempty"`
}

func show(step *connector.Step, s state) connector.Turn {
	return connector.Turn{Step: step, State: s.encode()}
}

func work(name string, s state, answer string) connector.Turn {
	raw, err := json.Marshal(input{State: s, Answer: answer})
	if err != nil {
		panic(err) // as above
	}
	return connector.Turn{State: s.encode(), Work: &connector.Work{
		Name: name, Input: raw, Show: *waitStep(name), Deadline: workTime, Interrupt: connector.Ask,
	}}
}

// credential is what is kept of an account.
type credential struct {
	Session session `json:"session"`
	APIID   int     `json:"api_id"`
	Device  string  `json:"device,omitempty"`
	User    int64   `json:"user"`
	// Proxy is what it was made through, and is used through.
	Proxy *latchkey.Proxy `json:"proxy,omitempty"`
}
