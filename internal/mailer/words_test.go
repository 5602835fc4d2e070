package mailer

import (
	"os"
	"testing"

	"latchkey/internal/i18n"
)

// TestWordsAreComplete has every text in every language.
func TestWordsAreComplete(t *testing.T) {
	t.Parallel()
	problems, err := i18n.Lint(os.DirFS("texts"))
	if err != nil || len(problems) != 0 {
		t.Error(problems, err)
	}
	w, err := loadWords()
	if err != nil || len(w.catalog.Languages()) < 12 {
		t.Errorf("%v, %v", w.catalog.Languages(), err)
	}
}
