package metrics

import (
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics counts. Its methods are the services' observers; each is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry

	requests       *prometheus.CounterVec
	requestSeconds *prometheus.HistogramVec
	// answers are the two above, found: each request is counted, and labels cost more than counting.
	answers sync.Map // of answer to *answerCounters

	links    *prometheus.CounterVec
	steps    *prometheus.CounterVec
	problems *prometheus.CounterVec
	flows    *prometheus.CounterVec
	works    *prometheus.HistogramVec

	checks    *prometheus.CounterVec
	refreshes *prometheus.CounterVec

	deliveries      *prometheus.CounterVec
	deliverySeconds prometheus.Observer
	queueSeconds    prometheus.Observer

	jobs       *prometheus.CounterVec
	jobSeconds *prometheus.HistogramVec

	mails       *prometheus.CounterVec
	mailSeconds *prometheus.HistogramVec
	mailWaited  prometheus.Observer

	seals  *prometheus.CounterVec
	egress *prometheus.CounterVec
}

// Build says which program this is.
type Build struct {
	Version string
	// Engine is the database's: sqlite or postgres.
	Engine string
}

// Buckets, in seconds: what a person waits for, and what a machine does.
func slow() []float64 { return []float64{.1, .25, .5, 1, 2.5, 5, 10, 20, 45, 90} }

func quick() []float64 {
	return []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60}
}

// New makes the metrics with a registry of their own.
func New(b Build) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "latchkey_" + name, Help: help}, labels)
		m.registry.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "latchkey_" + name, Help: help, Buckets: buckets}, labels)
		m.registry.MustRegister(h)
		return h
	}
	m.requests = counter("http_requests_total", "Requests answered, by the pattern of the route and the status.", "route", "status")
	m.requestSeconds = histogram("http_request_seconds", "How long requests took.", quick(), "route")
	m.links = counter("links_total", "What became of links.", "outcome")
	m.steps = counter("flow_steps_total", "Steps of flows that were reached or failed.", "provider", "step", "outcome")
	m.problems = counter("flow_failures_total", "What went wrong in flows, by step and code.", "provider", "step", "code")
	m.flows = counter("flows_total", "Flows that ended, by outcome.", "provider", "outcome")
	m.works = histogram("work_seconds", "How long a flow's work outside took: logins, look-ups, waits.", slow(), "provider", "outcome")
	m.checks = counter("checks_total", "Checks of accounts, by the status that they found.", "provider", "status")
	m.refreshes = counter("refreshes_total", "Renewals of credentials, by outcome.", "provider", "outcome")
	m.deliveries = counter("deliveries_total", "Tries to deliver, by outcome.", "outcome")
	m.deliverySeconds = histogram("delivery_seconds", "How long receivers took to answer.", quick()).WithLabelValues()
	m.queueSeconds = histogram("delivery_queue_seconds", "From the event to the first try.", quick()).WithLabelValues()
	m.jobs = counter("jobs_total", "Runs of jobs, by kind and outcome.", "kind", "outcome")
	m.jobSeconds = histogram("job_seconds", "How long runs of jobs took.", quick(), "kind")
	m.mails = counter("mail_attempts_total", "Tries to hand a mail over, by outcome and what was wrong.", "lane", "kind", "outcome", "code")
	m.mailSeconds = histogram("mail_seconds", "How long tries to hand a mail over took.", quick(), "lane", "outcome")
	m.mailWaited = histogram("mail_queue_seconds", "From a mail's row to its acceptance by a mail host.", quick()).WithLabelValues()
	m.seals = counter("seals_total", "Secrets sealed and opened.", "operation", "outcome")
	m.egress = counter("egress_requests_total", "Outgoing HTTP requests, by purpose and outcome.", "purpose", "outcome")
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "latchkey_build_info", Help: "Always 1; the labels say which program this is.",
		ConstLabels: prometheus.Labels{"version": b.Version, "go_version": runtime.Version(), "engine": b.Engine},
	})
	info.Set(1)
	m.registry.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler is the page that Prometheus reads.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	return mux
}

