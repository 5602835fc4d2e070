package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// journeys are what came of many whole journeys.
type journeys struct {
	perSecond   float64
	p50, p99    time.Duration // from the wish for a link to the notification
	cpu         time.Duration // of the server, for one
	connections float64       // to the mail host, for one
	requests    float64       // to the server, for one
	written     int64         // bytes to the disk, by the server, for one
	writes      int64         // the server's writing system calls, for one
}

// traveller makes journeys through one server.
type traveller struct {
	stage  *stage
	server *process
	next   atomic.Int64 // the next person
	asked  atomic.Int64 // requests so far
}

// errMoreWanted is for the programmer: the stage has too few people.
var errMoreWanted = errors.New("more journeys than people")

// prepare lets one person of each domain go first, so that the settings of all domains are cached.
func (t *traveller) prepare(ctx context.Context) error {
	var d atomic.Int64
	_, err := t.many(ctx, t.stage.domains, 16, func() string { return firstPerson(int(d.Add(1) - 1)) })
	return err
}

// run makes n journeys, atOnce side by side.
func (t *traveller) run(ctx context.Context, n, atOnce int) (journeys, error) {
	if int(t.next.Load())+n > t.stage.people() {
		return journeys{}, errMoreWanted
	}
	connections, asked := t.stage.mail.Counts().Connections, t.asked.Load()
	before, err := t.server.cpu()
	if err != nil {
		return journeys{}, err
	}
	bytesBefore, callsBefore, err := t.server.written()
	if err != nil {
		return journeys{}, err
	}
	begin := time.Now()
	took, err := t.many(ctx, n, atOnce, func() string { return person(int(t.next.Add(1) - 1)) })
	if err != nil {
		return journeys{}, err
	}
	wall := time.Since(begin)
	after, err := t.server.cpu()
	if err != nil {
		return journeys{}, err
	}
	written, calls, err := t.server.written()
	if err != nil {
		return journeys{}, err
	}
	slices.Sort(took)
	return journeys{
		written: (written - bytesBefore) / int64(n), writes: (calls - callsBefore) / int64(n),
		perSecond: float64(n) / wall.Seconds(), p50: took[n/2], p99: took[n*99/100], cpu: (after - before) / time.Duration(n),
		connections: float64(t.stage.mail.Counts().Connections-connections) / float64(n),
		requests:    float64(t.asked.Load()-asked) / float64(n),
	}, t.stage.inbox.err()
}

