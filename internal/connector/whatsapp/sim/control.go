package sim

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"
)

// controlBody bounds one order.
const controlBody = 64 << 10

// Control is the phone in hand, by HTTP: JSON in, JSON out. It has no password and is for loopback.
//
//	POST /phones        {"number","business","passkey","silent"}
//	POST /scan          {"number","qr"}
//	POST /code          {"number","code"}
//	POST /passkey       {"number"}                   → {"assertion"}
//	POST /unlink        {"number"}
//	POST /ban           {"number","code","seconds"}
//	POST /lock          {"number","reason"}
//	POST /faults        Faults
//	POST /drop          {}
//	GET  /state         {"waiting","connected","phones":[{"number","linked","online","banned","devices":[{"device","online"}]}]}
func (s *Sim) Control() http.Handler {
	mux := http.NewServeMux()
	type order struct {
		Number, QR, Code string
		Reason, Seconds  int
		BanCode          int `json:"ban_code"`
	}
	do := func(path string, act func(o order) error) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			var o order
			if read(w, r, &o) {
				answer(w, map[string]bool{"ok": true}, act(o))
			}
		})
	}
	do("/scan", func(o order) error { return s.Scan(o.Number, o.QR) })
	do("/code", func(o order) error { return s.TypeCode(o.Number, o.Code) })
	do("/unlink", func(o order) error { return s.Unlink(o.Number) })
	do("/ban", func(o order) error { return s.Ban(o.Number, o.BanCode, time.Duration(o.Seconds)*time.Second) })
	do("/lock", func(o order) error { return s.Lock(o.Number, o.Reason) })
	do("/drop", func(order) error { s.Drop(); return nil })
	mux.HandleFunc("POST /phones", func(w http.ResponseWriter, r *http.Request) {
		var p Phone
		if read(w, r, &p) {
			s.AddPhone(p)
			answer(w, map[string]bool{"ok": true}, nil)
		}
	})
	mux.HandleFunc("POST /passkey", func(w http.ResponseWriter, r *http.Request) {
		var o order
		if read(w, r, &o) {
			text, err := s.Assertion(o.Number)
			answer(w, map[string]string{"assertion": text}, err)
		}
	})
	mux.HandleFunc("POST /faults", func(w http.ResponseWriter, r *http.Request) {
		var f Faults
		if read(w, r, &f) {
			s.SetFaults(f)
			answer(w, map[string]bool{"ok": true}, nil)
		}
	})
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.state(), nil) })
	return mux
}

type stateOfPhone struct {
	Number string `json:"number"`
	Linked int    `json:"linked"`
	Online int    `json:"online"`
	// Banned says that the account is shut out now.
	Banned  bool     `json:"banned"`
	Devices []Device `json:"devices"`
}

type stateOfAll struct {
	Waiting   int            `json:"waiting"`
	Connected int            `json:"connected"`
	Phones    []stateOfPhone `json:"phones"`
}

func (s *Sim) state() stateOfAll {
	out := stateOfAll{Waiting: s.Waiting(), Connected: s.Connected(), Phones: []stateOfPhone{}}
	s.mu.Lock()
	banned := map[string]bool{}
	for n, ph := range s.phones {
		banned[n] = ph.refusal(s.cfg.Now()) != nil
	}
	s.mu.Unlock()
	for _, n := range slices.Sorted(maps.Keys(banned)) {
		linked, online := s.Devices(n)
		out.Phones = append(out.Phones, stateOfPhone{Number: n, Linked: linked, Online: online, Banned: banned[n], Devices: s.Listed(n)})
	}
	return out
}

func read(w http.ResponseWriter, r *http.Request, into any) bool {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, controlBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"not the JSON that is expected here"}`))
		return false
	}
	return true
}

func answer(w http.ResponseWriter, body any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		status := http.StatusConflict
		if errors.Is(err, ErrNoPhone) {
			status = http.StatusNotFound
		}
		w.WriteHeader(status)
		body = map[string]string{"error": err.Error()}
	}
	_ = json.NewEncoder(w).Encode(body)
}
