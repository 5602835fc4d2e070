package oauthflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"latchkey/internal/connector"
)

const (
	// maxAnswer is what a provider may answer. A token with all its claims has a few kilobytes.
	maxAnswer      = 1 << 20
	defaultTimeout = 15 * time.Second
)

var errTooLarge = errors.New("oauthflow: the provider's answer is too large")

// HTTP reaches a provider: no answer is larger than maxAnswer or slower than the timeout, and a
// redirect is an answer like any other, since it would carry secrets elsewhere.
type HTTP struct {
	client  *http.Client
	timeout time.Duration
}

func newHTTP(c *http.Client, timeout time.Duration) *HTTP {
	own := *c
	if timeout == 0 {
		timeout = own.Timeout
	}
	if timeout == 0 {
		timeout = defaultTimeout
	}
	next := own.Transport
	own.Transport = capped{next}
	own.Timeout = timeout
	own.Jar = nil
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &HTTP{client: &own, timeout: timeout}
}

// context puts the client where x/oauth2 and go-oidc look for it.
func (h *HTTP) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, h.client)
}

type capped struct{ next http.RoundTripper }

func (c capped) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.next == nil {
		return nil, errors.New("oauthflow: no transport was given")
	}
	resp, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &cappedBody{ReadCloser: resp.Body, left: maxAnswer}
	return resp, nil
}

type cappedBody struct {
	io.ReadCloser
	left int
}

func (b *cappedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	if len(p) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= n
	return n, err
}

// Answer is what a provider's API said.
type Answer struct {
	Status int
	Body   []byte
}

// Get asks with a bearer token (none if empty).
func (h *HTTP) Get(ctx context.Context, address, bearer string) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return Answer{}, withoutURL(err)
	}
	return h.do(req, bearer)
}

// PostForm sends a form.
func (h *HTTP) PostForm(ctx context.Context, address string, form url.Values) (Answer, error) {
	req, err := formRequest(ctx, address, form)
	if err != nil {
		return Answer{}, err
	}
	return h.do(req, "")
}

// as is a PostForm by a client that gives its name and secret in the header (RFC 6749 §2.3.1).
func (h *HTTP) as(app connector.App) func(context.Context, string, url.Values) (Answer, error) {
	return func(ctx context.Context, address string, form url.Values) (Answer, error) {
		req, err := formRequest(ctx, address, form)
		if err != nil {
			return Answer{}, err
		}
		req.SetBasicAuth(url.QueryEscape(app.ClientID), url.QueryEscape(app.ClientSecret))
		return h.do(req, "")
	}
}

func formRequest(ctx context.Context, address string, form url.Values) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, withoutURL(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req, nil
}

func (h *HTTP) do(req *http.Request, bearer string) (Answer, error) {
	req.Header.Set("Accept", "application/json")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return Answer{}, withoutURL(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return Answer{}, withoutURL(err)
	}
	return Answer{Status: resp.StatusCode, Body: body}, nil
}

// JSON decodes an answer of 200.
func (a Answer) JSON(into any) error {
	if a.Status != http.StatusOK {
		return fmt.Errorf("oauthflow: the provider answered %d", a.Status)
	}
	dec := json.NewDecoder(strings.NewReader(string(a.Body)))
	dec.UseNumber()
	if err := dec.Decode(into); err != nil {
		return errors.New("oauthflow: the provider's answer is not the JSON that it should be")
	}
	return nil
}

// withoutURL drops the address from an error: Instagram wants secrets in it.
func withoutURL(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("oauthflow: %s: %w", ue.Op, ue.Err)
	}
	return err
}
