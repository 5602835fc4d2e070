package wizard

import (
	"strconv"
	"strings"

	"latchkey/internal/connector"
	"latchkey/internal/i18n"
)

// field is one input with all that a phone's keyboard and a screen reader want to know of it.
type field struct {
	ID, Name, Kind, Type string
	Label, Hint          []i18n.Part
	Value                string
	Required, Checked    bool
	Optional             string
	Focus                bool
	Max                  int
	Auto, Mode, Caps     string
	LTR                  bool
	Errors               [][]i18n.Part
	Describe             string
	Options              []fieldOption
	Copy                 bool
	Class                string
}

type fieldOption struct {
	ID       string
	Label    []i18n.Part
	Selected bool
}

// group folds fields together; it is open where it needs to be seen: where one of its fields is wrong,
// and on a step that is about it (imap.settings).
type group struct {
	Name   string
	Title  []i18n.Part
	Fields []field
	Open   bool
}

func itoa(n int) string { return strconv.Itoa(n) }

// fieldsOf turns a step's fields and errors into inputs.
func (z *Wizard) fieldsOf(p *page, s speaker, st connector.Step) {
	wrong := map[string][][]i18n.Part{}
	for _, e := range st.Errors {
		if !settled(st, e) {
			wrong[e.Field] = append(wrong[e.Field], s.issue(st, e))
		}
	}
	if st.Kind == connector.KindChoose {
		for _, f := range st.Fields {
			p.Issues = append(p.Issues, wrong[f.Name]...)
			delete(wrong, f.Name)
		}
		p.Issues = append(p.Issues, wrong[""]...)
		return
	}
	groups := map[string]int{}
	for _, f := range st.Fields {
		x := s.field(st, f, wrong[f.Name], p.Say["optional"])
		delete(wrong, f.Name)
		if f.Group == "" {
			p.Fields = append(p.Fields, x)
			continue
		}
		i, ok := groups[f.Group]
		if !ok {
			i = len(p.Groups)
			groups[f.Group] = i
			p.Groups = append(p.Groups, group{Name: f.Group, Title: orName(s.with(st.Args).parts(st.ID+".group."+f.Group, "group."+f.Group), f.Group)})
		}
		p.Groups[i].Fields = append(p.Groups[i].Fields, x)
		p.Groups[i].Open = p.Groups[i].Open || len(x.Errors) > 0 || strings.HasSuffix(st.ID, "."+f.Group)
	}
	// What is left is about the step as a whole, or about a field that is not shown.
	for _, e := range st.Errors {
		if list, ok := wrong[e.Field]; ok {
			p.Issues = append(p.Issues, list...)
			delete(wrong, e.Field)
		}
	}
	p.summarize(s)
	p.focus()
	for _, f := range st.Fields {
		if f.Type == connector.FieldPassword {
			p.Fine = append(p.Fine, s.where(st))
			break
		}
	}
}

// where says where typed secrets go, and what is kept.
func (s speaker) where(st connector.Step) []i18n.Part {
	generic := "consent.secret"
	if st.Kind == connector.KindExtension {
		generic = "consent.proof"
	}
	return s.with(st.Args).parts(st.ID+".secret", generic)
}

// everyField visits the inputs in the order in which they are read.
func (p *page) everyField(visit func(*field)) {
	for i := range p.Fields {
		visit(&p.Fields[i])
	}
	for g := range p.Groups {
		for i := range p.Groups[g].Fields {
			visit(&p.Groups[g].Fields[i])
		}
	}
}

// summarize lists the errors where there are several, so that none is overlooked.
func (p *page) summarize(s speaker) {
	var out []summaryLine
	p.everyField(func(f *field) {
		for range f.Errors {
			out = append(out, summaryLine{Field: f.ID, Text: f.Label})
		}
	})
	if len(out) < 2 {
		return
	}
	title, _ := s.cat.Plural(s.lang, "page.problems", len(out), s.args)
	p.Summary = &summary{Title: title, Lines: out}
}

