package sim

import (
	"encoding/json"
	"errors"
	"net/http"
	"sort"
)

// maxControl is the most that a request to Control may hold.
const maxControl = 64 << 10

// Control is the phone in somebody's hand, by HTTP:
//
//	POST /people  a Person                 gives somebody an account
//	GET  /people                           who there is, and where they are logged in
//	POST /scan    {"phone","qr"}           scans a QR code and accepts it
//	GET  /code?phone=                      reads the last code that was sent
//	POST /unlink  {"phone"}                ends every session of the person
//	POST /ban     {"phone","lift"}         takes the account away, or gives it back
//	POST /fault   a Fault                  misbehaves from now on; without kind, no more
//
// Every answer is JSON; what cannot be done is 409 with the reason.
func (s *Sim) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /people", control(func(p Person) (any, error) {
		id, err := s.Add(p)
		return map[string]int64{"id": id}, err
	}))
	mux.HandleFunc("GET /people", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.everybody(), nil) })
	mux.HandleFunc("POST /scan", control(func(in struct{ Phone, QR string }) (any, error) {
		return map[string]bool{"accepted": true}, s.Scan(in.Phone, in.QR)
	}))
	mux.HandleFunc("GET /code", func(w http.ResponseWriter, r *http.Request) {
		code, err := s.Code(r.URL.Query().Get("phone"))
		answer(w, map[string]string{"code": code}, err)
	})
	mux.HandleFunc("POST /unlink", control(func(in struct{ Phone string }) (any, error) {
		return map[string]bool{"unlinked": true}, s.Unlink(in.Phone)
	}))
	mux.HandleFunc("POST /ban", control(func(in struct {
		Phone string
		Lift  bool
	},
	) (any, error) {
		if in.Lift {
			return map[string]bool{"banned": false}, s.Lift(in.Phone)
		}
		return map[string]bool{"banned": true}, s.Ban(in.Phone)
	}))
	mux.HandleFunc("POST /fault", control(func(f Fault) (any, error) { return f, s.Misbehave(f) }))
	return mux
}

type listed struct {
	Person
	ID       int64     `json:"id"`
	Banned   bool      `json:"banned,omitempty"`
	Sessions []Session `json:"sessions"`
}

func (s *Sim) everybody() []listed {
	out := []listed{}
	s.mu.Lock()
	for _, p := range s.people {
		out = append(out, listed{Person: p.Person, ID: p.id, Banned: p.banned})
	}
	s.mu.Unlock()
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	for i := range out {
		out[i].Sessions, _ = s.Sessions(out[i].Phone) // it is there: nobody leaves
	}
	return out
}

func control[In any](do func(In) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControl))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil {
			answer(w, nil, errors.New("sim: the body cannot be read"))
			return
		}
		out, err := do(in)
		answer(w, out, err)
	}
}

func answer(w http.ResponseWriter, out any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusConflict)
		out = map[string]string{"error": err.Error()}
	}
	_ = json.NewEncoder(w).Encode(out) // whoever asked may be gone
}
