package oauthflow

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/oauth2"
)

// Problem is what is the matter. It is the last part of the step that tells the end user of it, or one
// of the problems below that have no step of their own.
type Problem string

// The problems.
const (
	ProblemNone         Problem = ""
	ProblemCancelled    Problem = "cancelled"
	ProblemAdminConsent Problem = "admin_consent"
	ProblemNotAssigned  Problem = "not_assigned"
	ProblemBlocked      Problem = "blocked"
	ProblemBrowser      Problem = "browser"
	ProblemWrongType    Problem = "wrong_type"
	ProblemAgain        Problem = "again"       // sign in once more
	ProblemUnavailable  Problem = "unavailable" // an outage
	ProblemRejected     Problem = "rejected"    // the credential is not accepted any more, or never was
	ProblemOffline      Problem = "offline"     // no refresh token came
	ProblemScopes       Problem = "scopes"
	ProblemWrongAccount Problem = "wrong_account"
	ProblemForged       Problem = "forged" // what came back is not what was asked for

	// The operator's client is not right.
	ProblemClientID      Problem = "client_id"
	ProblemClientSecret  Problem = "client_secret"
	ProblemSecretExpired Problem = "client_secret_expired"
	ProblemRedirectURI   Problem = "redirect_uri"
	ProblemPermissions   Problem = "permissions"
	ProblemTenant        Problem = "tenant"
)

// OfApp tells whether a problem is the operator's to solve.
func (p Problem) OfApp() bool {
	return slices.Contains([]Problem{
		ProblemClientID, ProblemClientSecret, ProblemSecretExpired, ProblemRedirectURI, ProblemPermissions, ProblemTenant,
	}, p)
}

// ProviderError is a provider's refusal, from the callback or an endpoint.
type ProviderError struct {
	Status int
	// Code is error, Sub is suberror, error_subtype or error_reason; Description is for the log.
	Code, Sub, Description string
	// AADSTS is Microsoft's number, 0 if there is none.
	AADSTS int
	// Problem is set where it is known already.
	Problem Problem
}

// Error is for the log.
func (e *ProviderError) Error() string {
	s := "provider said " + strconv.Quote(e.Code)
	if e.Status != 0 {
		s += " (" + strconv.Itoa(e.Status) + ")"
	}
	if e.Sub != "" {
		s += " " + strconv.Quote(e.Sub)
	}
	if e.Description != "" {
		s += ": " + strconv.Quote(e.Description)
	}
	return s
}

func aadsts() *regexp.Regexp { return regexp.MustCompile(`AADSTS(\d{4,8})`) }

// newProviderError makes an error of what came over the wire. None of it is longer than a line.
func newProviderError(status int, code, sub, description string) *ProviderError {
	e := &ProviderError{Status: status, Code: clean(code, 100), Sub: clean(sub, 100), Description: clean(description, 500)}
	if m := aadsts().FindStringSubmatch(e.Description + " " + e.Sub + " " + e.Code); m != nil {
		e.AADSTS, _ = strconv.Atoi(m[1])
	}
	return e
}

// clean makes one printable line.
func clean(s string, limit int) string {
	s = strings.ToValidUTF8(s, "")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) || (r >= '\u200b' && r <= '\u202e') || (r >= '\u2060' && r <= '\u206f') {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return s
}

// fromBody reads an error that an endpoint answered: RFC 6749 §5.2, Microsoft's suberror and
// error_codes, Google's error_subtype, and the nested form of Google's and Meta's APIs.
func fromBody(status int, body []byte) *ProviderError {
	var flat struct {
		Error       json.RawMessage   `json:"error"`
		Description any               `json:"error_description"`
		Sub         any               `json:"suberror"`
		Subtype     any               `json:"error_subtype"`
		Codes       []json.RawMessage `json:"error_codes"`
		Type        any               `json:"error_type"`
		Message     any               `json:"error_message"`
	}
	if json.Unmarshal(body, &flat) != nil {
		return &ProviderError{Status: status, Problem: ProblemUnavailable}
	}
	word := func(v any) string { s, _ := v.(string); return s }
	var code string
	if json.Unmarshal(flat.Error, &code) != nil {
		var nested struct {
			Code    json.Number `json:"code"`
			Sub     json.Number `json:"error_subcode"`
			Type    string      `json:"type"`
			Status  string      `json:"status"`
			Message string      `json:"message"`
		}
		if json.Unmarshal(flat.Error, &nested) == nil && len(flat.Error) > 0 {
			return newProviderError(status, firstOf(nested.Type, nested.Status)+":"+nested.Code.String(), nested.Sub.String(), nested.Message)
		}
		code = word(flat.Type)
	}
	e := newProviderError(status, code, firstOf(word(flat.Sub), word(flat.Subtype)), firstOf(word(flat.Description), word(flat.Message)))
	if e.AADSTS == 0 && len(flat.Codes) > 0 {
		e.AADSTS, _ = strconv.Atoi(string(flat.Codes[0]))
	}
	return e
}

func firstOf(s ...string) string {
	for _, x := range s {
		if x != "" {
			return x
		}
	}
	return ""
}

// asProviderError returns the refusal in an error's chain; nil if the provider did not refuse but
// failed, or was not reached.
func asProviderError(err error) *ProviderError {
	if pe, ok := errors.AsType[*ProviderError](err); ok {
		return pe
	}
	if re, ok := errors.AsType[*oauth2.RetrieveError](err); ok && re.Response != nil {
		return fromBody(re.Response.StatusCode, re.Body)
	}
	return nil
}

// problemOf names what an error means: the provider's own words first, then what the standards say,
// then Microsoft's numbers, which may change.
func (f *Flow) problemOf(err error) Problem {
	e := asProviderError(err)
	if e == nil {
		return ProblemUnavailable
	}
	if e.Problem != ProblemNone {
		return e.Problem
	}
	if e.Status >= http.StatusInternalServerError || e.Status == http.StatusTooManyRequests || e.Status == http.StatusRequestTimeout {
		return ProblemUnavailable
	}
	if f.Spec.Problem != nil {
		if p := f.Spec.Problem(*e); p != ProblemNone {
			return p
		}
	}
	switch e.Code {
	case "access_denied":
		return ProblemCancelled
	case "consent_required":
		return ProblemAdminConsent
	case "login_required", "interaction_required", "account_selection_required":
		return ProblemAgain
	case "server_error", "temporarily_unavailable":
		return ProblemUnavailable
	case "disallowed_useragent":
		return ProblemBrowser
	case "invalid_client":
		return ProblemClientSecret
	case "redirect_uri_mismatch":
		return ProblemRedirectURI
	case "unauthorized_client", "deleted_client":
		return ProblemClientID
	case "invalid_scope", "unsupported_response_type":
		return ProblemPermissions
	case "invalid_grant":
		return ProblemRejected
	}
	return ProblemNone
}

// ProblemOf names what an error means; ProblemUnavailable for one that is no refusal.
func (f *Flow) ProblemOf(err error) Problem {
	if err == nil {
		return ProblemNone
	}
	return f.problemOf(err)
}
