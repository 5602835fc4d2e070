package dashboard

import (
	"context"
	"net/http"
	"time"

	"latchkey"
	"latchkey/internal/accounts"
	"latchkey/internal/applications"
	"latchkey/internal/branding"
	"latchkey/internal/errs"
	"latchkey/internal/funnel"
	"latchkey/internal/hooks"
	"latchkey/internal/hosted"
	"latchkey/internal/mailer"
	"latchkey/internal/mailer/maildns"
	"latchkey/internal/operators"
	"latchkey/internal/providerapps"
	"latchkey/internal/secret"
	"latchkey/internal/signin"
	"latchkey/internal/store"
)

// Operators are the people who come here.
type Operators interface {
	Authenticate(ctx context.Context, token string) (latchkey.Operator, latchkey.Login, error)
	RolesOf(ctx context.Context, o latchkey.Operator) (operators.Roles, error)
	Look(ctx context.Context, token string) (operators.Door, error)
	Enter(ctx context.Context, token, email, name string, b operators.Browser) (operators.SignedIn, error)
	Invite(ctx context.Context, i operators.Invite) (operators.Invitation, error)
	Members(ctx context.Context, app latchkey.ApplicationID) ([]operators.Member, error)
	SetRole(ctx context.Context, app latchkey.ApplicationID, id latchkey.OperatorID, role latchkey.Role) error
	RemoveMember(ctx context.Context, app latchkey.ApplicationID, id latchkey.OperatorID) error
	Rename(ctx context.Context, id latchkey.OperatorID, name string) error
	Logins(ctx context.Context, o latchkey.OperatorID) ([]latchkey.Login, error)
	EndLogin(ctx context.Context, o latchkey.OperatorID, id latchkey.LoginID) error
	EndLogins(ctx context.Context, o latchkey.OperatorID) error
	HasPasskeys() bool
	Passkeys(ctx context.Context, o latchkey.OperatorID) ([]latchkey.Passkey, error)
	BeginRegister(ctx context.Context, o latchkey.Operator) (operators.Ceremony, error)
	Register(ctx context.Context, o latchkey.Operator, token, name string, answer []byte) (latchkey.Passkey, error)
	DeletePasskey(ctx context.Context, o latchkey.OperatorID, id latchkey.PasskeyID) error
	ByMailbox(ctx context.Context, address string, b operators.Browser) (operators.SignedIn, error)
	BeginPasskey(ctx context.Context) (operators.Ceremony, error)
	Passkey(ctx context.Context, token string, answer []byte, b operators.Browser) (operators.SignedIn, error)
}

// Codes sign operators in by their mailbox.
type Codes interface {
	// BeginOperator returns the page that goes on; EndOperator exchanges what it came back with for the
	// canonical address that was proved.
	BeginOperator(w http.ResponseWriter, r *http.Request, email, back string) (string, error)
	EndOperator(r *http.Request, grant string) (string, error)
}

// Applications looks after applications and their keys.
type Applications interface {
	List(ctx context.Context) ([]latchkey.Application, error)
	Get(ctx context.Context, id latchkey.ApplicationID) (latchkey.Application, error)
	Create(ctx context.Context, spec applications.Spec) (applications.Created, error)
	Change(ctx context.Context, id latchkey.ApplicationID, want applications.Settings) (latchkey.Application, error)
	Keys(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.APIKey, error)
	CreateKey(ctx context.Context, app latchkey.ApplicationID, name string, perms []latchkey.Permission) (latchkey.APIKey, secret.Text, error)
	DeleteKey(ctx context.Context, app latchkey.ApplicationID, id latchkey.KeyID) error
}

// Links makes and reads links.
type Links interface {
	CreateLink(ctx context.Context, app latchkey.Application, spec hosted.LinkSpec) (hosted.CreatedLink, error)
	Link(ctx context.Context, app latchkey.ApplicationID, id latchkey.LinkID) (latchkey.Link, []latchkey.Event, error)
	Links(ctx context.Context, app latchkey.ApplicationID, f store.LinkFilter, p store.Page) ([]latchkey.Link, error)
	ExpireLink(ctx context.Context, app latchkey.ApplicationID, id latchkey.LinkID) (latchkey.Link, error)
	CreateReconnectURL(ctx context.Context, app latchkey.Application, spec hosted.ReconnectURLSpec) (hosted.CreatedReconnectURL, error)
	RevokeReconnectURLs(ctx context.Context, app latchkey.ApplicationID, idOrExternal string) error
}

