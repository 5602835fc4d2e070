package api

import (
	"context"
	"net/http"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
)

// Bounds on the answers of a checkpoint.
const (
	maxCheckpointValues = 40
	maxCheckpointName   = 64
	maxCheckpointValue  = 8192
	// otherWay is what client libraries send as a code to be asked in another way.
	otherWay = "TRY_ANOTHER_WAY"
)

// answerCheckpoint answers POST /accounts/checkpoint.
func (a *API) answerCheckpoint(ctx context.Context, c *call) (answer, error) {
	f, err := c.object()
	if err != nil {
		return answer{}, err
	}
	in := readCheckpoint(f)
	in.Action = connector.Action(f.str("action", text{max: maxNameOf, emptyAbsent: true}))
	if n, ok := f.integer("version", 1, 1<<30); ok {
		in.Version = int64(n)
	}
	in.Values = f.flatMap("values", maxCheckpointValues, maxCheckpointName, maxCheckpointValue)
	in.Code = f.secret("code")
	switch in.Action {
	case "", connector.ActSubmit, connector.ActBack, connector.ActResend, connector.ActSwitchMethod, connector.ActRefresh, connector.ActCancel:
	default:
		f.fail("action", errs.CodeInvalidValue, "This must be submit, back, resend, switch_method, refresh or cancel.")
	}
	switch {
	case in.Code != "" && in.Values != nil:
		f.fail("code", errs.CodeUnsupported, "Send code or values, not both.")
	case f.lenient && in.Code == otherWay:
		in.Code, in.Action = "", connector.ActSwitchMethod
	case in.Action == "" && (in.Code != "" || in.Values != nil):
		in.Action = connector.ActSubmit
	}
	if err := f.done(); err != nil {
		return answer{}, err
	}
	res, err := a.cfg.Direct.AnswerCheckpoint(ctx, c.app, in)
	if err != nil {
		return answer{}, err
	}
	if cp := res.Checkpoint; cp != nil && f.lenient && in.Code != "" && len(cp.Step.Errors) > 0 {
		// Client libraries know a refused answer by its status alone.
		return answer{}, errs.New(errs.Unauthenticated, errs.CodeWrongCode, "The answer was not right; the checkpoint asks again.")
	}
	return c.connected(res), nil
}

// resendCheckpoint answers POST /accounts/checkpoint/resend.
func (a *API) resendCheckpoint(ctx context.Context, c *call) (answer, error) {
	f, err := c.object()
	if err != nil {
		return answer{}, err
	}
	in := readCheckpoint(f)
	in.Action = connector.ActResend
	if err := f.done(); err != nil {
		return answer{}, err
	}
	res, err := a.cfg.Direct.AnswerCheckpoint(ctx, c.app, in)
	if err != nil {
		return answer{}, err
	}
	if res.Checkpoint == nil {
		return c.connected(res), nil
	}
	return answer{http.StatusOK, checkpointResend{
		Object: "CheckpointResend", AccountID: string(res.Checkpoint.AccountID), Success: len(res.Checkpoint.Step.Errors) == 0,
		ResendAt: optional(&res.Checkpoint.Step.ResendAt),
	}}, nil
}

// readCheckpoint reads which checkpoint is meant.
func readCheckpoint(f *fields) hosted.CheckpointAnswer {
	var in hosted.CheckpointAnswer
	in.Account = f.accountRef("account_id", false)
	id := f.str("checkpoint_id", text{max: maxNameOf, trim: true, emptyAbsent: true})
	if id != "" && !idShape(id, "flw_") {
		f.fail("checkpoint_id", errs.CodeInvalidValue, "This is not the id of a checkpoint.")
	}
	in.Flow = latchkey.FlowID(id)
	if in.Account == "" && id == "" && !f.failed("account_id") {
		f.fail("checkpoint_id", errs.CodeRequired, "Say which checkpoint it is, by checkpoint_id or account_id.")
	}
	if p := f.str("provider", text{max: maxNameOf, emptyAbsent: true}); p != "" {
		var ok bool
		if in.Provider, ok = latchkey.ParseProvider(p); !ok {
			f.fail("provider", errs.CodeInvalidValue, "This is not a provider.")
		}
	}
	return in
}

