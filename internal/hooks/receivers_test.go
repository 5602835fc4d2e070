package hooks

import (
	"testing"
	"time"
)

// TestSlowReceiverHoldsItsPlacesOnly fills one host's places: another host gets in at once, one more
// for the same host makes room, and a place that is given back is taken again.
func TestSlowReceiverHoldsItsPlacesOnly(t *testing.T) {
	r := &receivers{hosts: map[string]*receiver{}}
	var leaves []func()
	for range perReceiver {
		leave, ok := r.enter(t.Context(), "https://slow.test/a")
		if !ok {
			t.Fatal("a free place was not given")
		}
		leaves = append(leaves, leave)
	}
	began := time.Now()
	if _, ok := r.enter(t.Context(), "https://slow.test/b"); ok {
		t.Fatal("one more than there are places")
	}
	if time.Since(began) < placeWait {
		t.Error("it did not wait for a place")
	}
	leave, ok := r.enter(t.Context(), "https://other.test/")
	if !ok {
		t.Fatal("another host is held up")
	}
	leave()
	left := make(chan struct{})
	time.AfterFunc(placeWait/4, func() {
		leaves[0]()
		close(left)
	})
	leave, ok = r.enter(t.Context(), "https://slow.test/c")
	if !ok {
		t.Fatal("the place that came free was not given")
	}
	leave()
	<-left // its place was taken before it had cleared up
	for _, l := range leaves[1:] {
		l()
	}
	if len(r.hosts) != 0 {
		t.Errorf("%d hosts are remembered though nobody is there", len(r.hosts))
	}
}
