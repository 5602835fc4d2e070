package api

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"latchkey/internal/errs"
	"latchkey/internal/store"
)

const (
	defaultLimit = 50
	maxLimit     = 250
)

// query reads the parameters of a list like the members of a body.
type query struct {
	fields
	values url.Values
}

func newQuery(c *call) *query {
	return &query{fields: fields{lenient: c.lenient}, values: c.r.URL.Query()}
}

// param returns a parameter's value; empty where it is absent.
func (q *query) param(name string) string {
	q.asked = append(q.asked, name)
	v := q.values[name]
	if len(v) > 1 {
		q.fail(name, errs.CodeInvalidValue, "This parameter may be given once only.")
		return ""
	}
	if len(v) == 0 {
		return ""
	}
	if !utf8.ValidString(v[0]) || strings.Contains(v[0], "\x00") { // PostgreSQL's text holds neither
		q.fail(name, errs.CodeInvalidValue, "This parameter is not text.")
		return ""
	}
	return v[0]
}

// finish is done for a query: unknown parameters are errors in the strict dialect.
func (q *query) finish() error {
	if !q.lenient {
		names := make([]string, 0, len(q.values))
		for name := range q.values {
			if !slices.Contains(q.asked, name) {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, name := range names {
			q.fail(showName(name), errs.CodeUnknownField, "This route has no parameter of that name.")
		}
	}
	return q.done()
}

// page reads limit and cursor. A cursor is the last id of the page before, in padded base64.
func (q *query) page(prefix string) store.Page {
	p := store.Page{Limit: defaultLimit}
	if s := q.param("limit"); s != "" {
		n, err := strconv.Atoi(s)
		switch {
		case err != nil:
			q.fail("limit", errs.CodeInvalidType, "This must be a whole number.")
		case n < 1 || n > maxLimit:
			q.fail("limit", errs.CodeOutOfRange, "This must be from 1 to "+strconv.Itoa(maxLimit)+".")
		default:
			p.Limit = n
		}
	}
	if s := q.param("cursor"); s != "" {
		// A "+" that nobody escaped arrives as a space.
		id, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(s, " ", "+"))
		if err != nil || !idShape(string(id), prefix) {
			q.fail("cursor", errs.CodeInvalidValue, "This is not a cursor that a list gave out.")
		} else {
			p.Before = string(id)
		}
	}
	return p
}

// oneMore asks for an item more than the page shows, to know whether there is another page.
func oneMore(p store.Page) store.Page {
	if p.Limit < maxLimit {
		p.Limit++
	}
	return p
}

// paged cuts the extra item off and makes the cursor. A full page at the highest limit has a cursor
// though the next may be empty.
func paged[T any](items []T, limit int, id func(T) string) ([]T, *string) {
	more := len(items) > limit || (limit == maxLimit && len(items) == maxLimit)
	if len(items) > limit {
		items = items[:limit]
	}
	if !more || len(items) == 0 {
		return items, nil
	}
	return items, cursorAfter(id(items[len(items)-1]))
}

func cursorAfter(id string) *string {
	cursor := base64.StdEncoding.EncodeToString([]byte(id))
	return &cursor
}