// connected answers with an account, or with what stands between.
func (c *call) connected(res hosted.DirectResult) answer {
	if cp := res.Checkpoint; cp != nil {
		return answer{http.StatusAccepted, c.checkpoint(*cp)}
	}
	if res.Reconnected {
		return answer{http.StatusOK, accountReconnected{
			Object: "AccountReconnected", AccountID: string(res.Account.ID), Test: res.Account.Test,
		}}
	}
	status := http.StatusCreated
	if res.State == "existing" {
		status = http.StatusOK
	}
	return answer{status, accountCreated{
		Object: "AccountCreated", AccountID: string(res.Account.ID), State: res.State, Test: res.Account.Test,
	}}
}

func (c *call) checkpoint(cp hosted.Checkpoint) checkpoint {
	st := cp.Step
	out := checkpoint{
		Object: "Checkpoint", CheckpointID: string(cp.FlowID), AccountID: string(cp.AccountID), Provider: c.typeName(cp.Provider),
		Version: cp.Version, ExpiresAt: at(cp.ExpiresAt),
		Checkpoint: checkpointStep{
			Kind: string(st.Kind), ID: st.ID, Args: st.Args, Display: string(st.Display), Payload: st.Payload,
			ExpiresAt: optional(&st.ExpiresAt), Attempt: st.Attempt, Attempts: st.Attempts, PollMS: st.Poll.Milliseconds(),
			ResendAt: optional(&st.ResendAt), Actions: append([]connector.Action{}, st.Actions...), Errors: []errs.FieldError{},
		},
	}
	s := &out.Checkpoint
	for _, f := range st.Fields {
		s.Fields = append(s.Fields, checkpointField{
			Name: f.Name, Type: string(f.Type), Required: f.Required, Value: f.Value, MaxLength: f.MaxLength, Options: optionIDs(f.Options),
		})
	}
	s.Options = optionIDs(st.Options)
	for _, n := range st.Notes {
		s.Notes = append(s.Notes, checkpointNote{Level: string(n.Level), Code: n.Code, Args: n.Args, URL: n.URL})
	}
	for _, e := range st.Errors {
		s.Errors = append(s.Errors, errs.FieldError{Field: e.Field, Code: e.Code, Message: hosted.FieldMessage(e.Code, e.Args)})
	}
	s.Actions = append(s.Actions, connector.ActCancel)
	if c.lenient {
		s.Type, s.QRCode = lenientType(st)
	}
	return out
}

func optionIDs(options []connector.Option) []checkpointOption {
	var out []checkpointOption
	for _, o := range options {
		out = append(out, checkpointOption{ID: o.ID, Name: o.Label})
	}
	return out
}

// lenientType names a step as client libraries know it.
func lenientType(st connector.Step) (name, qrcode string) {
	switch st.Kind {
	case connector.KindDisplay:
		return "QRCODE", st.Payload // a pairing code is in the same place: it is what the person is shown
	case connector.KindChallenge:
		return "CAPTCHA", ""
	case connector.KindChoose:
		return "CONTRACT_CHOOSER", ""
	case connector.KindForm:
		for _, f := range st.Fields {
			switch f.Type {
			case connector.FieldCode:
				return "OTP", ""
			case connector.FieldPassword:
				return "2FA", ""
			case connector.FieldTel:
				return "PHONE_REGISTER", ""
			case connector.FieldText, connector.FieldEmail, connector.FieldNumber, connector.FieldSelect, connector.FieldCheckbox,
				connector.FieldReadonly, connector.FieldChoice:
			}
		}
		return "OTP", ""
	case connector.KindRedirect, connector.KindWait, connector.KindExtension, connector.KindNotice:
	}
	return "IN_APP_VALIDATION", ""
}
