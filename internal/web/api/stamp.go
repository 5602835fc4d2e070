package api

import (
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// stampLayout is RFC 3339 with exactly three decimals: clients compare it with their own toISOString.
const stampLayout = "2006-01-02T15:04:05.000Z"

// stamp is a point in time as the API writes it.
type stamp string

func at(t time.Time) stamp { return stamp(t.UTC().Format(stampLayout)) }

// optional is null for the zero time.
func optional(t *time.Time) *stamp {
	if t == nil || t.IsZero() {
		return nil
	}
	s := at(*t)
	return &s
}

// Schema implements huma.SchemaProvider.
func (stamp) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time", Description: "RFC 3339, UTC, with milliseconds.", Examples: []any{"2030-01-31T12:00:00.000Z"}}
}

// object is JSON of any members.
type object json.RawMessage

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	if len(o) == 0 {
		return []byte("{}"), nil
	}
	return o, nil
}

// Schema implements huma.SchemaProvider.
func (object) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}

// wish is a provider, a wildcard, or a list of them.
type wish struct{}

// Schema implements huma.SchemaProvider.
func (wish) Schema(huma.Registry) *huma.Schema {
	most := maxProviders
	one := &huma.Schema{
		Type:        huma.TypeString,
		Description: "A provider, an alias (`OUTLOOK`, `MAIL`, `GOOGLE_OAUTH`), or a wildcard.",
		Enum: []any{
			"*", "*:MAILING", "*:MESSAGING", "LINKEDIN", "WHATSAPP", "INSTAGRAM", "TELEGRAM", "GOOGLE", "MICROSOFT", "IMAP",
			"OUTLOOK", "MAIL", "GOOGLE_OAUTH", "MOCK",
		},
	}
	return &huma.Schema{
		OneOf:    []*huma.Schema{one, {Type: huma.TypeArray, Items: one, MaxItems: &most}},
		Examples: []any{"*"},
	}
}

// texts is one string or a list of them.
type texts struct{}

// Schema implements huma.SchemaProvider.
func (texts) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString}
	return &huma.Schema{OneOf: []*huma.Schema{s, {Type: huma.TypeArray, Items: s}}}
}

// flag is a boolean, or one of the words that form callers use for it.
type flag struct{}

// Schema implements huma.SchemaProvider.
func (flag) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{
		{Type: huma.TypeBoolean},
		{Type: huma.TypeString, Enum: []any{"Y", "N", "true", "false", "1", "0"}},
	}}
}
