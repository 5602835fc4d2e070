package metrics

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Connections is how the database's connections are used.
type Connections struct {
	InUse, Idle, Max int
	// Waits is how often, and Waited how long, somebody has waited for one since the start.
	Waits  int64
	Waited time.Duration
}

// AccountCount is how many accounts a provider has in one status.
type AccountCount struct {
	Provider, Status string
	Count            int64
}

// Outbox is what waits to be sent, over all replicas.
type Outbox struct {
	Queued int64
	// Oldest is how long the one that waits longest has waited.
	Oldest time.Duration
}

// Lanes is how the lanes of this process are worked.
type Lanes struct {
	Working, Paused, Idle int
	// Warm is how many connections to mail hosts wait for mail.
	Warm int
}

// Source is asked at a scrape.
type Source interface {
	Connections() Connections
	// Jobs counts by state those that are not done: available, running, retryable, scheduled.
	Jobs(ctx context.Context) (map[string]int64, error)
	// Accounts counts accounts by provider and status.
	Accounts(ctx context.Context) ([]AccountCount, error)
	Outbox(ctx context.Context) (Outbox, error)
	Lanes() Lanes
}

// How old an answer of the database may be. Counting accounts reads an index of all of them, so it
// is done once a minute however many scrapers there are.
const (
	jobsAge     = 5 * time.Second
	accountsAge = time.Minute
	askTimeout  = 5 * time.Second
)

// Watch adds what has to be asked for. It asks at a scrape, and never more often than the answers age.
func (m *Metrics) Watch(s Source, now func() time.Time) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("latchkey_"+name, help, labels, nil)
	}
	m.registry.MustRegister(&asker{
		source: s, now: now,
		connections: desc("database_connections", "Connections to the database, by state.", "state"),
		max:         desc("database_connections_max", "The most connections there may be."),
		waits:       desc("database_waits_total", "How often somebody waited for a connection."),
		waited:      desc("database_wait_seconds_total", "How long they waited, together."),
		jobs:        desc("jobs", "Jobs that are not done, by state.", "state"),
		accounts:    desc("accounts", "Accounts by provider and status, at most a minute old.", "provider", "status"),
		queued:      desc("mails_queued", "Mails that wait to be sent, at most 5 s old."),
		oldest:      desc("mail_oldest_seconds", "How long the mail has waited that waits longest."),
		lanes:       desc("mail_lanes", "Lanes of senders in this process, by state.", "state"),
		warm:        desc("mail_connections_warm", "Connections to mail hosts that wait for mail."),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "latchkey_scrape_failures_total", Help: "Questions to the database that a scrape got no answer to.",
		}),
	})
}

// asker is the collector of what the database knows.
type asker struct {
	source                                          Source
	now                                             func() time.Time
	connections, max, waits, waited, jobs, accounts *prometheus.Desc
	queued, oldest, lanes, warm                     *prometheus.Desc
	failures                                        prometheus.Counter

	mu         sync.Mutex
	jobsAt     time.Time
	jobsThen   map[string]int64
	outbox     *Outbox
	accountsAt time.Time
	accThen    []AccountCount
}

// Describe names the metrics.
func (a *asker) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{a.connections, a.max, a.waits, a.waited, a.jobs, a.accounts, a.queued, a.oldest, a.lanes, a.warm} {
		out <- d
	}
	a.failures.Describe(out)
}

// Collect asks, where what it knows has become old.
func (a *asker) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	c := a.source.Connections()
	gauge(a.connections, float64(c.InUse), "in_use")
	gauge(a.connections, float64(c.Idle), "idle")
	gauge(a.max, float64(c.Max))
	out <- prometheus.MustNewConstMetric(a.waits, prometheus.CounterValue, float64(c.Waits))
	out <- prometheus.MustNewConstMetric(a.waited, prometheus.CounterValue, c.Waited.Seconds())
	l := a.source.Lanes()
	gauge(a.lanes, float64(l.Working), "working")
	gauge(a.lanes, float64(l.Paused), "paused")
	gauge(a.lanes, float64(l.Idle), "idle")
	gauge(a.warm, float64(l.Warm))
	jobs, accounts, outbox := a.ask()
	if outbox != nil {
		gauge(a.queued, float64(outbox.Queued))
		gauge(a.oldest, outbox.Oldest.Seconds())
	}
	for _, state := range []string{"available", "running", "retryable", "scheduled"} {
		if jobs != nil {
			gauge(a.jobs, float64(jobs[state]), state)
		}
	}
	for _, n := range accounts {
		gauge(a.accounts, float64(n.Count), n.Provider, n.Status)
	}
	a.failures.Collect(out)
}

// ask keeps others waiting, so that ten scrapers are one question. Where there is no answer, what was
// known is not repeated: a gap is better than a lie.
func (a *asker) ask() (map[string]int64, []AccountCount, *Outbox) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	now := a.now()
	old := func(at time.Time, age time.Duration) bool { return now.Sub(at) >= age || now.Before(at) }
	if old(a.jobsAt, jobsAge) {
		a.jobsAt = now
		var err error
		if a.jobsThen, err = a.source.Jobs(ctx); err != nil {
			a.jobsThen, a.jobsAt = nil, time.Time{}
			a.failures.Inc()
		}
		a.outbox = nil
		if box, err := a.source.Outbox(ctx); err == nil {
			a.outbox = &box
		} else {
			a.jobsAt = time.Time{}
			a.failures.Inc()
		}
	}
	if old(a.accountsAt, accountsAge) {
		a.accountsAt = now
		var err error
		if a.accThen, err = a.source.Accounts(ctx); err != nil {
			a.accThen, a.accountsAt = nil, time.Time{}
			a.failures.Inc()
		}
	}
	return a.jobsThen, a.accThen, a.outbox
}
