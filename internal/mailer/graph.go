package mailer

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"latchkey"
	"latchkey/internal/errs"
)

// graphError is a refusal by Microsoft Graph.
type graphError struct {
	status int
	code   string
	text   string
}

func (e *graphError) Error() string {
	return fmt.Sprintf("graph: %d %s: %s", e.status, e.code, e.text)
}

// maxGraphAnswer bounds what is read of a refusal.
const maxGraphAnswer = 16 << 10

// sendGraph hands a message over by POST /users/{sender}/sendMail, which takes MIME in base64
// (learn.microsoft.com/graph/outlook-send-mime-message).
func (s *Service) sendGraph(ctx context.Context, sender latchkey.Sender, token string, message io.WriterTo) error {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	var mime bytes.Buffer
	if _, err := message.WriteTo(&mime); err != nil {
		return at(stageData, err)
	}
	body := base64.StdEncoding.EncodeToString(mime.Bytes())
	to := s.cfg.Providers.graph() + "/v1.0/users/" + url.PathEscape(sender.Address) + "/sendMail"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewBufferString(body))
	if err != nil {
		return at(stageConnect, err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "text/plain")
	res, err := s.cfg.OAuth.Do(req)
	if err != nil {
		return at(stageConnect, err)
	}
	defer func() { _ = res.Body.Close() }() // the answer has been read as far as it is wanted
	if res.StatusCode == http.StatusAccepted {
		return nil
	}
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxGraphAnswer))
	if err != nil {
		return at(stageData, err)
	}
	return at(stageData, graphRefusal(res.StatusCode, raw))
}

func graphRefusal(status int, raw []byte) *graphError {
	var answer struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	// An answer that is no JSON is told by its status alone.
	_ = json.Unmarshal(raw, &answer)
	return &graphError{status: status, code: answer.Error.Code, text: answer.Error.Message}
}

// explainGraph reads Graph's codes (learn.microsoft.com/graph/errors).
func explainGraph(e *graphError) verdict {
	v := verdict{Detail: clean(e.Error()), Blame: ofSender}
	switch {
	case e.status == http.StatusTooManyRequests:
		v.Code, v.Temporary = errs.CodeRateLimited, true
	case e.status >= 500:
		v.Code, v.Temporary, v.Blame = errs.CodeUnavailable, true, ofNobody
	case e.status == http.StatusUnauthorized:
		v.Code = errs.CodeCredentialRejected
	case e.code == "ErrorSendAsDenied", e.status == http.StatusForbidden:
		v.Code = errs.CodeSenderNotAllowed
	case e.status == http.StatusNotFound, e.code == "ErrorInvalidUser", e.code == "MailboxNotEnabledForRESTAPI":
		v.Code = errs.CodeMailboxNotFound
	case e.code == "ErrorInvalidRecipients":
		v.Code, v.Blame = errs.CodeRecipientRefused, ofRecipient
	default:
		v.Code, v.Blame = errs.CodeMessageRefused, ofMessage
	}
	return v
}
