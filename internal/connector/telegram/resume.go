package telegram

import (
	"fmt"
	"strings"

	"latchkey/internal/connector"
	"latchkey/internal/errs"
)

// Resume implements connector.Connector.
func (c *Connector) Resume(raw []byte, in connector.Input) (connector.Turn, error) {
	s, err := decodeState(raw)
	if err != nil {
		return connector.Turn{}, err
	}
	switch in.StepID {
	case stepOpening, stepQR:
		if in.Action == connector.ActRefresh {
			return c.openQR(s), nil
		}
		return show(phoneStep(s.fresh()), s.fresh()), nil
	case stepPhone:
		if in.Action == connector.ActSwitchMethod {
			return c.openQR(s), nil
		}
		return c.takePhone(s, in.Values["phone"]), nil
	case stepCode:
		return c.resumeCode(s, in), nil
	case stepPassword:
		if in.Action == connector.ActBack {
			return c.again(s), nil
		}
		return work(workPassword, s, in.Values["password"]), nil
	case stepFlood:
		if in.Action == connector.ActSwitchMethod {
			return c.otherMethod(s), nil
		}
		return c.afterFlood(s), nil
	case stepNoAccount:
		if in.Action == connector.ActSwitchMethod {
			return c.openQR(s), nil
		}
		s = s.fresh()
		s.Phone = ""
		return show(phoneStep(s), s), nil
	case stepUseQR:
		if in.Action == connector.ActBack {
			return show(phoneStep(s.fresh()), s.fresh()), nil
		}
		return c.openQR(s), nil
	}
	return connector.Turn{}, fmt.Errorf("telegram: no step %q", in.StepID)
}

func (c *Connector) resumeCode(s state, in connector.Input) connector.Turn {
	switch in.Action {
	case connector.ActSwitchMethod:
		return c.openQR(s)
	case connector.ActBack:
		return show(phoneStep(s.fresh()), s.fresh())
	case connector.ActResend:
		return work(workResend, s, "")
	}
	code := in.Values["code"]
	if s.Sent.Way != "phrase" && s.Sent.Way != "word" {
		code = onlyDigits(code)
	}
	if code = strings.TrimSpace(code); code == "" {
		return show(withError(codeStep(s), "code", errs.CodeWrongCode), s)
	}
	return work(workSignIn, s, code)
}

// onlyDigits takes what people put between the digits away, and reads digits of other scripts.
func onlyDigits(code string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9':
			return r
		case r >= '٠' && r <= '٩':
			return '0' + r - '٠'
		case r >= '۰' && r <= '۹':
			return '0' + r - '۰'
		}
		return -1
	}, code)
}

// openQR begins with a QR code, on a key of its own.
func (c *Connector) openQR(s state) connector.Turn {
	return c.lookQR(s.fresh(), *waitStep(workQR))
}

// lookQR is the Work that gets a code and waits until it is scanned or renewed.
func (c *Connector) lookQR(s state, step connector.Step) connector.Turn {
	t := work(workQR, s, "")
	t.Work.Show, t.Work.Repeat, t.Work.Interrupt = step, qrRest, connector.Rerun
	t.Work.Deadline = holdQR + workTime
	return t
}

// takePhone sends a code to the number, if it is one.
func (c *Connector) takePhone(s state, typed string) connector.Turn {
	s = s.fresh()
	phone, ok := normalPhone(typed)
	if !ok {
		if s.Phone = typed; len(typed) > maxTyped {
			s.Phone = ""
		}
		return show(withError(phoneStep(s), "phone", errs.CodeInvalidPhone), s)
	}
	s.Phone = phone
	return work(workSend, s, "")
}

// again begins the same method anew.
func (c *Connector) again(s state) connector.Turn {
	if s.Phone != "" {
		return show(phoneStep(s.fresh()), s.fresh())
	}
	return c.openQR(s)
}

func (c *Connector) otherMethod(s state) connector.Turn {
	if s.After == workQR {
		return show(phoneStep(s.fresh()), s.fresh())
	}
	return c.openQR(s)
}

// afterFlood goes on where Telegram made us wait. What was typed is not kept: it is asked again.
func (c *Connector) afterFlood(s state) connector.Turn {
	switch s.After {
	case workSend, workResend:
		return work(s.After, s, "")
	case workSignIn:
		return show(codeStep(s), s)
	case workPassword:
		return show(passwordStep(s), s)
	}
	return c.lookQR(s, *waitStep(workQR))
}
