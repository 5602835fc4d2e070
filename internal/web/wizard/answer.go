package wizard

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"unicode/utf8"

	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
	"latchkey/internal/web"
)

const (
	// maxAnswer bounds a body; the longest thing to be pasted is a browser's proof of a few KB.
	maxAnswer = 64 << 10
	// maxValues bounds the number of fields.
	maxValues = 64
	// maxName bounds a field's name, in what is accepted and in what an error repeats.
	maxName = 64
)

func knownAction(s string) bool {
	switch connector.Action(s) {
	case connector.ActStart, connector.ActSubmit, connector.ActBack, connector.ActResend, connector.ActSwitchMethod,
		connector.ActRefresh, connector.ActCancel, connector.ActTakeOver:
		return true
	case connector.ActReturn: // the engine's own: only a callback brings it
	}
	return false
}

// needsVersion tells whether the action answers a step, and so has to say which.
func needsVersion(a connector.Action) bool {
	return a != connector.ActStart && a != connector.ActTakeOver
}

func mediaType(r *http.Request, want string) error {
	got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || got != want {
		return errs.New(errs.Invalid, errs.CodeUnsupportedMedia, "Send the body as "+want+".")
	}
	return nil
}

// readForm reads the answer of a page. A button can stand after a hidden field of its name, and a
// checkbox after the value that it has when it is not ticked: the last one counts.
func readForm(r *http.Request) (hosted.Answer, error) {
	if err := mediaType(r, "application/x-www-form-urlencoded"); err != nil {
		return hosted.Answer{}, err
	}
	body, err := web.ReadBody(r, maxAnswer)
	if err != nil {
		return hosted.Answer{}, err
	}
	return parseForm(string(body))
}

func parseForm(body string) (hosted.Answer, error) {
	form, err := url.ParseQuery(body)
	if err != nil || len(form) > maxValues+2 {
		return hosted.Answer{}, errs.Wrap(err, errs.Invalid, errs.CodeInvalidParameters, "The form did not arrive as it should. Go back and try again.")
	}
	var fields []errs.FieldError
	a := hosted.Answer{Values: make(map[string]string, len(form))}
	for name, all := range form {
		value := all[len(all)-1]
		switch {
		case !utf8.ValidString(name) || !utf8.ValidString(value) || len(name) > maxName:
			fields = append(fields, invalid("values", errs.CodeInvalidValue, "A field is not text."))
		case name == "version":
			if a.Version, err = strconv.ParseInt(value, 10, 64); err != nil || a.Version < 0 {
				fields = append(fields, invalid("version", errs.CodeInvalidType, "The version is a whole number."))
			}
		case name == "action":
			a.Action = connector.Action(value)
		default:
			a.Values[name] = value
		}
	}
	if !knownAction(string(a.Action)) {
		fields = append(fields, invalid("action", errs.CodeInvalidValue, "The action is not one of those that a step can offer."))
	}
	if len(fields) > 0 {
		return hosted.Answer{}, errs.InvalidFields(fields...)
	}
	return a, nil
}

func invalid(field string, c errs.Code, message string) errs.FieldError {
	return errs.FieldError{Field: field, Code: c, Message: message}
}

// readJSON reads the answer of a JSON client.
func readJSON(r *http.Request) (hosted.Answer, error) {
	if err := mediaType(r, "application/json"); err != nil {
		return hosted.Answer{}, err
	}
	body, err := web.ReadBody(r, maxAnswer)
	if err != nil {
		return hosted.Answer{}, err
	}
	return parseJSON(body)
}

func malformed(cause error) error {
	return errs.Wrap(cause, errs.Invalid, errs.CodeMalformedJSON, "The body is not a JSON object.")
}

// jsonReader walks the body by hand: encoding/json would take fields in any case, keep the last of
// two with one name, and answer a wrong type with the value itself.
type jsonReader struct {
	dec    *json.Decoder
	answer hosted.Answer
	fields []errs.FieldError
	seen   map[string]bool
}

func parseJSON(body []byte) (hosted.Answer, error) {
	if !utf8.Valid(body) {
		return hosted.Answer{}, malformed(nil)
	}
	j := &jsonReader{dec: json.NewDecoder(bytes.NewReader(body)), seen: map[string]bool{}}
	j.dec.UseNumber()
	if err := j.object(j.topField); err != nil {
		return hosted.Answer{}, malformed(err)
	}
	if _, err := j.dec.Token(); !errors.Is(err, io.EOF) {
		return hosted.Answer{}, malformed(err)
	}
	switch {
	case !j.seen["action"]:
		j.bad("action", errs.CodeRequired, "Say what to do: start, submit, back, resend, switch_method, refresh, cancel or take_over.")
	case needsVersion(j.answer.Action) && !j.seen["version"]:
		j.bad("version", errs.CodeRequired, "Say which version of the flow this answers.")
	}
	if len(j.fields) > 0 {
		return hosted.Answer{}, errs.InvalidFields(j.fields...)
	}
	return j.answer, nil
}

