// Package operators owns the people who use the dashboard: their roles, the one-time URLs by which
// they first come in, their passkeys, and the logins of their browsers. It knows no page and no mail
// host, and nothing of the end users of applications.
//
//	one-time URL ─▶ login ─▶ passkey ─▶ later logins
//
// Who may see a one-time URL can become the person that it invites. So it is shown to owners of the
// installation only, and on the command line; everybody else's invitations go by mail. Adding a role
// to somebody who is an operator already makes no URL at all.
package operators
