package hosted

import (
	"encoding/json"
	"fmt"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
)

// body is what a flow's row keeps sealed: all that a replica needs to go on.
type body struct {
	// Token is the link's token, so that a browser that comes back from a redirect can be sent to
	// its page.
	Token string `json:"token,omitempty"`
	// Start is what the connector was begun with, for beginning again.
	Start connector.Start `json:"start,omitzero"`
	// Direct is set where the application answers the steps itself.
	Direct *direct `json:"direct,omitempty"`
	// Picker tells that there are several providers to go back to.
	Picker bool `json:"picker,omitempty"`
	// Step is what is shown. Own marks a step of the engine: its answer does not go to the connector.
	Step connector.Step `json:"step"`
	Own  bool           `json:"own,omitempty"`
	// State is the connector's, for Resume.
	State []byte `json:"state,omitempty"`
	// Asking tells that Step and State are a question of the connector. It becomes Asked once a Work
	// takes its place: the last question, shown again when a Work that must not be repeated was
	// interrupted.
	Asking bool      `json:"asking,omitempty"`
	Asked  *question `json:"asked,omitempty"`
	// Work is what is being done, or waits for its turn.
	Work *connector.Work `json:"work,omitempty"`
	// Runs counts how often the Work was taken up after a crash.
	Runs int `json:"runs,omitempty"`
	// Inbox holds answers to a Live Work that it has not read.
	Inbox []connector.Input `json:"inbox,omitempty"`
	// RedirectState is the hash of the state of the redirect step shown. It is good for one return.
	RedirectState []byte `json:"redirect_state,omitempty"`
	// AdminState is the hash of the state in the link for an administrator, on a step that has one.
	AdminState []byte `json:"admin_state,omitempty"`
	// Told are the steps that the link's history has of this flow.
	Told []string `json:"told,omitempty"`
	// Failure and Result are what a finished flow shows to its own browser.
	Failure *failure `json:"failure,omitempty"`
	Result  *result  `json:"result,omitempty"`
}

// direct is what a connection by API was begun with.
type direct struct {
	Values map[string]string `json:"values,omitempty"`
}

type question struct {
	Step  connector.Step `json:"step"`
	State []byte         `json:"state,omitempty"`
}

type failure struct {
	Code      errs.Code         `json:"code"`
	Args      map[string]string `json:"args,omitempty"`
	Retryable bool              `json:"retryable,omitempty"`
}

type result struct {
	AccountID  latchkey.AccountID `json:"account_id"`
	ExternalID string             `json:"external_id,omitempty"`
	State      string             `json:"state"`
	Identity   string             `json:"identity"`
	Shown      string             `json:"shown,omitempty"`
	Warnings   []string           `json:"warnings,omitempty"`
}

func (b *body) encode() ([]byte, error) {
	out, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("hosted: encode flow: %w", err)
	}
	return out, nil
}

func decodeBody(f latchkey.Flow) (body, error) {
	var b body
	if len(f.Body) == 0 { // an expired flow: its body was erased
		return b, nil
	}
	if err := json.Unmarshal(f.Body, &b); err != nil {
		return body{}, fmt.Errorf("hosted: decode flow %s: %w", f.ID, err)
	}
	return b, nil
}

// finished keeps of a body only what its browser is still shown: nothing typed, no state.
func (b *body) finished(step connector.Step) {
	*b = body{Token: b.Token, Step: step, Own: true, Failure: b.Failure, Result: b.Result}
}
