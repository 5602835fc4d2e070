package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"time"
)

// Client calls Latchkey's API with an application's key.
type Client struct {
	Base string
	Key  string
	HTTP *http.Client
}

const callTimeout = 30 * time.Second

// call sends body as JSON and decodes the answer into out.
func (c Client) call(ctx context.Context, method, path string, body, out any) error {
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.Base+path, payload)
	if err != nil {
		return err
	}
	req.Header.Set("X-API-KEY", c.Key)
	req.Header.Set("Content-Type", "application/json")
	return do(c.HTTP, req, out)
}

func do(client *http.Client, req *http.Request, out any) error {
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return err
	}
	if res.StatusCode >= http.StatusBadRequest {
		return refusal{req.Method, res.StatusCode, raw}
	}
	return json.Unmarshal(raw, out)
}

// refusal is an answer that is an error. The path may hold a link's token: it stays out of what is
// printed.
type refusal struct {
	method string
	status int
	body   []byte
}

func (r refusal) Error() string {
	return fmt.Sprintf("%s: %d %s: %s", r.method, r.status, http.StatusText(r.status), r.body)
}

// linkRequest asks for a link.
type linkRequest struct {
	Type          string   `json:"type"`
	Providers     []string `json:"providers,omitempty"`
	Reconnect     string   `json:"reconnect_account,omitempty"`
	ExpiresOn     string   `json:"expiresOn"`
	Name          string   `json:"name"`
	NotifyURL     string   `json:"notify_url"`
	SuccessURL    string   `json:"success_redirect_url"`
	FailureURL    string   `json:"failure_redirect_url"`
	NotifyFailure bool     `json:"notify_failures"`
}

type createdLink struct {
	ID  string `json:"id"`
	URL string `json:"url"`
}

type linkState struct {
	Status    string  `json:"status"`
	AccountID *string `json:"account_id"`
}

type accountState struct {
	ID               string          `json:"id"`
	Name             string          `json:"name"`
	Type             string          `json:"type"`
	Status           string          `json:"status"`
	Reason           string          `json:"reason"`
	Action           string          `json:"action"`
	Identity         string          `json:"identity"`
	ConnectionParams json.RawMessage `json:"connection_params"`
}

// flowState is what a JSON client of a link's flow sees.
type flowState struct {
	Version int64  `json:"version"`
	Status  string `json:"status"`
	Step    struct {
		Kind     string `json:"kind"`
		ID       string `json:"id"`
		Title    string `json:"title"`
		Progress []struct {
			State string `json:"state"`
			Text  string `json:"text"`
		} `json:"progress"`
		PollMS  int64  `json:"poll_ms"`
		Payload string `json:"payload"`
		Errors  []struct {
			Field   string `json:"field"`
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"errors"`
		Fields []struct {
			Name  string `json:"name"`
			Value any    `json:"value"`
		} `json:"fields"`
	} `json:"step"`
	Result *struct {
		AccountID   string `json:"account_id"`
		State       string `json:"state"`
		RedirectURL string `json:"redirect_url"`
	} `json:"result"`
}

// field is what a field of the step holds.
func (f flowState) field(name string) any {
	for _, x := range f.Step.Fields {
		if x.Name == name {
			return x.Value
		}
	}
	return "nothing"
}

// visitor is an end user without a browser: a cookie jar and the flow as JSON.
type visitor struct {
	http *http.Client
	url  string // the link
	base string
}

func newVisitor(base, link string) (*visitor, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	return &visitor{http: &http.Client{Jar: jar, Timeout: callTimeout}, url: link + "/flow", base: base}, nil
}

func (v *visitor) look(ctx context.Context) (flowState, error) {
	var out flowState
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.url, http.NoBody)
	if err != nil {
		return out, err
	}
	req.Header.Set("Accept", "application/json")
	return out, do(v.http, req, &out)
}

func (v *visitor) answer(ctx context.Context, version int64, action string, values map[string]any) (flowState, error) {
	var out flowState
	if values == nil {
		values = map[string]any{}
	}
	raw, err := json.Marshal(map[string]any{"version": version, "action": action, "values": values})
	if err != nil {
		return out, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.url, bytes.NewReader(raw))
	if err != nil {
		return out, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/json")
	return out, do(v.http, req, &out)
}