func (j *jsonReader) bad(field string, c errs.Code, message string) {
	if len(j.fields) < maxValues {
		j.fields = append(j.fields, invalid(field, c, message))
	}
}

// object reads { and calls each for every member's name, to read its value.
func (j *jsonReader) object(each func(name string) error) error {
	t, err := j.dec.Token()
	if err != nil {
		return err
	}
	if t != json.Delim('{') {
		return errors.New("not an object")
	}
	return j.members(each)
}

func (j *jsonReader) members(each func(name string) error) error {
	for j.dec.More() {
		t, err := j.dec.Token()
		if err != nil {
			return err
		}
		name, ok := t.(string)
		if !ok {
			return errors.New("a name is not a string")
		}
		if err := each(name); err != nil {
			return err
		}
	}
	_, err := j.dec.Token()
	return err
}

// skip passes over a value, however deep. The body's size bounds it.
func (j *jsonReader) skip() error {
	var v json.RawMessage
	return j.dec.Decode(&v)
}

func (j *jsonReader) topField(name string) error {
	if j.seen[name] {
		j.bad(short(name), errs.CodeInvalidValue, "This field is there twice.")
		return j.skip()
	}
	j.seen[name] = true
	switch name {
	case "version":
		return j.version()
	case "action":
		return j.action()
	case "values":
		return j.values()
	}
	j.bad(short(name), errs.CodeUnknownField, "There is no such field; there are version, action and values.")
	return j.skip()
}

func (j *jsonReader) version() error {
	var raw json.RawMessage
	if err := j.dec.Decode(&raw); err != nil {
		return err
	}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil && n >= 0 {
		j.answer.Version = n
	} else {
		j.bad("version", errs.CodeInvalidType, "The version is a whole number.")
	}
	return nil
}

func (j *jsonReader) action() error {
	var v any
	if err := j.dec.Decode(&v); err != nil {
		return err
	}
	s, ok := v.(string)
	switch {
	case !ok:
		j.bad("action", errs.CodeInvalidType, "The action is a string.")
	case !knownAction(s):
		j.bad("action", errs.CodeInvalidValue, "The action is one of start, submit, back, resend, switch_method, refresh, cancel and take_over.")
	default:
		j.answer.Action = connector.Action(s)
	}
	return nil
}

func (j *jsonReader) values() error {
	t, err := j.dec.Token()
	if err != nil {
		return err
	}
	if t == nil { // null: no values, as many clients write it
		return nil
	}
	if t != json.Delim('{') {
		j.bad("values", errs.CodeInvalidType, "The values are an object of strings, numbers and booleans.")
		if t == json.Delim('[') {
			return j.rest()
		}
		return nil
	}
	j.answer.Values = map[string]string{}
	return j.members(j.value)
}

// rest passes over what is left of an array that was begun.
func (j *jsonReader) rest() error {
	for j.dec.More() {
		if err := j.skip(); err != nil {
			return err
		}
	}
	_, err := j.dec.Token()
	return err
}

func (j *jsonReader) value(name string) error {
	field := "values." + short(name)
	var v any
	if err := j.dec.Decode(&v); err != nil {
		return err
	}
	if _, twice := j.answer.Values[name]; twice || len(name) > maxName || len(j.answer.Values) >= maxValues {
		j.bad(field, errs.CodeInvalidValue, "This field is there twice, or there are too many.")
		return nil
	}
	switch v := v.(type) {
	case string:
		j.answer.Values[name] = v
	case json.Number:
		j.answer.Values[name] = v.String()
	case bool:
		j.answer.Values[name] = strconv.FormatBool(v)
	default:
		j.bad(field, errs.CodeInvalidType, "A value is a string, a number or a boolean.")
	}
	return nil
}

// short keeps a stranger's name for a field from filling an answer.
func short(name string) string {
	if len(name) <= maxName {
		return name
	}
	cut := maxName
	for cut > 0 && !utf8.RuneStart(name[cut]) {
		cut--
	}
	return name[:cut] + "…"
}