// Accounts looks after connected accounts.
type Accounts interface {
	List(ctx context.Context, app latchkey.ApplicationID, p store.Page) ([]latchkey.Account, error)
	ListByStatus(ctx context.Context, app latchkey.ApplicationID, st latchkey.AccountStatus, p store.Page) ([]latchkey.Account, error)
	CountByStatus(ctx context.Context, app latchkey.ApplicationID) (map[latchkey.AccountStatus]int64, error)
	Get(ctx context.Context, app latchkey.ApplicationID, idOrExternal string) (latchkey.Account, error)
	History(ctx context.Context, app latchkey.ApplicationID, idOrExternal string, p store.Page) ([]latchkey.StatusChange, error)
	Check(ctx context.Context, app latchkey.ApplicationID, idOrExternal string) (latchkey.Account, error)
	Change(ctx context.Context, app latchkey.ApplicationID, idOrExternal string, want accounts.Change) (latchkey.Account, error)
	Delete(ctx context.Context, app latchkey.ApplicationID, idOrExternal string) error
}

// Webhooks looks after endpoints and what is sent to them.
type Webhooks interface {
	CreateEndpoint(ctx context.Context, app latchkey.ApplicationID, spec hooks.EndpointSpec) (latchkey.Endpoint, error)
	Endpoints(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.Endpoint, error)
	Endpoint(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID) (latchkey.Endpoint, error)
	UpdateEndpoint(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID, spec hooks.EndpointSpec) (latchkey.Endpoint, error)
	RotateApplicationSecret(ctx context.Context, app latchkey.ApplicationID) (latchkey.Application, error)
	RotateSecret(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID) (latchkey.Endpoint, error)
	ResumeEndpoint(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID) (latchkey.Endpoint, error)
	DeleteEndpoint(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID) error
	TestEndpoint(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID) (latchkey.Delivery, error)
	Deliveries(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID, p store.Page) ([]hooks.Logged, bool, error)
	Delivery(ctx context.Context, app latchkey.ApplicationID, id latchkey.DeliveryID) (latchkey.Delivery, []latchkey.Attempt, error)
	Replay(ctx context.Context, app latchkey.ApplicationID, id latchkey.DeliveryID) (latchkey.Delivery, error)
	ReplaySince(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID, since time.Time) error
}

// ProviderApps looks after the OAuth clients of applications.
type ProviderApps interface {
	Create(ctx context.Context, app latchkey.ApplicationID, spec providerapps.Spec) (latchkey.ProviderApp, error)
	List(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.ProviderApp, error)
	Get(ctx context.Context, app latchkey.ApplicationID, id latchkey.ProviderAppID) (latchkey.ProviderApp, error)
	Update(ctx context.Context, app latchkey.ApplicationID, id latchkey.ProviderAppID, spec providerapps.Spec) (latchkey.ProviderApp, error)
	Delete(ctx context.Context, app latchkey.ApplicationID, id latchkey.ProviderAppID) error
	Verify(ctx context.Context, app latchkey.ApplicationID, id latchkey.ProviderAppID) (providerapps.Verification, error)
}

// Senders looks after the senders of applications.
type Senders interface {
	Create(ctx context.Context, app latchkey.ApplicationID, spec mailer.SenderSpec) (latchkey.Sender, error)
	List(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.Sender, error)
	Get(ctx context.Context, app latchkey.ApplicationID, id latchkey.SenderID) (latchkey.Sender, error)
	// Apply says all that would be wrong with a change.
	Apply(was latchkey.Sender, spec mailer.SenderSpec) (latchkey.Sender, []errs.FieldError)
	Update(ctx context.Context, app latchkey.ApplicationID, id latchkey.SenderID, spec mailer.SenderSpec) (latchkey.Sender, error)
	Delete(ctx context.Context, app latchkey.ApplicationID, id latchkey.SenderID) error
	Check(ctx context.Context, app latchkey.ApplicationID, id latchkey.SenderID) (latchkey.Sender, mailer.Check, error)
	Test(ctx context.Context, app latchkey.ApplicationID, id latchkey.SenderID, to, locale string) (latchkey.Mail, error)
	AskAgain(ctx context.Context, app latchkey.ApplicationID, id latchkey.SenderID, locale string) (latchkey.Sender, error)
	// Waiting counts the mails that wait for the sender.
	Waiting(ctx context.Context, v latchkey.Sender) (int, error)
	DNS(ctx context.Context, v latchkey.Sender) (maildns.Advice, error)
	Hints(v latchkey.Sender) []mailer.Hint
	Setup(v latchkey.Sender) []mailer.SetupStep
}

