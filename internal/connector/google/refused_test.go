package google

import (
	"errors"
	"testing"

	"latchkey/internal/connector/oauthflow"
)

func TestRefusalsOfTheGmailAPI(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		body   string
		want   oauthflow.Problem
	}{
		{403, `{"error":{"code":403,"message":"Gmail API has not been used in project 1","errors":[{"reason":"accessNotConfigured"}],"details":[{"reason":"SERVICE_DISABLED"}]}}`, oauthflow.ProblemPermissions},
		{403, `{"error":{"code":403,"details":[{"reason":"ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}}`, oauthflow.ProblemScopes},
		{403, `{"error":{"code":403,"errors":[{"reason":"userRateLimitExceeded"}]}}`, oauthflow.ProblemUnavailable},
		{403, `{"error":{"code":403,"errors":[{"reason":"domainPolicy"}]}}`, oauthflow.ProblemBlocked},
		{403, `<html>`, oauthflow.ProblemBlocked},
		{401, `{"error":{"code":401}}`, oauthflow.ProblemRejected},
		{429, ``, oauthflow.ProblemUnavailable},
		{503, ``, oauthflow.ProblemUnavailable},
	} {
		var e *oauthflow.ProviderError
		if err := refused(oauthflow.Answer{Status: c.status, Body: []byte(c.body)}); !errors.As(err, &e) || e.Problem != c.want {
			t.Errorf("%d %s: %v", c.status, c.body, err)
		}
	}
}
