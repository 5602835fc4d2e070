package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// flood is what tens of thousands of deliveries do to people who connect accounts meanwhile.
type flood struct {
	alone, beside journeys
	perSecond     float64 // deliveries
	before, most  int64   // resident bytes of the server
}

const (
	floodEvents   = 50_000
	floodJourneys = 120
	floodAtOnce   = 8
	memoryEvery   = 200 * time.Millisecond
)

// flood has past events delivered while journeys are made. The sink's webhook has heard of backlog events.
func (s *stage) flood(ctx context.Context, p *process, good *sink, id string, begun time.Time) (f flood, err error) {
	t := &traveller{stage: s, server: p}
	if err := t.prepare(ctx); err != nil {
		return f, err
	}
	if err := s.links(ctx, p, floodEvents-backlog, 0); err != nil {
		return f, err
	}
	if err := good.await(ctx, floodEvents-backlog); err != nil {
		return f, err
	}
	time.Sleep(settle)
	if f.alone, err = t.run(ctx, floodJourneys, floodAtOnce); err != nil {
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
		f.beside, err = t.run(ctx, floodJourneys, floodAtOnce)
	}
	if err == nil {
		err = good.await(ctx, floodEvents)
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
	wantFloodGrowth  = 64 << 20
)

func (f flood) rows(on string) []row {
	if f.perSecond == 0 {
		return nil
	}
	return []row{
		{
			on + "journeys beside 50,000 deliveries, p99", "≤ 5 s", ms(f.beside.p99),
			fmt.Sprintf("p50 %s; without them p50 %s, p99 %s; %s deliveries/s meanwhile", ms(f.beside.p50), ms(f.alone.p50), ms(f.alone.p99), count(f.perSecond)),
			judge(f.beside.p99 <= wantFloodJourney),
		},
		{
			on + "memory beside 50,000 deliveries", "+ ≤ 64 MiB", mib(f.most),
			"from " + mib(f.before), judge(f.most-f.before <= wantFloodGrowth),
		},
	}
}
