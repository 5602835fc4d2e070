package hooks

import (
	"bytes"
	"testing"
	"time"
)

// TestAnswersAreBounded keeps whole answers of a receiver that answers at length now and then, and the
// beginning of those of one that always does.
func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	var a answers
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	long, short := bytes.Repeat([]byte("x"), maxResponse), bytes.Repeat([]byte("x"), shortAnswer)
	total := 0
	const each = 100_000
	for range each { // a day of more than one a second
		total += len(a.cut("endpoint", long, now))
		if got := a.cut("endpoint", short, now); len(got) != len(short) {
			t.Fatalf("a short answer was cut to %d", len(got))
		}
		now = now.Add(24 * time.Hour / each)
	}
	if most := answersADay + answersAtOnce + each*shortAnswer; total > most || total < answersADay {
		t.Errorf("%d bytes are kept of a day, and not at most %d", total, most)
	}
	if got := a.cut("another", long, now); len(got) != len(long) {
		t.Errorf("another receiver's answer was cut to %d", len(got))
	}
	if got := a.cut("endpoint", long, now.Add(24*time.Hour)); len(got) != len(long) {
		t.Errorf("a day later an answer was cut to %d", len(got))
	}
}
