package hooks

import (
	"context"
	"log/slog"
	"time"

	"latchkey/internal/store"
)

const (
	// recordBatch bounds one transaction, and so how long it keeps the writer from others.
	recordBatch = 100
	// recordAgain is the first pause after tries could not be written down; it doubles.
	recordAgain    = 100 * time.Millisecond
	recordAgainMax = 5 * time.Second
)

// recorder writes tries down, together, and tells the loop. A try that cannot be written keeps its
// place until it can: what is not recorded would be sent again.
func (d *dispatcher) recorder() {
	for f := range d.record {
		batch := []flown{f}
	collect:
		for len(batch) < recordBatch {
			select {
			case f, ok := <-d.record:
				if !ok {
					break collect
				}
				batch = append(batch, f)
			default:
				break collect
			}
		}
		d.write(batch)
	}
}

func (d *dispatcher) write(batch []flown) {
	tries := make([]store.Tried, len(batch))
	for i, f := range batch {
		tries[i] = store.Tried{Delivery: f.now, Attempt: f.attempt}
	}
	for pause := recordAgain; ; pause = min(2*pause, recordAgainMax) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(d.tries), recordTime)
		err := d.h.store.Deliveries().Record(ctx, tries...)
		cancel()
		if err == nil {
			break
		}
		d.h.log.Error("tries not recorded; they wait", slog.Int("count", len(tries)), slog.String("cause", err.Error()))
		select {
		case <-time.After(pause):
			continue
		case <-d.tries.Done():
		}
		// The end was asked for long ago: these are sent again by whoever comes next.
		break
	}
	d.post(func() { d.recorded(batch) })
	for _, f := range batch {
		d.h.noted(d.tries, f.tried)
	}
}
