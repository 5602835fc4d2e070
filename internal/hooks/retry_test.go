package hooks

import (
	"net/http"
	"testing"
	"time"
)

func TestScheduleGrowsAndEnds(t *testing.T) {
	t.Parallel()
	for _, jitter := range []float64{0, 0.5, 0.999999} {
		var age, before time.Duration
		tries := 1
		for ; ; tries++ {
			d, ok := nextDelay(tries, age, 0, jitter)
			if !ok {
				break
			}
			if tries == 1 && (d < 4*time.Second || d > 6*time.Second) {
				t.Errorf("the first retry comes after %s", d)
			}
			if d < before && age+d != giveUpAfter {
				t.Errorf("try %d: %s is sooner than the %s before", tries, d, before)
			}
			if d <= 0 || float64(d) > float64(maxDelay)*(1+jitterShare) {
				t.Fatalf("try %d: %s", tries, d)
			}
			age, before = age+d, d
			if tries > 100 {
				t.Fatal("it never ends")
			}
		}
		if age < giveUpAfter-lastTryGap || age > giveUpAfter {
			t.Errorf("jitter %v: the last try comes %s after the first, want about %s", jitter, age, giveUpAfter)
		}
	}
}

func FuzzNextDelay(f *testing.F) {
	f.Add(1, int64(0), int64(0), 0.5, "")
	f.Add(1<<40, int64(1)<<62, int64(1)<<62, 0.0, "18446744073709551615")
	f.Add(7, int64(giveUpAfter)-1, int64(-5), 0.99, "Fri, 31 Dec 9999 23:59:59 GMT")
	f.Fuzz(func(t *testing.T, tries int, age, after int64, jitter float64, header string) {
		if tries < 1 || jitter < 0 || jitter >= 1 || age < 0 {
			t.Skip("never called so")
		}
		d, ok := nextDelay(tries, time.Duration(age), time.Duration(after), jitter)
		if ok && (d <= 0 || d > giveUpAfter-time.Duration(age)) {
			t.Errorf("%s at the age of %s", d, time.Duration(age))
		}
		if got := parseRetryAfter(http.Header{"Retry-After": {header}}, time.UnixMilli(0)); got < 0 {
			t.Errorf("Retry-After %q is %s", header, got)
		}
	})
}
