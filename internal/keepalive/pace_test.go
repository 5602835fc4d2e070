package keepalive

import (
	"slices"
	"testing"
	"time"
)

// TestPace works 2,000 off that are due at once, looking four times a second: evenly over the window,
// and no more than a second's worth after a pause of the machine.
func TestPace(t *testing.T) {
	t.Parallel()
	const n, window, look = 2000, 40 * time.Second, 250 * time.Millisecond
	now := time.UnixMilli(1_800_000_000_000)
	var p pace
	left, slots := n, make([]int, 8)
	for i := 0; left > 0; i++ {
		if i > 1000 {
			t.Fatal("it does not end")
		}
		at := now.Add(time.Duration(i) * look)
		take := min(p.allow(at, left, window), left)
		p.credit -= float64(take)
		left -= take
		slots[min(int(at.Sub(now)*8/window), 7)] += take
	}
	if slices.Max(slots) > 2*n/8 || slices.Min(slots) < n/16 {
		t.Errorf("not even: %v", slots)
	}
	p = pace{}
	p.allow(now, n, window)
	if got := p.allow(now.Add(time.Minute), n, window); got > n/int(window.Seconds())+1 {
		t.Errorf("%d at once after a pause", got)
	}
}
