package api

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"latchkey/internal/errs"
)

// fields reads the members of a JSON object one by one and collects what is wrong with any of
// them. A member that is null counts as absent. No message ever holds a value: it may be a secret.
type fields struct {
	raw     map[string]json.RawMessage
	asked   []string
	problem []errs.FieldError
	lenient bool
}

// decodeObject splits the body into members. An empty body is an empty object.
func decodeObject(body []byte, lenient bool) (*fields, error) {
	f := &fields{lenient: lenient, asked: make([]string, 0, 32)}
	if len(bytes.TrimSpace(body)) == 0 {
		return f, nil
	}
	if !utf8.Valid(body) {
		return nil, malformed("it is not valid UTF-8")
	}
	if err := json.Unmarshal(body, &f.raw); err != nil || f.raw == nil {
		if err != nil && !json.Valid(body) {
			return nil, malformed("it is not valid JSON")
		}
		return nil, malformed("it is not a JSON object")
	}
	return f, nil
}

func malformed(why string) error {
	return errs.New(errs.Invalid, errs.CodeMalformedJSON, "The request's body cannot be read: "+why+".")
}

// fail notes what is wrong with a field.
func (f *fields) fail(field string, code errs.Code, message string) {
	f.problem = append(f.problem, errs.FieldError{Field: field, Code: code, Message: message})
}

// get returns a member, or nil where it is absent or null.
func (f *fields) get(name string) json.RawMessage {
	f.asked = append(f.asked, name)
	v := f.raw[name]
	if isNull(v) {
		return nil
	}
	return v
}

func isNull(v json.RawMessage) bool {
	return len(v) == 4 && string(v) == "null"
}

// done says everything that was wrong, unknown members included.
func (f *fields) done() error {
	if !f.lenient && len(f.raw) > 0 {
		var unknown []string
		for name := range f.raw {
			if !slices.Contains(f.asked, name) {
				unknown = append(unknown, name)
			}
		}
		slices.Sort(unknown)
		for _, name := range unknown {
			f.fail(showName(name), errs.CodeUnknownField, "This route has no field of that name.")
		}
	}
	if len(f.problem) == 0 {
		return nil
	}
	return errs.InvalidFields(f.problem...)
}

// showName makes a name that the caller chose fit to be shown.
func showName(name string) string {
	const longest = 64
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, name)
	if utf8.RuneCountInString(name) > longest {
		return string([]rune(name)[:longest]) + "…"
	}
	return name
}

// text is what may stand in a string.
type text struct {
	required bool
	max      int
	// trim takes surrounding space away; an empty rest counts as absent.
	trim bool
	// emptyAbsent makes "" count as absent; otherwise it is too short.
	emptyAbsent bool
}

// str reads a string.
func (f *fields) str(name string, t text) string {
	v := f.get(name)
	if v == nil {
		if t.required {
			f.fail(name, errs.CodeRequired, "This field is required.")
		}
		return ""
	}
	s, ok := f.scalar(name, v, t.max)
	if !ok {
		return ""
	}
	if t.trim {
		s = strings.TrimSpace(s)
	}
	if s != "" {
		return s
	}
	switch {
	case t.required:
		f.fail(name, errs.CodeRequired, "This field is required.")
	case !t.emptyAbsent:
		f.fail(name, errs.CodeTooShort, "This field must not be empty. Leave it out instead.")
	}
	return ""
}

// scalar checks one string of at most limit characters, without control characters.
func (f *fields) scalar(name string, v json.RawMessage, limit int) (string, bool) {
	s, ok := unquote(v)
	if !ok {
		f.fail(name, errs.CodeInvalidType, "This must be a string.")
		return "", false
	}
	if utf8.RuneCountInString(s) > limit {
		f.fail(name, errs.CodeTooLong, "This may have "+strconv.Itoa(limit)+" characters at most.")
		return "", false
	}
	if hasControl(s) {
		f.fail(name, errs.CodeInvalidValue, "This must not contain control characters.")
		return "", false
	}
	return s, true
}

// unquote reads a JSON string. Most have no escapes, and cost no decoder.
func unquote(v json.RawMessage) (string, bool) {
	if len(v) < 2 || v[0] != '"' {
		return "", false
	}
	inner := v[1 : len(v)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), true
	}
	var s string
	if err := json.Unmarshal(v, &s); err != nil {
		return "", false
	}
	return s, true
}

