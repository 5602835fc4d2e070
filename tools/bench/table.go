package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// The targets.
const (
	wantLinks   = 8000
	wantPages   = 10000
	wantOwnCPU  = 5 * time.Millisecond
	wantStart   = 100 * time.Millisecond
	wantIdleRSS = 60 << 20
)

// row is one line of the table.
type row struct {
	what, target, figure, beside string
	verdict                      verdict
}

type verdict int

const (
	none verdict = iota
	pass
	miss
)

func (v verdict) String() string { return [...]string{"", "met", "MISSED"}[v] }

func judge(ok bool) verdict {
	if ok {
		return pass
	}
	return miss
}

// median of a field of several rounds.
func median[T any, N cmp.Ordered](all []T, of func(T) N) N {
	var values []N
	for _, x := range all {
		values = append(values, of(x))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func perSecond(r rate) float64        { return r.perSecond }
func same[T any](v T) T               { return v }
func count(f float64) string          { return fmt.Sprintf("%.1fk/s", f/1000) }
func ms(d time.Duration) string       { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
func mib(n int64) string              { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
func cpuOf(r rate) time.Duration      { return r.cpu }
func ratio(figure, of float64) string { return fmt.Sprintf("%.2f", figure/of) }
func micros(d time.Duration) string   { return fmt.Sprintf("%d µs", d.Microseconds()) }
func spread[T any](all []T, of func(T) float64) string {
	low, high := of(all[0]), of(all[0])
	for _, x := range all {
		low, high = min(low, of(x)), max(high, of(x))
	}
	return fmt.Sprintf("%.1f–%.1f", low/1000, high/1000)
}

// print writes the table and tells whether every target was met.
func (m *measured) print(w io.Writer) bool {
	var rows []row
	if !m.options.hooksOnly && !m.options.signInsOnly {
		rows = m.baseRows()
		for i, e := range m.engines {
			rows = append(rows, m.engineRows(e, i == 0)...)
		}
		rows = append(rows, m.observed.rows()...)
	}
	for _, e := range m.engines {
		if !m.options.hooksOnly {
			rows = append(rows, e.signInRow())
			rows = append(rows, e.mailRows()...)
		}
		if !m.options.signInsOnly {
			rows = append(rows, e.deliveryRows()...)
		}
	}
	rows = append(rows, m.careRows()...)
	rows = append(rows, row{what: "size of the binary (CGO_ENABLED=0)", figure: mib(m.binarySize)})
	fmt.Fprintf(w, "%s\n\n", m.machine)
	fmt.Fprintf(w, "Other programs took %.0f %% of the machine's time under the loads.\n\n", 100*m.others)
	fmt.Fprintf(w, "Medians of %d interleaved rounds; loads of %s over %d keep-alive connections; %d starts.\n\n",
		m.options.rounds, m.options.each, m.options.conns, m.options.starts)
	writeTable(w, rows)
	return !slices.ContainsFunc(rows, func(r row) bool { return r.verdict == miss })
}

// printCare is print for the accounts alone.
func (m *measured) printCare(w io.Writer) bool {
	rows := m.careRows()
	fmt.Fprintf(w, "%s\n\n", m.machine)
	writeTable(w, rows)
	return !slices.ContainsFunc(rows, func(r row) bool { return r.verdict == miss })
}

// printBoards is print for the dashboard alone.
func (m *measured) printBoards(w io.Writer) bool {
	var rows []row
	for _, f := range m.boards {
		rows = append(rows, f.rows()...)
	}
	fmt.Fprintf(w, "%s\n\n", m.machine)
	writeTable(w, rows)
	return !slices.ContainsFunc(rows, func(r row) bool { return r.verdict == miss })
}

func (m *measured) careRows() (rows []row) {
	for _, f := range m.care {
		rows = append(rows, f.rows()...)
	}
	return rows
}

func writeTable(w io.Writer, rows []row) {
	cells := [][5]string{{"what", "target", "figure", "beside", ""}}
	for _, r := range rows {
		cells = append(cells, [5]string{r.what, r.target, r.figure, r.beside, r.verdict.String()})
	}
	var width [5]int
	for _, c := range cells {
		for i, s := range c {
			width[i] = max(width[i], len([]rune(s)))
		}
	}
	for n, c := range cells {
		for i, s := range c {
			fmt.Fprintf(w, "| %s%s ", s, strings.Repeat(" ", width[i]-len([]rune(s))))
		}
		fmt.Fprintln(w, "|")
		if n == 0 {
			for i := range c {
				fmt.Fprintf(w, "|%s", strings.Repeat("-", width[i]+2))
			}
			fmt.Fprintln(w, "|")
		}
	}
}

// baseRows are what the machine can do at all.
func (m *measured) baseRows() []row {
	rows := []row{
		{what: "bare handler, POST JSON", figure: count(median(m.bareCreate, perSecond)), beside: micros(median(m.bareCreate, cpuOf)) + " CPU each"},
		{what: "bare handler, GET JSON", figure: count(median(m.bareGet, perSecond)), beside: micros(median(m.bareGet, cpuOf)) + " CPU each"},
		{what: "bare durable insert, group commit, SQLite", figure: count(median(m.insert, same[float64]))},
		{what: "bare TLS handshakes of one mailbox, client's CPU", figure: ms(m.tls())},
		{what: "the same with IMAP and SMTP login, client's CPU", figure: ms(m.login())},
	}
	return rows
}

func (m *measured) tls() time.Duration {
	return median(m.mail, func(r mailReport) time.Duration { return r.TLS })
}

func (m *measured) login() time.Duration {
	return median(m.mail, func(r mailReport) time.Duration { return r.Login })
}

// engineRows are a server's. Targets hold for the default database; the other is quoted beside it.
func (m *measured) engineRows(e *engineFigures, judged bool) []row {
	on := e.name + ": "
	create, page := median(e.create, perSecond), median(e.page, perSecond)
	bare, bareGet, insert := median(m.bareCreate, perSecond), median(m.bareGet, perSecond), median(m.insert, same[float64])
	cpu := median(e.journeys, func(j journeys) time.Duration { return j.cpu })
	own := cpu - m.tls()
	fresh, existing := median(e.fresh, same[time.Duration]), median(e.existing, same[time.Duration])
	rows := []row{
		{
			on + "durable link creation", "≥ 8.0k/s", count(create) + " (" + spread(e.create, perSecond) + ")",
			fmt.Sprintf("%s of bare handler, %s of bare insert; %s CPU each; p50 %s, p99 %s", ratio(create, bare), ratio(create, insert),
				micros(median(e.create, cpuOf)), ms(median(e.create, func(r rate) time.Duration { return r.p50 })), ms(median(e.create, func(r rate) time.Duration { return r.p99 }))),
			judge(create >= wantLinks),
		},
		{
			on + "first wizard page", "≥ 10.0k/s", count(page) + " (" + spread(e.page, perSecond) + ")",
			fmt.Sprintf("%s of bare handler; %s CPU each; p50 %s, p99 %s", ratio(page, bareGet),
				micros(median(e.page, cpuOf)), ms(median(e.page, func(r rate) time.Duration { return r.p50 })), ms(median(e.page, func(r rate) time.Duration { return r.p99 }))),
			judge(page >= wantPages),
		},
		{
			on + "whole journeys", "", fmt.Sprintf("%.0f/s", median(e.journeys, func(j journeys) float64 { return j.perSecond })),
			fmt.Sprintf("%d at once; p50 %s, p99 %s; %.1f requests, %.1f mail connections and %d KiB written each", atOnce, ms(median(e.journeys, func(j journeys) time.Duration { return j.p50 })),
				ms(median(e.journeys, func(j journeys) time.Duration { return j.p99 })), median(e.journeys, func(j journeys) float64 { return j.requests }),
				median(e.journeys, func(j journeys) float64 { return j.connections }), median(e.journeys, func(j journeys) int64 { return j.written })>>10),
			none,
		},
		{
			on + "server's CPU for a journey, our share", "≤ 5.0 ms", ms(own),
			fmt.Sprintf("%s with the TLS handshakes; %s without handshakes and logins", ms(cpu), ms(cpu-m.login())), judge(own <= wantOwnCPU),
		},
		{
			on + "journeys side by side, without an error", fmt.Sprint(e.sideN), fmt.Sprint(e.sideN),
			fmt.Sprintf("%.0f/s; the slowest in %s; resident %s after all loads", e.side.perSecond, ms(e.side.p99), mib(e.rssAfterLoad)), pass,
		},
		{on + "start to healthy, empty database", "≤ 100 ms", ms(fresh), "slowest " + ms(slices.Max(e.fresh)), judge(fresh <= wantStart)},
		{on + "start to healthy, existing database", "≤ 100 ms", ms(existing), "slowest " + ms(slices.Max(e.existing)), judge(existing <= wantStart)},
		{on + "idle memory (resident)", "≤ 60 MiB", mib(e.rssIdle), mib(e.rssStart) + " after the start", judge(max(e.rssIdle, e.rssStart) <= wantIdleRSS)},
		{on + "idle CPU", "", fmt.Sprintf("%.1f %%", 100*e.idleShare), "of one core", none},
	}
	if !judged {
		for i := range rows {
			rows[i].verdict, rows[i].target = none, ""
		}
	}
	return rows
}
