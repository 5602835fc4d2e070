package mailer

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"latchkey"
	"latchkey/internal/mailer/maildns"
)

// Hint is something worth knowing of a sender.
type Hint struct {
	Code    string
	Message string
	URL     string
}

// SetupStep is one thing to do outside, at whoever runs the mail host.
type SetupStep struct {
	Title string
	Text  string
	URL   string
	// Commands are for PowerShell, one a line, filled in.
	Commands []string
}

const (
	entraURL     = "https://entra.microsoft.com/#view/Microsoft_AAD_RegisteredApps/ApplicationsListBlade"
	basicEndsURL = "https://learn.microsoft.com/exchange/clients-and-mobile-in-exchange-online/deprecation-of-basic-authentication-exchange-online"
)

// Hints are what to know of a sender now.
func (s *Senders) Hints(v latchkey.Sender) []Hint {
	var out []Hint
	add := func(code, message, url string) { out = append(out, Hint{Code: code, Message: message, URL: url}) }
	if v.OwnedAt.IsZero() {
		add("unproven", "Nothing is sent from this address yet. A mail was sent there; whoever reads it has to open the link in it and agree.", "")
	}
	if v.Kind == latchkey.SenderBasic {
		basicHints(v, add)
	}
	if end := v.SecretExpiresAt; !end.IsZero() {
		switch left := end.Sub(s.m.now()); {
		case left <= 0:
			add("secret_expired", "The client secret ended on "+end.Format("2006-01-02")+". Make a new one and give it here.", entraURL)
		case left <= firstWarning*day:
			add("secret_expiring", "The client secret ends on "+end.Format("2006-01-02")+". Make a new one and give it here before that day.", entraURL)
		}
	} else if v.Provider == latchkey.Microsoft {
		add("secret_end_unknown", "Client secrets end after two years at most. Give the day as secret_expires_at, and you are told before.", entraURL)
	}
	if _, domain, _ := strings.Cut(v.Address, "@"); mailboxDomain(domain) && v.Kind == latchkey.SenderBasic && !microsoftHost(v.Host) && !googleHost(v.Host) {
		add("foreign_domain", "This address belongs to a mailbox provider, and this host is not the provider's: DMARC fails, and most receivers refuse such mail. Use an address of your own domain.", "")
	}
	return out
}

// mailboxDomain tells the domains whose owners let nobody else send for them.
func mailboxDomain(domain string) bool {
	switch domain {
	case "gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "msn.com", "yahoo.com", "icloud.com", "me.com", "aol.com", "gmx.de", "gmx.net", "web.de", "proton.me", "protonmail.com":
		return true
	}
	return false
}

func basicHints(v latchkey.Sender, add func(code, message, url string)) {
	host := strings.ToLower(v.Host)
	switch {
	case microsoftHost(host):
		add("basic_ends", "Microsoft is ending passwords for SMTP: unchanged until the end of December 2026; then off by default for existing tenants (an administrator may turn it on again) "+
			"and not there for new ones; the date of the final end is announced in the second half of 2027. Make a sender of kind oauth with provider microsoft.", basicEndsURL)
	case googleHost(host):
		add("app_password", "Google takes app passwords only. They end when the account's password changes. For a Workspace, a sender of kind oauth with provider google needs none.", "https://support.google.com/accounts/answer/185833")
	case strings.HasSuffix(host, ".postmarkapp.com"):
		add("postmark", "Postmark: a server API token is username and password at once; an SMTP token has an access key and a secret key.", "https://postmarkapp.com/developer/user-guide/send-email-with-smtp")
	case strings.HasSuffix(host, ".sendgrid.net"):
		if v.Username != "apikey" {
			add("sendgrid", "SendGrid: the username is the word apikey, the password is the API key.", "https://www.twilio.com/docs/sendgrid/for-developers/sending-email/getting-started-smtp")
		}
		add("click_tracking", "Turn click tracking off for login emails: it rewrites the link, so that it leads through another host.", "")
	case strings.HasSuffix(host, ".amazonaws.com"):
		add("ses", "Amazon SES: the password is an SMTP password made in the SES console, not the secret access key. In the sandbox mail goes to confirmed addresses only.", "https://docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html")
	case strings.HasSuffix(host, ".resend.com"):
		add("resend", "Resend: the username is the word resend, the password is an API key.", "https://resend.com/docs/send-with-smtp")
	case v.Port == 25:
		add("port_25", "Port 25 is for servers among themselves, and many networks block it. 587 is the port for this.", "")
	}
}

// Setup lists what has to be done at the provider, with the sender's own values filled in.
func (s *Senders) Setup(v latchkey.Sender) []SetupStep {
	switch {
	case v.Kind == latchkey.SenderOAuth && v.Provider == latchkey.Google:
		return googleSetup(v)
	case v.Kind == latchkey.SenderOAuth:
		return microsoftSetup(v)
	case microsoftHost(v.Host):
		return []SetupStep{{
			Title: "Turn on Authenticated SMTP for the mailbox", Text: "Passwords for SMTP are ending at Microsoft; this helps only until then.",
			Commands: []string{connectExchange(v), "Set-CASMailbox -Identity " + psQuote(v.Email) + " -SmtpClientAuthenticationDisabled $false"},
		}}
	}
	return []SetupStep{{
		Title: "Allow the address at your mail host",
		Text: fmt.Sprintf("Add and confirm the domain of %s at the host that runs %s, set the DNS records that it shows, and make a login for SMTP there. "+
			"See the DNS advice of this sender for what is still missing.", v.Email, v.Host),
	}}
}