func hasControl(s string) bool {
	for _, r := range s {
		if r < ' ' || (r >= 0x7f && r < 0xa0) {
			return true
		}
	}
	return false
}

// boolean reads true or false; words lists strings that also do.
func (f *fields) boolean(name string, words map[string]bool) bool {
	v := f.get(name)
	if v == nil {
		return false
	}
	switch string(v) {
	case "true":
		return true
	case "false":
		return false
	}
	word, ok := unquote(v)
	if !ok {
		word = string(v) // a number
	}
	if b, ok := words[word]; ok {
		return b
	}
	f.fail(name, errs.CodeInvalidType, "This must be true or false.")
	return false
}

// integer reads a whole number within bounds; the lenient dialect also takes it as a string.
func (f *fields) integer(name string, low, high int) (int, bool) {
	v := f.get(name)
	if v == nil {
		return 0, false
	}
	digits := string(v)
	if s, ok := unquote(v); ok && f.lenient {
		digits = s
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		f.fail(name, errs.CodeInvalidType, "This must be a whole number.")
		return 0, false
	}
	if n < low || n > high {
		f.fail(name, errs.CodeOutOfRange, "This must be from "+strconv.Itoa(low)+" to "+strconv.Itoa(high)+".")
		return 0, false
	}
	return n, true
}

// list reads a list of strings, or one string in place of it.
func (f *fields) list(name string, most, limit int) []string {
	v := f.get(name)
	if v == nil {
		return nil
	}
	if v[0] == '"' {
		s, ok := f.scalar(name, v, limit)
		if !ok || s == "" {
			return nil
		}
		return []string{s}
	}
	var items []json.RawMessage
	if v[0] != '[' || json.Unmarshal(v, &items) != nil {
		f.fail(name, errs.CodeInvalidType, "This must be a string or a list of strings.")
		return nil
	}
	if len(items) > most {
		f.fail(name, errs.CodeTooLong, "This list may have "+strconv.Itoa(most)+" entries at most.")
		return nil
	}
	out := make([]string, 0, len(items))
	for i, item := range items {
		if s, ok := f.scalar(name+"["+strconv.Itoa(i)+"]", item, limit); ok {
			out = append(out, s)
		}
	}
	return out
}

// flatMap reads an object whose members are all strings.
func (f *fields) flatMap(name string, most, keyLimit, valueLimit int) map[string]string {
	v := f.get(name)
	if v == nil {
		return nil
	}
	var items map[string]json.RawMessage
	if v[0] != '{' || json.Unmarshal(v, &items) != nil {
		f.fail(name, errs.CodeInvalidType, "This must be an object of strings.")
		return nil
	}
	if len(items) > most {
		f.fail(name, errs.CodeTooLong, "This may have "+strconv.Itoa(most)+" entries at most.")
		return nil
	}
	keys := make([]string, 0, len(items))
	for k := range items {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	out := make(map[string]string, len(items))
	for _, k := range keys {
		at := name + "." + showName(k)
		if k == "" || utf8.RuneCountInString(k) > keyLimit || hasControl(k) {
			f.fail(at, errs.CodeInvalidValue, "A key has 1 to "+strconv.Itoa(keyLimit)+" characters, none of them control characters.")
			continue
		}
		if s, ok := f.scalar(at, items[k], valueLimit); ok {
			out[k] = s
		}
	}
	return out
}

// instant reads a point in time (RFC 3339, with or without fractions of a second). dateOnly also
// takes a day, which begins at midnight UTC.
func (f *fields) instant(name string, dateOnly bool) (time.Time, bool) {
	s := f.str(name, text{max: 64, trim: true, emptyAbsent: f.lenient})
	if s == "" {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil && dateOnly {
		t, err = time.Parse(time.DateOnly, s)
	}
	// Four-digit years only: others cannot be written back as RFC 3339.
	if err != nil || t.UTC().Year() < 1 || t.UTC().Year() > 9999 {
		f.fail(name, errs.CodeInvalidDate, "This must be a date and time like 2030-01-31T12:00:00.000Z.")
		return time.Time{}, false
	}
	return t.UTC(), true
}
