package tracing

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Defaults of the OTLP exporter's specification.
const (
	defaultTimeout = 10 * time.Second
	maxTries       = 3
	tryPause       = time.Second
	maxAnswer      = 64 << 10
)

// uploader sends spans by OTLP over HTTP (OpenTelemetry Protocol 1.x, "OTLP/HTTP"). It implements
// otlptrace.Client.
type uploader struct {
	client  *http.Client
	url     string
	headers http.Header
	timeout time.Duration
	gzip    bool
}

// setting reads OTEL_EXPORTER_OTLP_TRACES_<name>, else OTEL_EXPORTER_OTLP_<name>.
func setting(name string) string {
	if v := os.Getenv("OTEL_EXPORTER_OTLP_TRACES_" + name); v != "" {
		return v
	}
	return os.Getenv("OTEL_EXPORTER_OTLP_" + name)
}

// newUploader reads the environment. Its errors quote no value: headers hold secrets, and so may URLs.
func newUploader(client *http.Client) (*uploader, error) {
	if p := setting("PROTOCOL"); p != "" && p != "http/protobuf" {
		return nil, errors.New("tracing: OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf, or be left out")
	}
	u := &uploader{client: client, timeout: defaultTimeout, headers: http.Header{}}
	endpoint := os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
	if endpoint == "" {
		// The common one is a base URL; the one for traces is taken as it is.
		endpoint = strings.TrimRight(os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT"), "/") + "/v1/traces"
	}
	parsed, err := url.Parse(endpoint)
	if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
		return nil, errors.New("tracing: OTEL_EXPORTER_OTLP_ENDPOINT must be http(s)://host[:port][/path]")
	}
	u.url = endpoint
	if ms := setting("TIMEOUT"); ms != "" {
		n, err := strconv.Atoi(ms)
		if err != nil || n <= 0 {
			return nil, errors.New("tracing: OTEL_EXPORTER_OTLP_TIMEOUT must be in milliseconds")
		}
		u.timeout = time.Duration(n) * time.Millisecond
	}
	switch setting("COMPRESSION") {
	case "gzip":
		u.gzip = true
	case "", "none":
	default:
		return nil, errors.New("tracing: OTEL_EXPORTER_OTLP_COMPRESSION must be gzip or none")
	}
	// W3C Baggage's form, with values percent-encoded.
	for pair := range strings.SplitSeq(setting("HEADERS"), ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok {
			continue
		}
		decoded, err := url.PathUnescape(strings.TrimSpace(value))
		if err != nil {
			return nil, errors.New("tracing: OTEL_EXPORTER_OTLP_HEADERS must be name=value,name=value with values percent-encoded")
		}
		u.headers.Set(strings.TrimSpace(name), decoded)
	}
	return u, nil
}

// Start implements otlptrace.Client.
func (u *uploader) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client.
func (u *uploader) Stop(context.Context) error {
	u.client.CloseIdleConnections()
	return nil
}

// UploadTraces implements otlptrace.Client. TracesData is ExportTraceServiceRequest on the wire, without
// the package that brings gRPC along.
func (u *uploader) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return err
	}
	if u.gzip {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := w.Write(body); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		body = b.Bytes()
	}
	for try := 1; ; try++ {
		again, err := u.send(ctx, body)
		if err == nil || !again || try == maxTries {
			return err
		}
		pause := time.NewTimer(tryPause << (try - 1))
		select {
		case <-ctx.Done():
			pause.Stop()
			return err
		case <-pause.C:
		}
	}
}

// send makes one try, and tells whether another is worth it.
func (u *uploader) send(ctx context.Context, body []byte) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, u.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.url, bytes.NewReader(body))
	if err != nil {
		return false, errors.New("tracing: the endpoint cannot be asked")
	}
	req.Header = u.headers.Clone()
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("User-Agent", "Latchkey")
	if u.gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	res, err := u.client.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the URL
		}
		return true, err
	}
	defer func() { _ = res.Body.Close() }() // its status is the answer
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	switch res.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		return false, nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		again = true
	}
	return again, fmt.Errorf("the collector answered with status %d", res.StatusCode)
}
