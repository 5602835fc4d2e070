package oauthflow

import (
	"context"
	"net/http"
	"time"

	"latchkey/internal/connector"
)

// Refused makes an error of an API's answer: 401 is the token's end, 403 a permission that is lacking.
func Refused(a Answer) error {
	e := fromBody(a.Status, a.Body)
	switch a.Status {
	case http.StatusUnauthorized:
		e.Problem = ProblemRejected
	case http.StatusForbidden:
		e.Problem = ProblemBlocked
	}
	return e
}

// NewError makes an error of a problem that a connector found itself.
func NewError(p Problem, description string) error {
	return &ProviderError{Problem: p, Code: string(p), Description: clean(description, 300)}
}

// ErrorIn reads the error in an endpoint's answer.
func ErrorIn(a Answer) error { return fromBody(a.Status, a.Body) }

// UserinfoProfile is a Spec's Profile for providers whose API to prove a token is userinfo.
func (f *Flow) UserinfoProfile(ctx context.Context, app connector.App, s Secret, p Person) (Person, error) {
	where, err := f.endpoints(ctx, app)
	if err != nil {
		return Person{}, err
	}
	c, err := f.userinfo(ctx, where.Userinfo, s.AccessToken)
	if err != nil {
		return Person{}, err
	}
	if c.Subject == "" || (p.ID != "" && p.ID != c.Subject) {
		return Person{}, NewError(ProblemForged, "userinfo is somebody else's")
	}
	more := c.person()
	more.Name = firstOf(more.Name, p.Name)
	more.ID = c.Subject
	return more, nil
}

// Now is the installation's clock.
func (f *Flow) Now() time.Time { return f.now().UTC() }

// Expired is the error of a token that has ended and cannot be renewed.
func Expired() error {
	return &ProviderError{Problem: ProblemRejected, Code: "expired", Description: "the token has ended"}
}
