// Package errs is the one form that errors take inside the house: a Kind that decides the HTTP
// status and what a page looks like, a Code from the published list, words for the caller, and a
// cause for the operator's log that no caller ever sees.
package errs

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind is the family of an error. It alone decides the HTTP status.
type Kind int

// The kinds. The zero value is Internal: an error that nobody classified is our fault.
const (
	Internal Kind = iota
	Invalid
	Unauthenticated
	Forbidden
	NotFound
	Conflict
	Gone
	TooEarly
	TooMany
	Unavailable
)

// FieldError says what is wrong with one field. It never holds the offending value.
type FieldError struct {
	Field   string `json:"field"`
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

// Error is what every layer returns for a failure that a caller can be told of.
type Error struct {
	Kind Kind
	Code Code
	// Detail is a sentence for the caller, in English, without secrets and without the cause.
	Detail string
	Fields []FieldError
	// RetryAfter is set where waiting helps.
	RetryAfter time.Duration
	// Cause is for the log.
	Cause error
}

// Error is for logs: it includes the cause.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(string(e.Code))
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	for _, f := range e.Fields {
		fmt.Fprintf(&b, " [%s: %s]", f.Field, f.Code)
	}
	if e.Cause != nil {
		b.WriteString(": " + e.Cause.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// New makes an error of a kind with a published code and a sentence for the caller.
func New(k Kind, c Code, detail string) *Error { return &Error{Kind: k, Code: c, Detail: detail} }

// Wrap is New with a cause for the log.
func Wrap(cause error, k Kind, c Code, detail string) *Error {
	return &Error{Kind: k, Code: c, Detail: detail, Cause: cause}
}

// NotFoundf says that a thing does not exist. A foreign thing gets the same answer.
func NotFoundf(what string) *Error {
	return New(NotFound, CodeNotFound, "There is no such "+what+".")
}

// InvalidFields reports every wrong field of a request at once.
func InvalidFields(fields ...FieldError) *Error {
	return &Error{Kind: Invalid, Code: CodeInvalidParameters, Detail: "Some fields are not right; see errors.", Fields: fields}
}

// As returns the Error in err's chain, or wraps err as an internal one.
func As(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: Internal, Code: CodeInternal, Detail: "Something went wrong on our side. It has been logged.", Cause: err}
}

// Is tells whether err is an Error of the code.
func Is(err error, c Code) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == c
}