func (t *traveller) many(ctx context.Context, n, atOnce int, who func() string) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	took := make([]time.Duration, n)
	failed := make([]error, atOnce)
	var next atomic.Int64
	var wg sync.WaitGroup
	for k := range atOnce {
		wg.Go(func() {
			c, err := dialWire(ctx, t.server.addr)
			if err != nil {
				failed[k] = err
				return
			}
			defer c.conn.Close()
			c.keepCookie = true
			for {
				i := int(next.Add(1) - 1)
				if i >= n {
					return
				}
				begin := time.Now()
				if err := t.one(ctx, c, who()); err != nil {
					failed[k] = err
					return
				}
				took[i] = time.Since(begin)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(failed...); err != nil {
		return nil, fmt.Errorf("journeys: %w", err)
	}
	return took, nil
}

// flowAnswer is what of a flow a journey looks at.
type flowAnswer struct {
	Version int64  `json:"version"`
	Status  string `json:"status"`
	Step    struct {
		ID     string          `json:"id"`
		Kind   string          `json:"kind"`
		PollMS int64           `json:"poll_ms"`
		Errors json.RawMessage `json:"errors"`
	} `json:"step"`
	Result *struct {
		AccountID string `json:"account_id"`
		State     string `json:"state"`
	} `json:"result"`
}

// one is a whole journey: the backend asks for a link, the end user opens the page, types address
// and password, and comes to the end; the backend is told.
func (t *traveller) one(ctx context.Context, c *wire, email string) error {
	path, told, err := t.link(c)
	if err != nil {
		return err
	}
	c.cookie = ""
	status, body, err := c.do(get(t.server.addr, path, "Accept: text/html", "Accept-Language: en"))
	if err != nil || status != 200 || !bytes.Contains(body, []byte(firstStep)) {
		return errors.Join(err, fmt.Errorf("the page: %d %.200s", status, body))
	}
	t.asked.Add(2)
	flow, err := t.answer(c, path, 0, "start", nil)
	for steps := 0; err == nil && flow.Status != "completed"; steps++ {
		switch {
		case steps > 2000:
			return fmt.Errorf("no end: %+v", flow)
		case flow.Status != "in_progress":
			return fmt.Errorf("%s ended: %+v %s", email, flow, flow.Step.Errors)
		case flow.Step.Kind == "wait":
			time.Sleep(time.Duration(flow.Step.PollMS) * time.Millisecond) // as the page's script does
			flow, err = t.ask(c, get(t.server.addr, path+"/flow", "Accept: application/json", "Cookie: "+c.cookie))
		case len(flow.Step.Errors) > 2:
			return fmt.Errorf("%s at %s: %s", email, flow.Step.ID, flow.Step.Errors)
		case flow.Step.ID == "imap.email":
			flow, err = t.answer(c, path, flow.Version, "submit", map[string]string{"email": email})
		case flow.Step.ID == "imap.password":
			flow, err = t.answer(c, path, flow.Version, "submit", map[string]string{"password": mailPassword})
		default:
			return fmt.Errorf("%s at an unexpected step: %+v", email, flow)
		}
	}
	if err != nil {
		return err
	}
	select {
	case n := <-told:
		if n.Status != "CREATION_SUCCESS" || n.AccountID != flow.Result.AccountID || flow.Result.State != "new" {
			return fmt.Errorf("told %+v of %+v", n, *flow.Result)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("not notified of %s: %w", email, ctx.Err())
	}
}

// firstStep is on the first page of every link, and on no other.
const firstStep = `data-step="link.start"`

func (t *traveller) link(c *wire) (path string, told <-chan notice, err error) {
	body := fmt.Sprintf(`{"type":"create","providers":["IMAP"],"expiresOn":%q,"notify_url":%q,"success_redirect_url":"https://app.example/done","name":"user_1234"}`,
		expiry(), t.stage.inbox.url)
	status, raw, err := c.do(request("POST", t.server.addr, "/v1/hosted/accounts/link", []byte(body), "X-API-KEY: "+t.stage.apiKey))
	if err != nil {
		return "", nil, err
	}
	var made struct{ ID, URL string }
	if status != 201 {
		return "", nil, fmt.Errorf("no link: %d %.300s", status, raw)
	}
	if err := json.Unmarshal(raw, &made); err != nil {
		return "", nil, err
	}
	u, err := url.Parse(made.URL)
	if err != nil {
		return "", nil, err
	}
	return u.Path, t.stage.inbox.expect(made.ID), nil
}

func (t *traveller) answer(c *wire, path string, version int64, action string, values map[string]string) (flowAnswer, error) {
	if values == nil {
		values = map[string]string{}
	}
	body, err := json.Marshal(map[string]any{"version": version, "action": action, "values": values})
	if err != nil {
		return flowAnswer{}, err
	}
	return t.ask(c, request("POST", t.server.addr, path+"/flow", body, "Accept: application/json", "Cookie: "+c.cookie))
}

func (t *traveller) ask(c *wire, req []byte) (f flowAnswer, err error) {
	t.asked.Add(1)
	status, raw, err := c.do(req)
	if err != nil {
		return f, err
	}
	if status != 200 {
		return f, fmt.Errorf("flow: %d %.300s", status, raw)
	}
	return f, json.Unmarshal(raw, &f)
}
