package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// api is an application's backend: it calls an installation with its key.
type api struct {
	in   *install
	base string
	key  string
	http *http.Client
}

func newAPI(in *install, base string) *api {
	return &api{in: in, base: base, key: in.key, http: &http.Client{
		Transport: listening{in.seen, transport(nil)}, Timeout: 40 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// source numbers the addresses that clients come from: the server's limits are per address.
//
//nolint:gochecknoglobals // shared by the tests of this process
var source atomic.Int64

// transport connects from a loopback address of its own. dial, if given, says where to.
func transport(dial func() string) *http.Transport {
	n := source.Add(1)
	d := &net.Dialer{Timeout: 10 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, byte(1+n>>16), byte(n>>8), byte(n))}}
	return &http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: 20 * time.Second, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dial != nil {
			addr = dial()
		}
		return d.DialContext(ctx, network, addr)
	}}
}

// response is an answer, read whole.
type response struct {
	status int
	header http.Header
	body   []byte
}

// text digs a string (or what JSON prints for another value) out of the answer: "errors.0.code".
func (r response) text(path string) string { return dig(r.body, path) }

func dig(body []byte, path string) string {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return "not JSON: " + string(body)
	}
	for _, k := range strings.Split(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[k]
		case []any:
			i := 0
			if _, err := fmt.Sscan(k, &i); err != nil || i >= len(x) {
				return ""
			}
			v = x[i]
		default:
			return ""
		}
	}
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	}
	out, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(out)
}

func send(client *http.Client, req *http.Request) (response, error) {
	res, err := client.Do(req)
	if err != nil {
		return response{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return response{res.StatusCode, res.Header, body}, err
}

// call sends body as JSON; header are pairs.
func (a *api) call(ctx context.Context, method, path string, body any, header ...string) (response, error) {
	var payload io.Reader = http.NoBody
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return response{}, err
		}
		payload = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, payload)
	if err != nil {
		return response{}, err
	}
	req.Header.Set("X-API-KEY", a.key)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return send(a.http, req)
}

// must is call for what has to work, with the status that it has to have.
func (a *api) must(t *testing.T, status int, method, path string, body any, header ...string) response {
	t.Helper()
	res, err := a.call(t.Context(), method, path, body, header...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	if res.status != status {
		t.Fatalf("%s %s answered %d, not %d: %s", method, path, res.status, status, res.body)
	}
	return res
}

// fields is a JSON object.
type fields map[string]any

// link is a created link.
type link struct{ id, url, token string }

func (a *api) linkOf(res response) (link, error) {
	l := link{id: res.text("id"), url: res.text("url")}
	u, err := url.Parse(l.url)
	if err != nil || l.url == "" {
		return l, errors.Join(err, fmt.Errorf("no link: %s", res.body))
	}
	l.token = strings.TrimPrefix(u.Path, "/c/")
	if data := u.Query().Get("data"); data != "" {
		l.token = data
	}
	a.in.seen.token(l.token)
	return l, nil
}

// link makes a link for an IMAP mailbox, with more or other fields.
func (a *api) link(t *testing.T, more ...fields) link {
	t.Helper()
	body := fields{"type": "create", "providers": []string{"IMAP"}, "name": "user_1234"}
	for _, m := range more {
		for k, v := range m {
			body[k] = v
		}
	}
	l, err := a.linkOf(a.must(t, http.StatusCreated, http.MethodPost, "/v1/hosted/accounts/link", body))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// check has an account checked, which must come out as status, and returns the account. An account
// that was checked a moment ago has to be waited for.
func (a *api) check(t *testing.T, account, status string) response {
	t.Helper()
	for {
		res, err := a.call(t.Context(), http.MethodPost, "/v1/accounts/"+account+"/check", nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.status == http.StatusTooManyRequests {
			wait, err := time.ParseDuration(res.header.Get("Retry-After") + "s")
			if err != nil {
				t.Fatalf("Retry-After: %v", err)
			}
			if err := sleep(t.Context(), wait); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if res.status != http.StatusOK || res.text("status") != status {
			t.Errorf("checked, the account is %d %s, not %s", res.status, res.body, status)
		}
		return res
	}
}

// accounts lists all accounts, over as many pages as there are.
func (a *api) accounts(t *testing.T) []map[string]any {
	t.Helper()
	var out []map[string]any
	for cursor := ""; ; {
		res := a.must(t, http.StatusOK, http.MethodGet, "/v1/accounts?limit=250&cursor="+url.QueryEscape(cursor), nil)
		var list struct {
			Items  []map[string]any
			Cursor *string
		}
		if err := json.Unmarshal(res.body, &list); err != nil {
			t.Fatal(err)
		}
		out = append(out, list.Items...)
		if list.Cursor == nil {
			return out
		}
		cursor = *list.Cursor
	}
}
