package oauthflow_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"latchkey/internal/connector"
)

// spied keeps what a connector shows, and what it blames.
type spied struct {
	connector.Connector
	shown      []string
	refusedApp string
}

func (s *spied) keep(turn connector.Turn, err error) (connector.Turn, error) {
	if turn.Failure != nil {
		s.refusedApp = turn.Failure.RefusedApp
	}
	for _, v := range []any{turn.Step, turn.Failure} {
		raw, _ := json.Marshal(v) // only to be searched
		s.shown = append(s.shown, string(raw))
	}
	if turn.Work != nil {
		raw, _ := json.Marshal(turn.Work.Show)
		s.shown = append(s.shown, string(raw))
	}
	if turn.Grant != nil {
		s.shown = append(s.shown, string(turn.Grant.Params))
	}
	return turn, err
}

func (s *spied) Begin(start connector.Start) (connector.Turn, error) {
	return s.keep(s.Connector.Begin(start))
}

func (s *spied) Resume(state []byte, in connector.Input) (connector.Turn, error) {
	return s.keep(s.Connector.Resume(state, in))
}

func (s *spied) Do(ctx context.Context, w connector.Work, r connector.Reporter) (connector.Turn, error) {
	return s.keep(s.Connector.Do(ctx, w, r))
}

// check looks for what must not be shown: secrets, and a provider's own words.
func (s *spied) check(t *testing.T, w way) {
	t.Helper()
	for _, shown := range s.shown {
		for _, never := range []string{"canary", "AADSTS", "at-", "rt-", "code-", "SmtpClientAuthentication", "not connected"} {
			if strings.Contains(shown, never) {
				t.Errorf("%s: %q is shown: %s", w.name, never, shown)
			}
		}
	}
}
