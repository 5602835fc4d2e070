package google

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"latchkey/internal/connector/oauthflow"
)

// refused reads a refusal of the Gmail API (developers.google.com/workspace/gmail/api/guides/handle-errors).
// Most 403s are an organisation's rules; some are the operator's to mend, some pass by themselves.
func refused(a oauthflow.Answer) error {
	if a.Status == http.StatusTooManyRequests || a.Status >= http.StatusInternalServerError {
		return oauthflow.NewError(oauthflow.ProblemUnavailable, "the Gmail API is busy")
	}
	if a.Status != http.StatusForbidden {
		return oauthflow.Refused(a)
	}
	var body struct {
		Error struct {
			Message string `json:"message"`
			Errors  []struct {
				Reason string `json:"reason"`
			} `json:"errors"`
			Details []struct {
				Reason string `json:"reason"`
			} `json:"details"`
		} `json:"error"`
	}
	if err := json.Unmarshal(a.Body, &body); err != nil {
		return oauthflow.Refused(a)
	}
	var reasons []string
	for _, e := range slices.Concat(body.Error.Errors, body.Error.Details) {
		reasons = append(reasons, strings.ToLower(e.Reason))
	}
	is := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(reasons, n) })
	}
	switch {
	case is("accessnotconfigured", "service_disabled"):
		return oauthflow.NewError(oauthflow.ProblemPermissions, "the Gmail API is not enabled in the client's project: "+body.Error.Message)
	case is("insufficientpermissions", "access_token_scope_insufficient"):
		return oauthflow.NewError(oauthflow.ProblemScopes, body.Error.Message)
	case is("ratelimitexceeded", "userratelimitexceeded", "dailylimitexceeded", "quotaexceeded", "rate_limit_exceeded"):
		return oauthflow.NewError(oauthflow.ProblemUnavailable, body.Error.Message)
	}
	return oauthflow.Refused(a)
}
