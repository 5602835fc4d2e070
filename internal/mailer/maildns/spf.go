package maildns

import (
	"context"
	"strconv"
	"strings"
)

// walk is a way through an SPF record and those that it names.
type walk struct {
	l       *looker
	want    string // the include that lets the host send; may be empty
	lookups int
	found   bool
	// broken is the first name that has no record, or several (RFC 7208 §5.2: both end the check in error).
	broken string
	outage bool
	seen   map[string]bool
}

func (l *looker) spf(ctx context.Context) Finding {
	f := Finding{Record: "spf", Name: l.domain}
	found, err := l.texts(ctx, l.domain, "v=spf1")
	if err != nil {
		return outage(f)
	}
	f.Found = found
	switch len(found) {
	case 0:
		f.Code = "missing"
		if l.known {
			f.Suggest = "v=spf1 include:" + l.service.include + " ~all"
		}
		f.Message = "The domain has no SPF record, which says who may send in its name. Set one" + l.forHost()
		return f
	case 1:
	default:
		f.Code, f.Message = "several", "There is more than one SPF record, which is an error (RFC 7208 §4.5): receivers ignore them all. Put what they say into one."
		return f
	}
	w := &walk{l: l, want: l.service.include, seen: map[string]bool{}}
	w.record(ctx, found[0])
	f.spf(found[0], w)
	return f
}

func (l *looker) forHost() string {
	if l.known {
		return " that includes " + l.service.name + "."
	}
	return "; your mail host's documentation has the include that belongs there."
}

// spf says what a walk found.
func (f *Finding) spf(record string, w *walk) {
	low := " " + strings.ToLower(record) + " "
	switch {
	case w.lookups > maxLookups:
		f.Code = "too_many_lookups"
		f.Message = "The record asks for more than " + strconv.Itoa(maxLookups) + " further look-ups (RFC 7208 §4.6.4): receivers give up and treat it as an error. Take includes out that are not used any more."
	case strings.Contains(low, " +all ") || strings.Contains(low, " all "):
		f.Code, f.Message = "weak", "The record lets everybody send in the domain's name (+all). End it with ~all or -all."
	case w.outage:
		*f = outage(*f)
	case w.broken != "":
		f.Code, f.Message = "invalid", "The record names "+tidy(w.broken)+", which has no SPF record or several: receivers treat the whole as an error (RFC 7208 §5.2)."
	case w.want != "" && !w.found:
		f.Code, f.Suggest = "not_included", suggested(record, w.want)
		f.Message = "The record does not include " + w.l.service.name + ", through which this sender's mail goes. Add include:" + w.want +
			"; where the host uses a return address of its own, DKIM has to pass instead."
	case w.want == "":
		f.OK, f.Message = true, "There is an SPF record. Whether it lets this mail host send cannot be told from its name: compare it with the host's documentation."
	default:
		f.OK, f.Message = true, "The SPF record lets "+w.l.service.name+" send in the domain's name."
	}
}

// suggested puts an include behind the version.
func suggested(record, include string) string {
	rest := strings.TrimSpace(record[len("v=spf1"):])
	return strings.TrimSpace("v=spf1 include:" + include + " " + rest)
}

// record counts the terms that cost a look-up, and goes into those that name other records.
func (w *walk) record(ctx context.Context, record string) {
	for term := range strings.FieldsSeq(strings.ToLower(record)) {
		term = strings.TrimLeft(term, "+-~?")
		name, value, _ := strings.Cut(term, ":")
		if rest, ok := strings.CutPrefix(term, "redirect="); ok {
			name, value = "redirect", rest
		}
		name, _, _ = strings.Cut(name, "/")
		switch name {
		case "include", "redirect":
			w.lookups++
			w.into(ctx, strings.TrimSuffix(value, "."))
		case "a", "mx", "ptr", "exists":
			w.lookups++
		}
		if w.lookups > maxLookups {
			return
		}
	}
}

func (w *walk) into(ctx context.Context, name string) {
	if name == w.want {
		w.found = true
	}
	// A macro depends on the message, and a name that was seen has been counted.
	if name == "" || strings.Contains(name, "%") || w.seen[name] || w.lookups > maxLookups || w.outage {
		return
	}
	w.seen[name] = true
	found, err := w.l.texts(ctx, name, "v=spf1")
	switch {
	case err != nil:
		w.outage = true
	case len(found) != 1:
		if w.broken == "" {
			w.broken = name
		}
	default:
		w.record(ctx, found[0])
	}
}