// focus puts the cursor where the reader goes on: the first wrong field, or the first empty one of
// a page that has nothing to be read before.
func (p *page) focus() {
	var first *field
	p.everyField(func(f *field) {
		if first == nil && len(f.Errors) > 0 {
			first = f
		}
	})
	if first == nil && len(p.Notes)+len(p.Issues)+len(p.Verdicts) == 0 {
		for i := range p.Fields {
			if f := &p.Fields[i]; first == nil && f.Value == "" && f.Required && (f.Kind == "input" || f.Kind == "password") {
				first = f
			}
		}
	}
	if first != nil {
		first.Focus = true
	}
}

func (s speaker) field(st connector.Step, f connector.Field, wrong [][]i18n.Part, optional string) field {
	x := field{
		ID: "f-" + f.Name, Name: f.Name, Kind: "input", Type: "text", Label: s.label(st, f), Hint: s.hint(st, f),
		Value: f.Value, Required: f.Required, Max: f.MaxLength, Auto: f.Autocomplete, Errors: wrong, Class: string(f.Type),
	}
	x.shape(f)
	if !f.Required && f.Group == "" && (x.Kind == "input" || x.Kind == "password") {
		x.Optional = optional
	}
	if x.Hint != nil {
		x.Describe = x.ID + "-hint"
	}
	if len(wrong) > 0 {
		if x.Describe != "" {
			x.Describe += " "
		}
		x.Describe += x.ID + "-err"
	}
	for _, o := range f.Options {
		label := plain(o.Label)
		if o.Label == "" {
			label = orName(s.with(o.Args).parts(st.ID+".option."+o.ID, "option."+f.Name+"."+o.ID, "option."+o.ID), o.ID)
		}
		x.Options = append(x.Options, fieldOption{ID: o.ID, Label: label, Selected: o.ID == f.Value})
	}
	return x
}

// shape picks the keyboard, the autofill and the writing direction of a type of field.
func (x *field) shape(f connector.Field) {
	auto := func(s string) {
		if x.Auto == "" {
			x.Auto = s
		}
	}
	switch f.Type {
	case connector.FieldEmail:
		x.Type, x.Mode, x.Caps, x.LTR = "email", "email", "none", true
		auto("username")
	case connector.FieldPassword:
		x.Kind, x.Type, x.LTR, x.Value = "password", "password", true, ""
		if f.Name == "password" {
			auto("current-password")
		}
		// A second password of the same page is not the one that the browser keeps for this site.
		auto("off")
	case connector.FieldCode:
		x.Mode, x.Caps, x.LTR, x.Value = "numeric", "none", true, ""
		auto("one-time-code")
	case connector.FieldNumber:
		x.Mode, x.LTR = "numeric", true
		auto("off")
	case connector.FieldTel:
		x.Type, x.Mode, x.LTR = "tel", "tel", true
		auto("tel")
	case connector.FieldSelect:
		x.Kind = "select"
	case connector.FieldCheckbox:
		x.Kind, x.Checked = "checkbox", f.Value == "true"
	case connector.FieldReadonly:
		x.Kind, x.LTR = "readonly", true
		x.Copy = webURL(f.Value) != ""
	case connector.FieldText, connector.FieldChoice:
		if f.Name == "name" {
			x.Caps = "words"
			auto("name")
			return
		}
		x.Caps, x.LTR = "none", true
		auto("off")
	}
}

// fieldView is a field with the words that stand beside it.
type fieldView struct {
	F   field
	Say map[string]string
}

// Judged is a list of verdicts with the word that opens each one's details.
func (p *page) Judged(list []verdict) verdictsView {
	return verdictsView{List: list, Details: p.Say["details"]}
}

type verdictsView struct {
	List    []verdict
	Details string
}

// With is for the templates: it hands a field on to its part.
func (p *page) With(f field) fieldView { return fieldView{F: f, Say: p.Say} }
