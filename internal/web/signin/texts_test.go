package signin_test

import (
	"testing"

	"latchkey/internal/i18n"
	"latchkey/internal/web/signin"
)

func TestTextsAgreeInAllLanguages(t *testing.T) {
	problems, err := i18n.Lint(signin.Texts())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
}
