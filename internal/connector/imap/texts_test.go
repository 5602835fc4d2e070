package imap_test

import (
	"testing"

	"latchkey/internal/connector/connectortest"
	"latchkey/internal/web/wizard"
)

func TestTextsInAllLanguages(t *testing.T) {
	connectortest.CheckTexts(t, newLab(t).conn.Describe().Texts, wizard.Texts())
}
