package wizard

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
)

func TestParseJSON(t *testing.T) {
	got, err := parseJSON([]byte(` {"version":3,"action":"submit","values":{"email":"a@b.example","imap_port":993,"smtp":true,"ratio":1.50}} `))
	if err != nil {
		t.Fatal(err)
	}
	want := hosted.Answer{Version: 3, Action: connector.ActSubmit, Values: map[string]string{
		"email": "a@b.example", "imap_port": "993", "smtp": "true", "ratio": "1.50",
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := parseJSON([]byte(`{"action":"start"}`)); err != nil {
		t.Errorf("start without a version: %v", err)
	}
}

// TestParseJSONTellsEveryFault has the fields of each answer as "field:code".
func TestParseJSONTellsEveryFault(t *testing.T) {
	const canary = "correct-horse-battery"
	long := strings.Repeat("n", 200)
	for _, tc := range []struct {
		name, body string
		code       errs.Code
		fields     []string
	}{
		{"empty", ``, errs.CodeMalformedJSON, nil},
		{"array", `[]`, errs.CodeMalformedJSON, nil},
		{"broken", `{"version":1,`, errs.CodeMalformedJSON, nil},
		{"more after it", `{"action":"start"}{}`, errs.CodeMalformedJSON, nil},
		{"not UTF-8", "{\"action\":\"\xff\"}", errs.CodeMalformedJSON, nil},
		{"nothing said", `{}`, errs.CodeInvalidParameters, []string{"action:required"}},
		{"no version", `{"action":"submit"}`, errs.CodeInvalidParameters, []string{"version:required"}},
		{"wrong case", `{"Action":"start"}`, errs.CodeInvalidParameters, []string{"Action:unknown_field", "action:required"}},
		{"wrong types", `{"version":"3","action":1,"values":[` + `"` + canary + `"]}`, errs.CodeInvalidParameters, []string{"version:invalid_type", "action:invalid_type", "values:invalid_type"}},
		{"fraction", `{"version":1.5,"action":"submit"}`, errs.CodeInvalidParameters, []string{"version:invalid_type"}},
		{"negative", `{"version":-1,"action":"submit"}`, errs.CodeInvalidParameters, []string{"version:invalid_type"}},
		{"unknown action", `{"version":1,"action":"` + canary + `"}`, errs.CodeInvalidParameters, []string{"action:invalid_value"}},
		{"the engine's own action", `{"version":1,"action":"return"}`, errs.CodeInvalidParameters, []string{"action:invalid_value"}},
		{"twice", `{"version":1,"action":"submit","action":"cancel"}`, errs.CodeInvalidParameters, []string{"action:invalid_value"}},
		{"value twice", `{"version":1,"action":"submit","values":{"a":"x","a":"y"}}`, errs.CodeInvalidParameters, []string{"values.a:invalid_value"}},
		{"values of values", `{"version":1,"action":"submit","values":{"password":{"x":"` + canary + `"},"b":["` + canary + `"],"c":null}}`, errs.CodeInvalidParameters, []string{"values.password:invalid_type", "values.b:invalid_type", "values.c:invalid_type"}},
		{"long name", `{"version":1,"action":"submit","values":{"` + long + `":1}}`, errs.CodeInvalidParameters, []string{"values." + long[:64] + "…:invalid_value"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := parseJSON([]byte(tc.body))
			e, ok := errors.AsType[*errs.Error](err)
			if !ok || e.Code != tc.code || e.Kind != errs.Invalid {
				t.Fatalf("got %v, want %s", err, tc.code)
			}
			var fields []string
			for _, f := range e.Fields {
				fields = append(fields, f.Field+":"+string(f.Code))
			}
			if diff := cmp.Diff(tc.fields, fields); diff != "" {
				t.Error(diff)
			}
			if told, _ := json.Marshal(e); strings.Contains(string(told), canary) {
				t.Errorf("the answer repeats what was sent: %s", told)
			}
		})
	}
}

func TestParseForm(t *testing.T) {
	got, err := parseForm("version=4&action=submit&provider=IMAP&ssl=false&ssl=true&action=back&password=%C3%A9%00")
	if err != nil {
		t.Fatal(err)
	}
	want := hosted.Answer{Version: 4, Action: connector.ActBack, Values: map[string]string{"provider": "IMAP", "ssl": "true", "password": "é\x00"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, body := range []string{"", "action=jump", "action=submit&version=x", "action=submit&version=-2", "action=submit&a=%zz", "action=submit&a=%ff", "action=submit&" + strings.Repeat("a", 70) + "=1"} {
		if _, err := parseForm(body); err == nil {
			t.Errorf("%q was taken", body)
		}
	}
	if _, err := parseForm("action=submit&version=1" + many(80)); err == nil {
		t.Error("a form of 80 fields was taken")
	}
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("&f" + itoa(i) + "=x")
	}
	return b.String()
}

func FuzzParseJSON(f *testing.F) {
	f.Add([]byte(`{"version":3,"action":"submit","values":{"a":1,"b":true,"c":"x"}}`))
	f.Add([]byte(`{"values":[[{}],1],"x":{"y":[]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := parseJSON(body)
		if err != nil {
			if e, ok := errors.AsType[*errs.Error](err); !ok || e.Kind != errs.Invalid {
				t.Fatalf("not a fault of the caller: %v", err)
			}
			return
		}
		if !knownAction(string(a.Action)) || a.Version < 0 || len(a.Values) > maxValues {
			t.Fatalf("taken: %+v", a)
		}
		// What was taken must read as one JSON object with these members for anybody else too.
		var plain struct {
			Action string         `json:"action"`
			Values map[string]any `json:"values"`
		}
		if err := json.Unmarshal(body, &plain); err != nil || plain.Action != string(a.Action) || len(plain.Values) != len(a.Values) {
			t.Fatalf("read as %+v here and as %+v elsewhere (%v)", a, plain, err)
		}
	})
}

func FuzzParseForm(f *testing.F) {
	f.Add("version=1&action=submit&email=a%40b")
	f.Fuzz(func(t *testing.T, body string) {
		a, err := parseForm(body)
		if err != nil {
			return
		}
		form, err := url.ParseQuery(body)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range a.Values {
			if all := form[name]; len(all) == 0 || all[len(all)-1] != value {
				t.Fatalf("%q became %q", all, value)
			}
		}
		if !knownAction(string(a.Action)) || a.Version < 0 {
			t.Fatalf("taken: %+v", a)
		}
	})
}