func connectExchange(v latchkey.Sender) string {
	if strings.Contains(v.Tenant, ".") {
		return "Connect-ExchangeOnline -Organization " + psQuote(v.Tenant)
	}
	return "Connect-ExchangeOnline"
}

func microsoftSetup(v latchkey.Sender) []SetupStep {
	permission, api := permissionOf(v), "Office 365 Exchange Online"
	if v.Transport == latchkey.TransportGraph {
		api = "Microsoft Graph"
	}
	steps := []SetupStep{
		{
			Title: "Register an application", URL: entraURL,
			Text: "In Microsoft Entra: App registrations > New registration. Give it a name, choose Accounts in this organizational directory only, no redirect URI. " +
				"Copy Application (client) ID and Directory (tenant) ID from its overview.",
		},
		{
			Title: "Make a client secret", URL: entraURL,
			Text: "Certificates & secrets > New client secret. Copy its Value at once, not the Secret ID, and note the day on which it ends.",
		},
		{
			Title: "Grant " + permission, URL: entraURL,
			Text: "API permissions > Add a permission > APIs my organization uses > " + api + " > Application permissions > " + permission +
				" > Add permissions. Then Grant admin consent. The list has to show Granted.",
		},
	}
	principal := []string{
		"Install-Module ExchangeOnlineManagement, Microsoft.Graph.Applications -Scope CurrentUser",
		"Connect-MgGraph -TenantId " + psQuote(v.Tenant) + " -Scopes 'Application.Read.All'",
		"$sp = Get-MgServicePrincipal -Filter \"AppId eq '" + v.ClientID + "'\"",
		connectExchange(v),
		"New-ServicePrincipal -AppId $sp.AppId -ObjectId $sp.Id -DisplayName 'Login emails'",
	}
	const right = "The Object ID is the enterprise application's (Overview > Managed application in local directory), not the app registration's; these commands find it by themselves."
	if v.Transport == latchkey.TransportGraph {
		return append(steps, SetupStep{
			Title: "Limit it to the one mailbox",
			Text:  "Mail.Send lets the application send as everybody in the tenant. Instead of its consent you can allow this mailbox alone, with RBAC for Applications. " + right,
			Commands: append(principal,
				"New-ManagementScope -Name 'Login emails' -RecipientRestrictionFilter "+psQuote("PrimarySmtpAddress -eq "+psQuote(v.Address)),
				"New-ManagementRoleAssignment -App $sp.Id -Role 'Application Mail.Send' -CustomResourceScope 'Login emails'",
				"Test-ServicePrincipalAuthorization -Identity $sp.Id -Resource "+psQuote(v.Email)),
		})
	}
	return append(steps, SetupStep{
		Title: "Let the application use the mailbox",
		Text:  "In PowerShell, as an Exchange administrator. " + right + " Changes take up to an hour.",
		Commands: append(principal,
			"Add-MailboxPermission -Identity "+psQuote(v.Email)+" -User $sp.Id -AccessRights FullAccess",
			"Add-RecipientPermission -Identity "+psQuote(v.Email)+" -Trustee $sp.Id -AccessRights SendAs -Confirm:$false",
			"Set-CASMailbox -Identity "+psQuote(v.Email)+" -SmtpClientAuthenticationDisabled $false"),
	})
}

func googleSetup(v latchkey.Sender) []SetupStep {
	var key struct {
		ClientID string `json:"client_id"`
		Email    string `json:"client_email"`
	}
	_ = json.Unmarshal([]byte(v.ServiceAccount), &key) // it was read when it was saved
	id := key.ClientID
	if id == "" {
		id = "the service account's unique id"
	}
	return []SetupStep{
		{
			Title: "Make a service account", URL: "https://console.cloud.google.com/iam-admin/serviceaccounts",
			Text: "In the Google Cloud console: turn the Gmail API on, then IAM & Admin > Service accounts > Create service account. Under Keys > Add key > Create new key choose JSON.",
		},
		{
			Title: "Delegate the mailbox to it", URL: "https://admin.google.com/ac/owl/domainwidedelegation",
			Text: "In the Google Admin console: Security > Access and data control > API controls > Manage domain-wide delegation > Add new. Client ID: " + id +
				". OAuth scopes: https://mail.google.com/. It may take some minutes, rarely a day.",
		},
		{
			Title: "Make sure that the mailbox exists",
			Text:  v.Email + " has to be a user of the Workspace with Gmail turned on; a group or an alias cannot send.",
		},
	}
}

// DNS reads what the domain of a sender's address says of its mail.
func (s *Senders) DNS(ctx context.Context, v latchkey.Sender) (maildns.Advice, error) {
	if err := s.count(ctx, "sender_dns", string(v.ApplicationID), checkWindow, dnsOfApp); err != nil {
		return maildns.Advice{}, err
	}
	_, domain, _ := strings.Cut(v.Address, "@")
	return maildns.Look(ctx, s.cfg.DNS, domain, s.m.routeOf(v).host), nil
}
