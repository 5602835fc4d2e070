package microsoft

import (
	"strings"

	"latchkey/internal/connector/oauthflow"
)

// problem names what Microsoft's errors mean. error and suberror come first: Microsoft may change its
// numbers. Only where they say little (access_denied, invalid_request, invalid_grant) do these decide.
func problem(e oauthflow.ProviderError) oauthflow.Problem {
	switch {
	case e.Code == "consent_required", e.Sub == "consent_required":
		return oauthflow.ProblemAdminConsent
	case e.Sub == "client_mismatch":
		return oauthflow.ProblemClientID
	}
	if p, ok := numbers()[e.AADSTS]; ok {
		return p
	}
	if e.Code == "invalid_request" && strings.Contains(strings.ToLower(e.Description), "redirect_uri") {
		return oauthflow.ProblemRedirectURI
	}
	return oauthflow.ProblemNone
}

// numbers are Microsoft's AADSTS codes (learn.microsoft.com, “Microsoft Entra authentication and
// authorization error codes”).
func numbers() map[int]oauthflow.Problem {
	out := map[int]oauthflow.Problem{}
	for p, codes := range map[oauthflow.Problem][]int{
		oauthflow.ProblemCancelled:     {65004},
		oauthflow.ProblemAdminConsent:  {65001, 90094, 90093, 90095},
		oauthflow.ProblemNotAssigned:   {50105},
		oauthflow.ProblemBlocked:       {53000, 53001, 53002, 53003, 53004, 53009, 53010, 53011, 530032, 50057, 50177, 51004},
		oauthflow.ProblemWrongType:     {50020, 9002331, 9002332, 500208, 50128, 90072, 500200, 500212, 500213},
		oauthflow.ProblemAgain:         {50058, 50072, 50074, 50076, 50078, 50079, 50126, 50158, 16000, 16001, 16003, 165100},
		oauthflow.ProblemClientID:      {700016, 7000112, 700027},
		oauthflow.ProblemClientSecret:  {7000215, 7000216, 7000218},
		oauthflow.ProblemSecretExpired: {7000222},
		oauthflow.ProblemRedirectURI:   {50011, 500112, 500113},
		oauthflow.ProblemPermissions:   {650052, 650053, 650056, 650057, 65005, 70011, 28000, 28002, 28003},
		oauthflow.ProblemTenant:        {90002, 90023, 50194, 50059, 900023},
		oauthflow.ProblemRejected:      {70000, 70008, 700082, 700084, 50173, 50133, 50089, 54005, 501481, 9002313, 70043, 135011, 50034},
		oauthflow.ProblemUnavailable:   {50196, 90033, 50000, 90014, 20033},
	} {
		for _, n := range codes {
			out[n] = p
		}
	}
	return out
}
