package idp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Visit opens an authorize URL as a browser would whose person is not asked (Knobs.Auto), and returns
// the query with which it is sent back. It goes nowhere else.
func (s *Server) Visit(ctx context.Context, authorizeURL string) (url.Values, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, authorizeURL, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("idp: %w", err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("idp: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusFound {
		page, _ := io.ReadAll(io.LimitReader(resp.Body, 300)) // only to be shown
		return nil, fmt.Errorf("idp: the browser was not sent back: %s: %s", resp.Status, page)
	}
	to, err := resp.Location()
	if err != nil {
		return nil, errors.New("idp: the browser was sent nowhere")
	}
	return to.Query(), nil
}
