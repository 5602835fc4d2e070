package e2e_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestCheckpointsOfPhonesAreTheirApplications: another application that knows or guesses an id learns
// nothing and changes nothing, guessing codes ends the try, and an answer that was taken is not taken
// a second time.
func TestCheckpointsOfPhonesAreTheirApplications(t *testing.T) {
	t.Parallel()
	w := newPhoneWorld(t, "sqlite")
	s := w.start()
	var app struct{ Key string }
	unmarshal(t, w.command("app", "create", "--name", "Rival", "--json").out, &app)
	w.seen.token(app.Key)
	rival := newAPI(w.install, s.base)
	rival.key = app.Key

	qr := s.api.must(t, http.StatusAccepted, http.MethodPost, "/v1/accounts", fields{"provider": "WHATSAPP"})
	ben := s.api.must(t, http.StatusAccepted, http.MethodPost, "/v1/accounts", fields{"provider": "TELEGRAM", "method": "phone_code", "phone": phoneOfBen})
	code, err := w.tg.Code(phoneOfBen)
	if err != nil {
		t.Fatal(err)
	}
	unknown := rival.must(t, http.StatusNotFound, http.MethodPost, "/v1/accounts/checkpoint", fields{"account_id": strings.Map(func(r rune) rune { // of the same form, and nobody's
		if r >= '1' && r <= '8' {
			return r + 1
		}
		return r
	}, qr.text("account_id"))})
	for _, id := range []string{qr.text("account_id"), ben.text("account_id")} {
		for _, body := range []fields{{"account_id": id}, {"account_id": id, "code": code}, {"account_id": id, "action": "cancel"}, {"account_id": id, "action": "refresh"}} {
			res := rival.must(t, http.StatusNotFound, http.MethodPost, "/v1/accounts/checkpoint", body)
			if sansID(res.body) != sansID(unknown.body) {
				t.Errorf("a foreign id is told from an unknown one: %s, %s", res.body, unknown.body)
			}
		}
		rival.must(t, http.StatusNotFound, http.MethodGet, "/v1/accounts/"+id, nil)
		rival.must(t, http.StatusNotFound, http.MethodDelete, "/v1/accounts/"+id, nil)
	}
	// It went on undisturbed.
	if now := s.api.must(t, http.StatusAccepted, http.MethodPost, "/v1/accounts/checkpoint", fields{"account_id": qr.text("account_id")}); now.text("checkpoint.payload") != qr.text("checkpoint.payload") {
		t.Errorf("the code has changed: %s", now.body)
	}
	// Three guesses, and the right code comes too late.
	last := ben
	for _, guess := range []string{"11111", "22222", "33333"} {
		if guess == code {
			guess = "44444"
		}
		if last, err = s.api.call(t.Context(), http.MethodPost, "/v1/accounts/checkpoint", fields{"account_id": ben.text("account_id"), "code": guess}); err != nil {
			t.Fatal(err)
		}
	}
	if last.status < http.StatusBadRequest || !strings.Contains(string(last.body), "too_many_tries") {
		t.Errorf("after three guesses: %d %s", last.status, last.body)
	}
	tried := w.tg.Count("auth.signIn")
	if res, err := s.api.call(t.Context(), http.MethodPost, "/v1/accounts/checkpoint", fields{"account_id": ben.text("account_id"), "code": code}); err != nil || res.status < http.StatusBadRequest || w.tg.Count("auth.signIn") != tried {
		t.Errorf("%v: the right code after the end: %d %s", err, res.status, res.body)
	}

	// An answer again, after it was taken: nothing is tried a second time.
	ben = s.api.must(t, http.StatusAccepted, http.MethodPost, "/v1/accounts", fields{"provider": "TELEGRAM", "method": "phone_code", "phone": phoneOfBen})
	if code, err = w.tg.Code(phoneOfBen); err != nil {
		t.Fatal(err)
	}
	id := ben.text("account_id")
	s.api.must(t, http.StatusAccepted, http.MethodPost, "/v1/accounts/checkpoint", fields{"account_id": id, "code": code})
	s.api.must(t, http.StatusCreated, http.MethodPost, "/v1/accounts/checkpoint", fields{"account_id": id, "code": w.pass})
	signIns, checks := w.tg.Count("auth.signIn"), w.tg.Count("auth.checkPassword")
	for _, again := range []string{code, w.pass} {
		if _, err := s.api.call(t.Context(), http.MethodPost, "/v1/accounts/checkpoint", fields{"account_id": id, "code": again}); err != nil {
			t.Fatal(err)
		}
	}
	if w.tg.Count("auth.signIn") != signIns || w.tg.Count("auth.checkPassword") != checks {
		t.Error("an answer that was taken before was tried again")
	}
	if n := len(s.api.accounts(t)); n != 1 {
		t.Errorf("%d accounts", n)
	}
}

// sansID is an error's body without the id of its request.
func sansID(body []byte) string {
	code, title, detail := dig(body, "code"), dig(body, "title"), dig(body, "detail")
	return code + "|" + title + "|" + detail + "|" + dig(body, "message") + "|" + dig(body, "type")
}