// orNone keeps a label from being empty.
func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// answer is a route and a status; there are as many as routes have statuses.
type answer struct {
	route  string
	status int
}

type answerCounters struct {
	count   prometheus.Counter
	seconds prometheus.Observer
}

// Request counts an answered request. The route is its pattern: what nobody serves has none.
func (m *Metrics) Request(route string, status int, took time.Duration) {
	k := answer{orNone(route), status}
	found, ok := m.answers.Load(k)
	if !ok {
		found, _ = m.answers.LoadOrStore(k, &answerCounters{
			count: m.requests.WithLabelValues(k.route, strconv.Itoa(status)), seconds: m.requestSeconds.WithLabelValues(k.route),
		})
	}
	if c, ok := found.(*answerCounters); ok {
		c.count.Inc()
		c.seconds.Observe(took.Seconds())
	}
}

// Link counts what became of a link: created, opened, started, taken_over, completed, failed, canceled
// or expired.
func (m *Metrics) Link(outcome string, n int) { m.links.WithLabelValues(outcome).Add(float64(n)) }

// Step counts a step of a flow: reached, or with a code, what went wrong at it.
func (m *Metrics) Step(provider, step, code string) {
	provider = orNone(provider)
	if code == "" {
		m.steps.WithLabelValues(provider, step, "reached").Inc()
		return
	}
	m.steps.WithLabelValues(provider, step, "failed").Inc()
	m.problems.WithLabelValues(provider, step, code).Inc()
}

// Flow counts the end of a flow. The step and the code say where and why it failed.
func (m *Metrics) Flow(provider, outcome, step, code string) {
	m.flows.WithLabelValues(orNone(provider), outcome).Inc()
	if code != "" {
		m.problems.WithLabelValues(orNone(provider), orNone(step), code).Inc()
	}
}

// Work counts something that a flow did outside.
func (m *Metrics) Work(provider, outcome string, took time.Duration) {
	m.works.WithLabelValues(orNone(provider), outcome).Observe(took.Seconds())
}

// Check counts a check of an account, and the status that it found.
func (m *Metrics) Check(provider, status string) { m.checks.WithLabelValues(provider, status).Inc() }

// Refresh counts a try to renew a credential: renewed, refused, outage or app_refused.
func (m *Metrics) Refresh(provider, outcome string) {
	m.refreshes.WithLabelValues(provider, outcome).Inc()
}

// Delivery counts a try to deliver: delivered, retried, failed or gone. Queued is the time from the
// event to the first try, and negative for later ones.
func (m *Metrics) Delivery(outcome string, queued, took time.Duration) {
	m.deliveries.WithLabelValues(outcome).Inc()
	m.deliverySeconds.Observe(took.Seconds())
	if queued >= 0 {
		m.queueSeconds.Observe(queued.Seconds())
	}
}

// Job counts a run of a job: done, retried, snoozed, canceled or failed.
func (m *Metrics) Job(kind, outcome string, took time.Duration) {
	m.jobs.WithLabelValues(kind, outcome).Inc()
	m.jobSeconds.WithLabelValues(kind).Observe(took.Seconds())
}

// Mail counts a try to hand a mail over: accepted, retried, by_default_sender, failed, expired or withheld.
// The lane is default or own. Waited is the time from the mail's row, and negative unless it was accepted.
func (m *Metrics) Mail(lane, kind, outcome, code string, waited, took time.Duration) {
	m.mails.WithLabelValues(lane, kind, outcome, orNone(code)).Inc()
	m.mailSeconds.WithLabelValues(lane, outcome).Observe(took.Seconds())
	if waited >= 0 {
		m.mailWaited.Observe(waited.Seconds())
	}
}

// Seal counts a secret that was sealed or opened.
func (m *Metrics) Seal(operation string, err error) {
	outcome := "ok"
	if err != nil {
		outcome = "failed"
	}
	m.seals.WithLabelValues(operation, outcome).Inc()
}

// Egress counts an outgoing HTTP request by purpose: answered, or failed with a published code.
func (m *Metrics) Egress(purpose, outcome string) { m.egress.WithLabelValues(purpose, outcome).Inc() }