// Mails knows the words of mails, what became of them, and the default sender.
type Mails interface {
	// Default is the default sender's address and name; empty where there is none.
	Default() (email, name string)
	Locales() []string
	Templates(ctx context.Context, app latchkey.ApplicationID) ([]mailer.OwnTemplate, error)
	Template(ctx context.Context, app latchkey.ApplicationID, locale string) (mailer.OwnTemplate, error)
	// OurTemplate has our words for a language, to begin with.
	OurTemplate(locale string) (mailer.Template, error)
	PutTemplate(ctx context.Context, app latchkey.ApplicationID, locale string, t mailer.Template) (mailer.OwnTemplate, error)
	DeleteTemplate(ctx context.Context, app latchkey.ApplicationID, locale string) error
	Preview(ctx context.Context, app latchkey.Application, locale string, t *mailer.Template, link string) (mailer.Rendered, error)
	Mails(ctx context.Context, app latchkey.ApplicationID, p store.Page) ([]latchkey.Mail, error)
	MailsByStatus(ctx context.Context, app latchkey.ApplicationID, st latchkey.MailStatus, p store.Page) ([]latchkey.Mail, error)
	// Problems is Mails of those that failed or expired.
	Problems(ctx context.Context, app latchkey.ApplicationID, p store.Page) ([]latchkey.Mail, error)
	Mail(ctx context.Context, app latchkey.ApplicationID, id latchkey.MailID) (latchkey.Mail, error)
}

// SignIns knows who may sign in to an application.
type SignIns interface {
	Settings(ctx context.Context, app latchkey.ApplicationID) (signin.Settings, error)
	PutSettings(ctx context.Context, app latchkey.ApplicationID, set signin.Settings) error
	AddRules(ctx context.Context, app latchkey.ApplicationID, l latchkey.SignInList, patterns []string) (int, error)
	DeleteRules(ctx context.Context, app latchkey.ApplicationID, l latchkey.SignInList, patterns []string) (int, error)
	Rules(ctx context.Context, app latchkey.ApplicationID, l latchkey.SignInList, after string, limit int) ([]string, error)
}

// OpenID looks after applications' OpenID Connect clients and signing keys.
type OpenID interface {
	Issuer(app latchkey.ApplicationID) string
	CreateClient(ctx context.Context, app latchkey.ApplicationID, spec signin.ClientSpec) (signin.CreatedClient, error)
	Clients(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.OIDCClient, error)
	Client(ctx context.Context, app latchkey.ApplicationID, id latchkey.OIDCClientID) (latchkey.OIDCClient, error)
	UpdateClient(ctx context.Context, app latchkey.ApplicationID, id latchkey.OIDCClientID, spec signin.ClientSpec) (latchkey.OIDCClient, error)
	RotateClientSecret(ctx context.Context, app latchkey.ApplicationID, id latchkey.OIDCClientID) (signin.CreatedClient, error)
	DeleteClient(ctx context.Context, app latchkey.ApplicationID, id latchkey.OIDCClientID) error
	SigningKeys(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.SigningKey, error)
	RotateKeys(ctx context.Context, app latchkey.ApplicationID, atOnce bool) error
}

// Branding looks after how applications' pages look.
type Branding interface {
	Get(ctx context.Context, app latchkey.ApplicationID) (branding.Stored, error)
	Change(ctx context.Context, app latchkey.ApplicationID, change func(branding.Branding) branding.Branding) (branding.Stored, []branding.Removal, error)
	Reset(ctx context.Context, app latchkey.ApplicationID) error
	AddImage(ctx context.Context, app latchkey.ApplicationID, data []byte, field string) (img latchkey.Image, made bool, err error)
	Images(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.Image, error)
	DeleteImage(ctx context.Context, app latchkey.ApplicationID, id latchkey.ImageID) error
	Languages() []string
}

// Funnel reads how far links got.
type Funnel interface {
	Read(ctx context.Context, app latchkey.ApplicationID, from, to time.Time) (funnel.Funnel, error)
}

// Trail writes the audit trail, and AuditLog reads it.
type Trail interface {
	Fill(e latchkey.AuditEntry) latchkey.AuditEntry
	Write(ctx context.Context, e latchkey.AuditEntry)
	Count(e latchkey.AuditEntry)
}

// AuditLog reads the audit trail.
type AuditLog interface {
	List(ctx context.Context, app latchkey.ApplicationID, p store.Page) ([]latchkey.AuditEntry, error)
}
