package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// flood is what tens of thousands of deliveries do to people who connect accounts or sign in meanwhile.
type flood struct {
	events        int
	alone, beside journeys
	// asks are requests for sign-ins, alone and beside.
	asksAlone, asksBeside rate
	perSecond             float64 // deliveries
	before, most          int64   // resident bytes of the server
}

const (
	floodJourneys = 120
	floodAtOnce   = 4
	// floodAsks ask for sign-ins at the same time, for floodTime.
	floodAsks   = 2
	floodTime   = 5 * time.Second
	memoryEvery = 200 * time.Millisecond
)

// visitors connect accounts and ask for sign-ins, side by side.
func (t *traveller) visitors(ctx context.Context, j *journeys, asks *rate) error {
	var wg sync.WaitGroup
	var asked error
	wg.Go(func() { *asks, asked = t.stage.signInLoad(t.server).run(ctx, floodAsks, floodTime, t.server) })
	var err error
	*j, err = t.run(ctx, floodJourneys, floodAtOnce)
	wg.Wait()
	return errors.Join(err, asked)
}

// flood has past events delivered while people come. The sink's webhook has heard of backlog events, and
// is off while the rest are written.
func (s *stage) flood(ctx context.Context, p *process, good *sink, id string, begun time.Time, events int) (f flood, err error) {
	f.events = events
	t := &traveller{stage: s, server: p}
	if err := t.prepare(ctx); err != nil {
		return f, err
	}
	err = errors.Join(s.enable(ctx, p, id, false), s.call(ctx, p, http.MethodPost, "/v1/events/listen", map[string]any{}, nil))
	if err == nil {
		err = s.links(ctx, p, events-backlog, 0)
	}
	if err == nil {
		err = s.enable(ctx, p, id, true)
	}
	if err != nil {
		return f, err
	}
	time.Sleep(settle)
	if err = t.visitors(ctx, &f.alone, &f.asksAlone); err != nil {
		return f, err
	}
	if f.before, err = p.memory(); err != nil {
		return f, err
	}
	good.reset()
	watching, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	var watched error
	watch.Go(func() { f.most, watched = mostMemory(watching, p) })
	err = s.call(ctx, p, http.MethodPost, "/v1/webhooks/"+id+"/replay", map[string]any{"since": begun.UTC().Format(time.RFC3339Nano)}, nil)
	if err == nil {
		err = t.visitors(ctx, &f.beside, &f.asksBeside)
	}
	if err == nil {
		err = good.await(ctx, events)
	}
	stop()
	watch.Wait()
	good.mu.Lock()
	defer good.mu.Unlock()
	f.perSecond = float64(good.n) / good.last.Sub(good.first).Seconds()
	return f, errors.Join(err, watched)
}

// mostMemory looks until ctx ends.
func mostMemory(ctx context.Context, p *process) (most int64, err error) {
	tick := time.NewTicker(memoryEvery)
	defer tick.Stop()
	for {
		now, err := p.memory()
		if err != nil {
			return most, err
		}
		most = max(most, now)
		select {
		case <-ctx.Done():
			return most, nil
		case <-tick.C:
		}
	}
}

// The targets of a flood.
const (
	wantFloodJourney = 5 * time.Second
	wantFloodSignIn  = time.Second
	wantFloodGrowth  = 64 << 20
)

func (f flood) rows(on string) []row {
	if f.perSecond == 0 {
		return nil
	}
	beside := fmt.Sprintf("beside %d deliveries", f.events)
	return []row{
		{
			on + "journeys " + beside + ", p99", "≤ 5 s", ms(f.beside.p99),
			fmt.Sprintf("p50 %s; without them p50 %s, p99 %s; %s deliveries/s meanwhile", ms(f.beside.p50), ms(f.alone.p50), ms(f.alone.p99), count(f.perSecond)),
			judge(f.beside.p99 <= wantFloodJourney),
		},
		{
			on + "POST /v1/signins " + beside + ", p99", "≤ 1 s", ms(f.asksBeside.p99),
			fmt.Sprintf("p50 %s, %.0f/s; without them p50 %s, p99 %s, %.0f/s", ms(f.asksBeside.p50), f.asksBeside.perSecond, ms(f.asksAlone.p50), ms(f.asksAlone.p99), f.asksAlone.perSecond),
			judge(f.asksBeside.p99 <= wantFloodSignIn),
		},
		{
			on + "memory " + beside, "+ ≤ 64 MiB", mib(f.most),
			"from " + mib(f.before), judge(f.most-f.before <= wantFloodGrowth),
		},
	}
}
