package api

import (
	"latchkey/internal/connector"
	"latchkey/internal/errs"
)

// checkpointRequest describes the body of POST /accounts/checkpoint; answerCheckpoint reads it.
type checkpointRequest struct {
	CheckpointID string            `json:"checkpoint_id,omitempty" pattern:"^flw_[0-9a-z]{26}$" doc:"Which checkpoint; or account_id."`
	AccountID    string            `json:"account_id,omitempty" maxLength:"256" doc:"The account_id that the checkpoint names: its newest checkpoint is meant."`
	Provider     string            `json:"provider,omitempty" doc:"If given, it must be the checkpoint's."`
	Version      int64             `json:"version,omitempty" minimum:"1" doc:"The version that you saw: if the checkpoint has moved on since, the answer is 409 stale_version, and nothing is done."`
	Action       string            `json:"action,omitempty" enum:"submit,back,resend,switch_method,refresh,cancel" doc:"One of checkpoint.actions. Default: submit with code or values, else none: the answer only says how things stand."`
	Values       map[string]string `json:"values,omitempty" maxProperties:"40" writeOnly:"true" doc:"Answers by the names of checkpoint.fields."`
	Code         string            `json:"code,omitempty" maxLength:"1024" writeOnly:"true" doc:"The answer to the one field there is, whatever its name."`
}

// checkpointRef describes the body of POST /accounts/checkpoint/resend.
type checkpointRef struct {
	CheckpointID string `json:"checkpoint_id,omitempty" pattern:"^flw_[0-9a-z]{26}$" doc:"Which checkpoint; or account_id."`
	AccountID    string `json:"account_id,omitempty" maxLength:"256"`
	Provider     string `json:"provider,omitempty"`
}

// checkpoint is what stands between a connection by API and its account.
type checkpoint struct {
	Object       string         `json:"object" enum:"Checkpoint"`
	CheckpointID string         `json:"checkpoint_id"`
	AccountID    string         `json:"account_id" doc:"The id that the account will have. Until then there is no such account."`
	Provider     string         `json:"provider"`
	Version      int64          `json:"version"`
	ExpiresAt    stamp          `json:"expires_at" doc:"Until when the checkpoint can be brought to its end."`
	Checkpoint   checkpointStep `json:"checkpoint"`
}

type checkpointStep struct {
	Kind      string             `json:"kind" enum:"choose,form,display,wait,challenge,notice" doc:"form: ask for fields. choose: show options. display: show payload, and ask again after poll_ms. wait: ask again after poll_ms."`
	ID        string             `json:"id" doc:"Stable name of the step, such as telegram.code."`
	Args      map[string]string  `json:"args,omitempty" doc:"What the step is about, such as a masked number, or how a code was sent."`
	Type      string             `json:"type,omitempty" doc:"Under /api/v1 only: the name that client libraries know."`
	QRCode    string             `json:"qrcode,omitempty" doc:"Under /api/v1 only: payload."`
	Display   string             `json:"display,omitempty" enum:"qr,code" doc:"How to show payload: as a QR code, or as text to be typed elsewhere."`
	Payload   string             `json:"payload,omitempty" doc:"A secret of its own: who scans it gives the account. Show it to your end user alone."`
	ExpiresAt *stamp             `json:"expires_at,omitempty" nullable:"false" doc:"When payload is renewed."`
	Attempt   int                `json:"attempt,omitempty"`
	Attempts  int                `json:"attempts,omitempty"`
	PollMS    int64              `json:"poll_ms,omitempty" doc:"Ask again after that many milliseconds."`
	ResendAt  *stamp             `json:"resend_at,omitempty" nullable:"false" doc:"When resend may be asked for."`
	Fields    []checkpointField  `json:"fields,omitempty" nullable:"false"`
	Options   []checkpointOption `json:"options,omitempty" nullable:"false"`
	Notes     []checkpointNote   `json:"notes,omitempty" nullable:"false"`
	Actions   []connector.Action `json:"actions" nullable:"false"`
	Errors    []errs.FieldError  `json:"errors" nullable:"false" doc:"What was wrong with the last answer."`
}

type checkpointField struct {
	Name      string             `json:"name"`
	Type      string             `json:"type" enum:"text,email,password,number,tel,code,select,checkbox,readonly,choice"`
	Required  bool               `json:"required"`
	Value     string             `json:"value,omitempty" doc:"What to prefill; never a secret."`
	MaxLength int                `json:"max_length,omitempty"`
	Options   []checkpointOption `json:"options,omitempty" nullable:"false"`
}

type checkpointOption struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty" doc:"Set where the words come from the provider."`
}

type checkpointNote struct {
	Level string            `json:"level" enum:"info,warn,good,bad"`
	Code  string            `json:"code"`
	Args  map[string]string `json:"args,omitempty"`
	URL   string            `json:"url,omitempty"`
}

type checkpointResend struct {
	Object    string `json:"object" enum:"CheckpointResend"`
	AccountID string `json:"account_id"`
	Success   bool   `json:"success"`
	ResendAt  *stamp `json:"resend_at,omitempty" nullable:"false" doc:"When the next may be asked for."`
}
