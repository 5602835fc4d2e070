package hosted_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
)

func TestConnectWithoutTheWizard(t *testing.T) {
	r := newRig(t, options{})
	connect := func(user, password string, edit func(*hosted.DirectSpec)) (hosted.DirectResult, error) {
		d := hosted.DirectSpec{Provider: latchkey.Mock, Values: map[string]string{"username": user, "password": password}}
		if edit != nil {
			edit(&d)
		}
		return r.engine.Connect(context.Background(), r.app, d)
	}
	first, err := connect("anna", "x", func(d *hosted.DirectSpec) { d.ExternalID = "crm-1" })
	if err != nil || first.State != "new" || first.Account.Status != latchkey.AccountOK {
		t.Fatalf("connect: %+v, %v", first, err)
	}
	again, err := connect("anna", "y", func(d *hosted.DirectSpec) { d.ExternalID = "crm-1" })
	if err != nil || again.State != "existing" || again.Account.ID != first.Account.ID {
		t.Errorf("again: %+v, %v", again, err)
	}
	mended, err := connect("", "z", func(d *hosted.DirectSpec) { d.Reconnect = string(first.Account.ID) })
	if err != nil || mended.Account.ID != first.Account.ID {
		t.Errorf("reconnect: %+v, %v", mended, err)
	}
	for name, c := range map[string]struct {
		user, password string
		edit           func(*hosted.DirectSpec)
		code           errs.Code
	}{
		"wrong password":       {"bob", "wrong", nil, errs.CodeInvalidParameters},
		"needs a browser":      {"redirect", "x", nil, errs.CodeProviderUnavailable},
		"fails":                {"blocked", "x", nil, errs.CodeAccountBlocked},
		"nothing given":        {"", "", nil, errs.CodeInvalidParameters},
		"somebody else's":      {"wrong-account", "x", func(d *hosted.DirectSpec) { d.ExpectedIdentity = "anna@mock.test" }, errs.CodeWrongAccount},
		"name is another's":    {"bob", "x", func(d *hosted.DirectSpec) { d.ExternalID = "crm-1" }, errs.CodeWrongAccount},
		"unknown account":      {"bob", "x", func(d *hosted.DirectSpec) { d.Reconnect = "acc_none" }, errs.CodeNotFound},
		"provider not offered": {"bob", "x", func(d *hosted.DirectSpec) { d.Provider = latchkey.Google }, errs.CodeProviderUnavailable},
	} {
		if _, err := connect(c.user, c.password, c.edit); !errs.Is(err, c.code) {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	if n := len(r.accounts()); n != 1 {
		t.Errorf("%d accounts", n)
	}
	if got := r.revocations(); !slices.Contains(got, "someone-else@mock.test") || !slices.Contains(got, "bob@mock.test") {
		t.Errorf("revoked: %v", got)
	}
	_, err = connect("bob", "wrong", nil)
	if e := errs.As(err); len(e.Fields) != 1 || e.Fields[0].Field != "password" || e.Fields[0].Code != errs.CodeWrongPassword {
		t.Errorf("wrong password: %+v", e)
	}
	live := r.app
	live.Test = false
	if _, err := r.engine.Connect(context.Background(), live, hosted.DirectSpec{Provider: latchkey.Mock, Values: map[string]string{"username": "a", "password": "x"}}); !errs.Is(err, errs.CodeProviderUnavailable) {
		t.Errorf("the test provider in a live application: %v", err)
	}
}

func TestDirectProblemsOfTheWholeRequest(t *testing.T) {
	ask := func(x connector.FieldIssue) *errs.Error {
		return errs.As(hosted.DirectProblem(connector.Turn{Step: &connector.Step{Errors: []connector.FieldIssue{x}}}))
	}
	tries := ask(connector.FieldIssue{Code: errs.CodeTooManyTries, Args: map[string]string{"minutes": "15"}})
	if tries.Kind != errs.TooMany || tries.Code != errs.CodeTooManyTries || tries.RetryAfter != 15*time.Minute {
		t.Errorf("too many tries: %+v", tries)
	}
	other := ask(connector.FieldIssue{Field: "email", Code: errs.CodeWrongAccount, Args: map[string]string{"expected": "a@x.test", "actual": "b@x.test"}})
	if other.Kind != errs.Conflict || other.Code != errs.CodeWrongAccount || !strings.Contains(other.Detail, "a@x.test") || !strings.Contains(other.Detail, "b@x.test") {
		t.Errorf("another account: %+v", other)
	}
}

func FuzzRedirectURL(f *testing.F) {
	for _, s := range []string{"https://a.example/", "https://a.example/?", "https://a.example?x=%zz&account=1#f?x", "http://a/b#", "https://a/?a&&b=&"} {
		f.Add(s, "v&=#?%", "acc")
	}
	f.Fuzz(func(t *testing.T, raw, value, other string) {
		out := hosted.WithParams(raw, "account", value, "state", other)
		base, frag, has := strings.Cut(raw, "#")
		if has && !strings.HasSuffix(out, "#"+frag) {
			t.Errorf("the fragment of %q changed: %q", raw, out)
		}
		path, _, _ := strings.Cut(base, "?")
		if !strings.HasPrefix(out, path+"?") {
			t.Errorf("the path of %q changed: %q", raw, out)
		}
		if again := hosted.WithParams(out, "account", value, "state", other); again != out {
			t.Errorf("adding twice differs: %q, %q", out, again)
		}
	})
}
