package wizard

import (
	"bytes"
	"html/template"
	"net/http"
	"strings"
	"sync"

	"latchkey"
	"latchkey/internal/hosted"
	"latchkey/internal/web/ui"
)

// The first page of a link is by far the most asked for, by scanners of mail too, and says nothing
// of the link itself: it is rendered once for each application, language and choice of providers.
// Where the link's own address goes stand these two, which no text of ours contains.
const (
	selfMark = "/c/self.d41d8cd98f00b204"
	flowMark = "/c/flow.d41d8cd98f00b204"
)

// maxFirstPages bounds the memory that first pages take, about 6 KB each.
const maxFirstPages = 512

// firstKey is all that a first page depends on.
type firstKey struct {
	theme   ui.Theme
	test    bool
	typ     latchkey.LinkType
	lang    string
	choices string
	scopes  string
	reason  latchkey.Reason
}

type firstPages struct {
	mu    sync.RWMutex
	pages map[firstKey][]byte
}

func (f *firstPages) get(k firstKey) ([]byte, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	b, ok := f.pages[k]
	return b, ok
}

func (f *firstPages) put(k firstKey, b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pages == nil || len(f.pages) >= maxFirstPages {
		f.pages = make(map[firstKey][]byte)
	}
	f.pages[k] = b
}

// firstPage renders the page of a link that nobody has started.
func (z *Wizard) firstPage(r *http.Request, token string, v hosted.View) ([]byte, error) {
	s := z.speaker(r, v)
	choices := make([]string, len(v.Choices))
	for i, c := range v.Choices {
		choices[i] = string(c)
	}
	k := firstKey{
		theme: s.theme, test: v.Application.Test, typ: v.Link.Type, lang: s.lang,
		choices: strings.Join(choices, " "), scopes: strings.Join(v.Scopes, " "), reason: v.Reason,
	}
	page, ok := z.first.get(k)
	if !ok {
		p, err := z.model(r, token, v)
		if err != nil {
			return nil, err
		}
		p.Self, p.Flow = selfMark, flowMark
		var b bytes.Buffer
		if err := z.pages[p.Template].ExecuteTemplate(&b, "layout", p); err != nil {
			return nil, err
		}
		page = b.Bytes()
		z.first.put(k, page)
	}
	page = bytes.ReplaceAll(page, []byte(selfMark), []byte(template.HTMLEscapeString(self(r))))
	return bytes.ReplaceAll(page, []byte(flowMark), []byte(template.HTMLEscapeString(flowPath(token)))), nil
}
