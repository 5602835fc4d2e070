package latchkey

import "time"

// ActorKind is by what somebody acted.
type ActorKind string

// The kinds of actors.
const (
	ActorKey ActorKind = "key" // an API key
	ActorCLI ActorKind = "cli" // the command line
	// ActorOperator is somebody in the dashboard; ActorID is the operator's id.
	ActorOperator ActorKind = "operator"
)

// AuditOK is the outcome of what was done; otherwise it is the code of what was wrong.
const AuditOK = "ok"

// AuditEntry is a line of the audit trail: who did what, when, from where. It holds no secret.
type AuditEntry struct {
	ID AuditID
	// ApplicationID is empty for what concerns the whole installation.
	ApplicationID ApplicationID
	At            time.Time
	Actor         ActorKind
	// ActorID is the key's or operator's id, or the account of the operating system; ActorName says it in words.
	ActorID, ActorName string
	// Action is a verb and a noun, such as delete_account; Target is the id of what it was done to.
	Action, Target string
	Address        string
	RequestID      string
	Outcome        string
	// Count is above one where the line stands for that many since the line before.
	Count int
}
