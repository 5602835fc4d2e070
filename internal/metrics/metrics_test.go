package metrics_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"latchkey/internal/metrics"
)

// database is asked as the real one is, and counts how often.
type database struct {
	accounts, jobs int
	fail           error
}

func (d *database) Connections() metrics.Connections {
	return metrics.Connections{InUse: 1, Idle: 2, Max: 5, Waits: 3, Waited: 4 * time.Second}
}

func (d *database) Jobs(context.Context) (map[string]int64, error) {
	d.jobs++
	return map[string]int64{"available": 7}, d.fail
}

func (d *database) Accounts(context.Context) ([]metrics.AccountCount, error) {
	d.accounts++
	return []metrics.AccountCount{{Provider: "IMAP", Status: "OK", Count: 100_000}}, d.fail
}

func (d *database) Outbox(context.Context) (metrics.Outbox, error) {
	return metrics.Outbox{Queued: 12, Oldest: 90 * time.Second}, d.fail
}

func (d *database) Lanes() metrics.Lanes { return metrics.Lanes{Working: 1, Paused: 2, Warm: 3} }

// everything counts one of each.
func everything(m *metrics.Metrics) {
	m.Request("POST /v1/links", 201, time.Millisecond)
	m.Request("", 404, time.Millisecond)
	m.Link("created", 1)
	m.Step("IMAP", "imap.password", "")
	m.Step("IMAP", "imap.password", "wrong_password")
	m.Flow("IMAP", "failed", "imap.verify", "timed_out")
	m.Work("IMAP", "done", time.Second)
	m.Check("IMAP", "OK")
	m.Refresh("GOOGLE", "renewed")
	m.Delivery("delivered", time.Millisecond, time.Millisecond)
	m.Delivery("retried", -1, time.Millisecond)
	m.Job("deliver", "done", time.Millisecond)
	m.Mail("own", "signin", "accepted", "", time.Second, time.Millisecond)
	m.Mail("default", "signin", "retried", "rate_limited", -1, time.Millisecond)
	m.Seal("open", errors.New("no"))
	m.Egress("webhook", "answered")
}

func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	srv := httptest.NewServer(m.Handler())
	defer srv.Close()
	res, err := http.Get(srv.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res.StatusCode, err)
	}
	return string(body)
}

func TestWhatPrometheusReads(t *testing.T) {
	t.Parallel()
	m := metrics.New(metrics.Build{Version: "1.2.3", Engine: "sqlite"})
	m.Watch(&database{}, time.Now)
	everything(m)
	page := scrape(t, m)
	for _, line := range []string{
		`latchkey_http_requests_total{route="POST /v1/links",status="201"} 1`,
		`latchkey_http_requests_total{route="none",status="404"} 1`,
		`latchkey_links_total{outcome="created"} 1`,
		`latchkey_flow_steps_total{outcome="failed",provider="IMAP",step="imap.password"} 1`,
		`latchkey_flow_failures_total{code="wrong_password",provider="IMAP",step="imap.password"} 1`,
		`latchkey_flow_failures_total{code="timed_out",provider="IMAP",step="imap.verify"} 1`,
		`latchkey_flows_total{outcome="failed",provider="IMAP"} 1`,
		`latchkey_accounts{provider="IMAP",status="OK"} 100000`,
		`latchkey_jobs{state="available"} 7`,
		`latchkey_jobs{state="running"} 0`,
		`latchkey_delivery_queue_seconds_count 1`,
		`latchkey_delivery_seconds_count 2`,
		`latchkey_mail_attempts_total{code="none",kind="signin",lane="own",outcome="accepted"} 1`,
		`latchkey_mail_attempts_total{code="rate_limited",kind="signin",lane="default",outcome="retried"} 1`,
		`latchkey_mail_seconds_count{lane="own",outcome="accepted"} 1`,
		`latchkey_mail_queue_seconds_count 1`,
		`latchkey_mails_queued 12`,
		`latchkey_mail_oldest_seconds 90`,
		`latchkey_mail_lanes{state="paused"} 2`,
		`latchkey_mail_connections_warm 3`,
		`latchkey_seals_total{operation="open",outcome="failed"} 1`,
		`latchkey_database_connections{state="in_use"} 1`,
	} {
		if !strings.Contains(page, line+"\n") {
			t.Errorf("there is no %s", line)
		}
	}
	if !strings.Contains(page, `latchkey_build_info{engine="sqlite",go_version="go1`) {
		t.Error("the build is not named")
	}
}

// The database is asked no more often than its answers age, and a failure leaves a gap.
func TestScrapesAreCheap(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	d := &database{}
	m := metrics.New(metrics.Build{})
	m.Watch(d, func() time.Time { return now })
	for range 10 {
		scrape(t, m)
	}
	if d.accounts != 1 || d.jobs != 1 {
		t.Errorf("ten scrapes asked %d times for accounts, %d times for jobs", d.accounts, d.jobs)
	}
	now = now.Add(6 * time.Second)
	scrape(t, m)
	if d.accounts != 1 || d.jobs != 2 {
		t.Errorf("after six seconds: %d, %d", d.accounts, d.jobs)
	}
	now = now.Add(time.Hour)
	d.fail = errors.New("gone")
	page := scrape(t, m)
	if strings.Contains(page, "latchkey_accounts{") || !strings.Contains(page, "latchkey_scrape_failures_total 3") {
		t.Error("a failed question is answered with what was known")
	}
	d.fail = nil
	if page = scrape(t, m); !strings.Contains(page, "latchkey_accounts{") {
		t.Error("it does not ask again")
	}
}

// TestEveryMetricIsDocumented compares with docs/operate.md, both ways.
func TestEveryMetricIsDocumented(t *testing.T) {
	t.Parallel()
	m := metrics.New(metrics.Build{})
	m.Watch(&database{}, time.Now)
	everything(m)
	doc, err := os.ReadFile("../../docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^# TYPE (latchkey_\w+) `).FindAllStringSubmatch(scrape(t, m), -1) {
		there[match[1]] = true
		if !strings.Contains(string(doc), "| `"+match[1]+"`") {
			t.Errorf("docs/operate.md has no line for %s", match[1])
		}
	}
	for _, match := range regexp.MustCompile("(?m)^\\| `(latchkey_\\w+)`").FindAllStringSubmatch(string(doc), -1) {
		if !there[match[1]] {
			t.Errorf("docs/operate.md names %s, which there is not", match[1])
		}
	}
}
