package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"slices"
	"testing"
	"time"
)

// flow is what a JSON client of a link sees.
type flow struct {
	Object  string
	ID      string
	Version int64
	Status  string
	Step    struct {
		Kind, ID, Title, Text string
		Payload               string
		URL                   string
		Actions               []string
		Poll                  int64 `json:"poll_ms"`
		Fields                []struct {
			Name, Type, Value, Label string
			Required                 bool
		}
		Options  []struct{ ID, Label string }
		Errors   []struct{ Field, Code, Message string }
		Verdicts []struct {
			Source, Code, Message string
			OK                    bool
		}
		Progress []struct{ Code, State, Text string }
	}
	Result *struct {
		AccountID   string `json:"account_id"`
		State       string
		RedirectURL string `json:"redirect_url"`
	}
	Failure *struct {
		Code, Message string
		RedirectURL   string `json:"redirect_url"`
	}
	Error *struct{ Code, Message string }

	status int // of the answer
	raw    []byte
}

// field is the value of a field, and whether the step has it.
func (f flow) field(name string) (value string, there bool) {
	for _, x := range f.Step.Fields {
		if x.Name == name {
			return x.Value, true
		}
	}
	return "", false
}

// wrong lists the errors as "field:code".
func (f flow) wrong() []string {
	var out []string
	for _, e := range f.Step.Errors {
		out = append(out, e.Field+":"+e.Code)
	}
	return out
}

// visitor is an end user whose browser speaks JSON: a cookie jar and a link.
type visitor struct {
	http *http.Client
	url  string
	// patient visitors try again where the server is away, as people do.
	patient bool
	// trace is what happened, for when it should not have.
	trace []string
}

// visit opens a link in a fresh browser. dial, if given, says which replica to speak to.
func (in *install) visit(l link, dial ...func() string) *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		in.t.Fatal(err)
	}
	var to func() string // nil: the base URL says
	if len(dial) > 0 {
		to = dial[0]
	}
	// Either dialect's token opens at /c/.
	base := in.env["LATCHKEY_BASE_URL"]
	return &visitor{url: base + "/c/" + l.token + "/flow", http: &http.Client{Jar: jar, Transport: listening{in.seen, transport(to)}, Timeout: 40 * time.Second}}
}

func (v *visitor) send(ctx context.Context, method string, body any) (flow, error) {
	var f flow
	payload := []byte(nil)
	if body != nil {
		var err error
		if payload, err = json.Marshal(body); err != nil {
			return f, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, v.url, bytes.NewReader(payload))
	if err != nil {
		return f, err
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := send(v.http, req)
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(res.body, &f); err != nil {
		return f, fmt.Errorf("status %d: %w: %s", res.status, err, res.body)
	}
	f.status, f.raw = res.status, res.body
	return f, nil
}

func (v *visitor) look(ctx context.Context) (flow, error) {
	return v.send(ctx, http.MethodGet, nil)
}

func (v *visitor) answer(ctx context.Context, version int64, action string, values fields) (flow, error) {
	if values == nil {
		values = fields{}
	}
	return v.send(ctx, http.MethodPost, fields{"version": version, "action": action, "values": values})
}

// journeyTime bounds one visitor's journey, with crashes on the way and hundreds beside it.
const journeyTime = 3 * time.Minute

// answers is what a visitor types, by step.
type answers map[string]fields

// mailbox answers the questions about a mailbox whose servers are found.
func mailbox(email, password string) answers {
	return answers{"flow.provider": {"provider": "IMAP"}, "imap.email": {"email": email}, "imap.password": {"password": password}}
}

// until goes on until done says so, or nothing more can be answered.
func (v *visitor) until(ctx context.Context, a answers, done func(flow) bool) (flow, error) {
	ctx, cancel := context.WithTimeout(ctx, journeyTime)
	defer cancel()
	f, err := v.look(ctx)
	for {
		v.note(f, err)
		pause := time.Duration(0)
		switch {
		case ctx.Err() != nil:
			return f, fmt.Errorf("no end: %w; %q", ctx.Err(), v.trace)
		case err != nil || f.status >= http.StatusInternalServerError || f.status == http.StatusTooManyRequests:
			if !v.patient {
				return f, fmt.Errorf("%w; %q", cmpErr(err, f), v.trace)
			}
			pause = 200 * time.Millisecond
			f.Step.Kind = "wait"
		case done(f):
			return f, nil
		}
		switch {
		case f.Step.Kind == "wait", f.Step.Kind == "display" && f.Status == "in_progress":
			if pause == 0 {
				pause = time.Duration(max(20, min(f.Step.Poll, 250))) * time.Millisecond
			}
			if err = sleep(ctx, pause); err == nil {
				f, err = v.look(ctx)
			}
		case f.Status == "created" && f.Step.Kind == "notice":
			f, err = v.answer(ctx, f.Version, "start", nil)
		case a[f.Step.ID] != nil:
			f, err = v.answer(ctx, f.Version, "submit", a[f.Step.ID])
		case v.patient && slices.Contains(f.Step.Actions, "back"):
			// A look-up that a crash cut short may have found nothing.
			f, err = v.answer(ctx, f.Version, "back", nil)
		default:
			return f, fmt.Errorf("nothing to answer to %s (%s): %s; %q", f.Step.ID, f.Status, f.raw, v.trace)
		}
	}
}

func cmpErr(err error, f flow) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("status %d: %s", f.status, f.raw)
}

func (v *visitor) note(f flow, err error) {
	if err != nil {
		v.trace = append(v.trace, err.Error())
		return
	}
	entry := fmt.Sprintf("%d %s v%d %s %v", f.status, f.Step.ID, f.Version, f.Status, f.wrong())
	if len(v.trace) == 0 || v.trace[len(v.trace)-1] != entry {
		v.trace = append(v.trace, entry)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func completed(f flow) bool { return f.Status == "completed" && f.Result != nil }

// connect goes the whole way and returns how it ended.
func (v *visitor) connect(ctx context.Context, email, password string) (flow, error) {
	return v.until(ctx, mailbox(email, password), completed)
}

// mustConnect is connect for what has to work.
func (v *visitor) mustConnect(t *testing.T, email, password string) flow {
	t.Helper()
	f, err := v.connect(t.Context(), email, password)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// at goes on until a step is asked.
func (v *visitor) at(t *testing.T, a answers, step string) flow {
	t.Helper()
	f, err := v.until(t.Context(), a, func(f flow) bool { return f.Step.ID == step && f.Step.Kind != "wait" })
	if err != nil {
		t.Fatalf("on the way to %s: %v", step, err)
	}
	return f
}

// submit answers, and waits until what was answered has been tried.
func (v *visitor) submit(t *testing.T, f flow, values fields) flow {
	t.Helper()
	f, err := v.answer(t.Context(), f.Version, "submit", values)
	if err != nil {
		t.Fatal(err)
	}
	return v.settle(t, f)
}

// settle waits for the end of a wait.
func (v *visitor) settle(t *testing.T, f flow) flow {
	t.Helper()
	if f.Step.Kind != "wait" {
		return f
	}
	f, err := v.until(t.Context(), nil, func(f flow) bool { return f.Step.Kind != "wait" })
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f flow) has(field, code string) bool { return slices.Contains(f.wrong(), field+":"+code) }
