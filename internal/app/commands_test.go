package app

import (
	"encoding/json"
	"testing"
	"time"
)

func TestTimesAreWrittenAsInTheAPI(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 21, 4, 4, 36, 970e6, time.FixedZone("", 3600))
	got, err := json.Marshal(struct{ At instant }{instant(at)})
	if want := `{"At":"2026-11-21T03:04:36.970Z"}`; err != nil || string(got) != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
}
