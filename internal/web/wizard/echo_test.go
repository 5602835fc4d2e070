package wizard

import (
	"testing"

	"latchkey/internal/connector"
	"latchkey/internal/errs"
)

// TestEchoedVerdictsStandBack holds that one password refused by both servers is said once, beside
// its field, and that verdicts that differ stay in front.
func TestEchoedVerdictsStandBack(t *testing.T) {
	st := connector.Step{Kind: connector.KindForm, ID: "imap.password"}
	st.Errors = []connector.FieldIssue{{Field: "password", Code: errs.CodeWrongPassword, Args: map[string]string{"host": "mail.x.test"}}}
	st.Verdicts = []connector.Verdict{
		{Source: "imap", Server: "mail.x.test:993", Code: errs.CodeWrongPassword}, {Source: "smtp", Server: "mail.x.test:465", Code: errs.CodeWrongPassword},
	}
	if !echoes(st) {
		t.Error("both servers refused the password: the field says it")
	}
	st.Verdicts[1].Code = errs.CodeConnectionTimeout
	if echoes(st) {
		t.Error("a server that did not answer is news")
	}
	st.Verdicts[1].Code, st.Errors = errs.CodeWrongPassword, nil
	if echoes(st) {
		t.Error("without an error beside a field the verdicts are all there is")
	}
}
