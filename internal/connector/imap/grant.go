package imap

import (
	"cmp"
	"encoding/json"
	"strings"

	"latchkey"
	"latchkey/internal/connector"
)

// sourceID names a side in an account's sources.
func sourceID(p string) string { return strings.ToUpper(p) }

// grant is the credential that was just seen to work.
func (s *state) grant() (connector.Turn, error) {
	keep := s.Mail
	if s.Start.Lent != "" {
		keep = keep.withoutSecrets()
	}
	secret, err := json.Marshal(keep)
	if err != nil {
		return connector.Turn{}, err
	}
	public, err := encodeParams(s.Mail)
	if err != nil {
		return connector.Turn{}, err
	}
	g := &connector.Grant{
		Identity: s.identity(), Proof: latchkey.ProofTyped, Name: cmp.Or(s.Name, s.Start.Name),
		Params: public, Secret: secret, ServerChanged: s.serverChanged(),
	}
	for _, p := range protocols() {
		if s.Mail.of(p) == nil {
			g.Warnings = append(g.Warnings, string(p)+"_not_connected")
			continue
		}
		g.Sources = append(g.Sources, latchkey.Source{ID: sourceID(string(p)), Status: latchkey.AccountOK})
	}
	if s.Mail.IMAP != nil {
		g.Scopes = append(g.Scopes, scopeRead)
	}
	if s.Mail.SMTP != nil {
		g.Scopes = append(g.Scopes, scopeSend)
	}
	return connector.Turn{Grant: g}, nil
}

// serverChanged tells whether a mended account is somewhere else now. Another port of the same host is
// not; a side that was not connected before is.
func (s *state) serverChanged() bool {
	if !s.reconnecting() {
		return false
	}
	before := s.stored()
	for _, p := range protocols() {
		now, then := s.Mail.of(p), before.of(p)
		if now != nil && (then == nil || !strings.EqualFold(now.Host, then.Host)) {
			return true
		}
	}
	return false
}
