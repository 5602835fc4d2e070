package latchkey

import "time"

// Role is what an operator may do in one application; the later ones include the earlier.
type Role string

// The roles.
const (
	// RoleViewer sees everything but secrets, and changes nothing.
	RoleViewer Role = "viewer"
	// RoleDeveloper changes everything but the members and the application itself.
	RoleDeveloper Role = "developer"
	RoleOwner     Role = "owner"
)

// ParseRole accepts the roles above.
func ParseRole(s string) (Role, bool) {
	switch r := Role(s); r {
	case RoleViewer, RoleDeveloper, RoleOwner:
		return r, true
	}
	return "", false
}

// Includes tells whether whoever has r may do what needs the other role. No role includes nothing.
func (r Role) Includes(other Role) bool { return r.rank() > 0 && r.rank() >= other.rank() }

func (r Role) rank() int {
	switch r {
	case RoleViewer:
		return 1
	case RoleDeveloper:
		return 2
	case RoleOwner:
		return 3
	}
	return 0
}

// Operator is a person who uses the dashboard.
type Operator struct {
	ID OperatorID
	// Email is as it was typed; Address is its canonical form (package address), unique among operators.
	Email   string
	Address string
	Name    string
	// Owner of the installation: owner of every application there is and will be.
	Owner bool
	// AcceptedAt is when the invitation was accepted; zero while it was not.
	AcceptedAt time.Time
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// Membership is an operator's role in an application.
type Membership struct {
	OperatorID    OperatorID
	ApplicationID ApplicationID
	Role          Role
	CreatedAt     time.Time
}

// Login is a browser in which an operator is signed in. Only the hash of its cookie is kept.
type Login struct {
	ID         LoginID
	OperatorID OperatorID
	TokenHash  []byte
	// Method is how the operator came in.
	Method    LoginMethod
	UserAgent string
	Address   string
	CreatedAt time.Time
	SeenAt    time.Time
	// ExpiresAt is the end, however busy the login is.
	ExpiresAt time.Time
}

// LoginMethod is how an operator proved who they are.
type LoginMethod string

// The methods.
const (
	LoginByURL     LoginMethod = "one_time_url"
	LoginByPasskey LoginMethod = "passkey"
	LoginByCode    LoginMethod = "email_code"
)

// Passkey is a WebAuthn credential of an operator. It holds no secret: the private key never leaves
// the authenticator.
type Passkey struct {
	ID         PasskeyID
	OperatorID OperatorID
	Name       string
	// CredentialID is the authenticator's own id of it, unique; Credential is the rest, as JSON.
	CredentialID []byte
	Credential   []byte
	CreatedAt    time.Time
	UsedAt       time.Time
}

// Shown is what others read as the operator's name.
func (o Operator) Shown() string {
	if o.Name != "" {
		return o.Name
	}
	return o.Email
}
