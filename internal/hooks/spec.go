package hooks

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/errs"
)

// Limits of an endpoint.
const (
	MaxEndpointName     = 100
	MaxPatterns         = 50
	MaxPattern          = 64
	MaxEndpointAccounts = 250
	MaxHeaders          = 20
	MaxHeaderKey        = 100
	MaxHeaderValue      = 4096
	// MaxHeaderBytes is for all of them together: few servers take more than 8 KiB of headers.
	MaxHeaderBytes = 6 << 10
)

// EndpointSpec is what an application says of an endpoint. What is nil stays as it is. The address
// has been checked as an address by whoever read it.
type EndpointSpec struct {
	Name     *string
	URL      *string
	Events   *[]string
	Accounts *[]latchkey.AccountID
	Headers  *[]latchkey.Header
	Payload  *string
	Enabled  *bool
	Lenient  bool
}

// Apply makes the endpoint that was into what the spec says, or tells everything that is wrong.
func (s EndpointSpec) Apply(e latchkey.Endpoint, now time.Time) (latchkey.Endpoint, []errs.FieldError) {
	var problems []errs.FieldError
	fail := func(field string, code errs.Code, message string) {
		problems = append(problems, errs.FieldError{Field: field, Code: code, Message: message})
	}
	if s.Name != nil {
		e.Name = *s.Name
	}
	if s.URL != nil {
		if *s.URL != e.URL {
			e.FailingSince = time.Time{}
		}
		e.URL = *s.URL
	}
	if e.URL == "" {
		fail("request_url", errs.CodeRequired, "This field is required.")
	}
	if s.Payload != nil {
		e.Payload = latchkey.PayloadKind(*s.Payload)
		if e.Payload != latchkey.PayloadNative && e.Payload != latchkey.PayloadAccountStatus {
			fail("payload", errs.CodeInvalidValue, "This must be native or account_status.")
		}
	}
	if s.Lenient {
		e.Lenient = true
	}
	if s.Accounts != nil {
		e.Accounts = slices.Clone(*s.Accounts)
	}
	if s.Enabled != nil {
		switch {
		case *s.Enabled:
			e.Paused, e.PausedAt = "", time.Time{}
		case e.Paused == "":
			e.Paused, e.PausedAt = latchkey.PausedByOwner, now.Truncate(time.Millisecond)
		}
	}
	s.applyEvents(&e, fail)
	if s.Headers != nil {
		e.Headers = checkHeaders(*s.Headers, fail)
	}
	return e, problems
}

func (s EndpointSpec) applyEvents(e *latchkey.Endpoint, fail func(field string, code errs.Code, message string)) {
	if s.Events != nil {
		e.Events = slices.Clone(*s.Events)
		for i, p := range e.Events {
			if !latchkey.KnownPattern(p) {
				fail("events["+strconv.Itoa(i)+"]", errs.CodeInvalidValue, "There are no events of this type. Patterns are *, a noun with .*, or one type.")
			}
		}
	}
	if len(e.Events) == 0 && e.Payload == latchkey.PayloadAccountStatus {
		e.Events = []string{"account.*"}
	}
	switch {
	case len(e.Events) == 0:
		fail("events", errs.CodeRequired, `This field is required. Send ["*"] for all events.`)
	case e.Payload == latchkey.PayloadAccountStatus && !slices.ContainsFunc(latchkey.EventTypes(), e.MayWant):
		fail("events", errs.CodeInvalidValue, "The account_status payload has messages for account.connected, .reconnected, .status_changed and .deleted only.")
	}
}

// ours are headers that deliveries have from us, or that belong to the connection (RFC 9110 §7.6.1).
var ours = []string{ //nolint:gochecknoglobals // constant
	"Host", "Content-Length", "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect", "Content-Encoding", "Accept-Encoding", "Http2-Settings",
}

// checkHeaders reads the application's own headers. No message holds a value: they are secrets.
func checkHeaders(in []latchkey.Header, fail func(field string, code errs.Code, message string)) []latchkey.Header {
	var out []latchkey.Header
	size := 0
	have := map[string]bool{}
	for i, x := range in {
		at := "headers[" + strconv.Itoa(i) + "]"
		key := http.CanonicalHeaderKey(x.Key)
		switch {
		case !token(x.Key) || len(x.Key) > MaxHeaderKey:
			fail(at+".key", errs.CodeInvalidValue, "This is not the name of a header.")
			continue
		case slices.Contains(ours, key) || strings.HasPrefix(key, "Webhook-"):
			fail(at+".key", errs.CodeReserved, "This header is set by us or belongs to the connection. Choose another.")
			continue
		case have[key]:
			fail(at+".key", errs.CodeInvalidValue, "This header is there twice.")
			continue
		}
		have[key] = true
		if strings.ContainsFunc(x.Value, func(r rune) bool { return r != '\t' && (r < ' ' || r > '~') }) || len(x.Value) > MaxHeaderValue {
			fail(at+".value", errs.CodeInvalidValue, "A value has printable ASCII characters only, "+strconv.Itoa(MaxHeaderValue)+" at most.")
			continue
		}
		if key == "Content-Type" {
			media, _, _ := strings.Cut(strings.ToLower(x.Value), ";")
			if strings.TrimSpace(media) != "application/json" {
				fail(at+".value", errs.CodeInvalidValue, "Deliveries are application/json.")
			}
			continue // they are in any case
		}
		size += len(x.Key) + len(x.Value)
		out = append(out, latchkey.Header{Key: x.Key, Value: x.Value})
	}
	if size > MaxHeaderBytes {
		fail("headers", errs.CodeTooLong, "Names and values may have "+strconv.Itoa(MaxHeaderBytes)+" characters together.")
	}
	return out
}

// token is RFC 9110 §5.6.2.
func token(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	})
}
