package mailer

import (
	"fmt"
	"strings"

	"latchkey"
	"latchkey/internal/errs"
)

// goodWords say what a stage that went well shows.
func goodWords(stage string) string {
	switch stage {
	case StageToken:
		return "The provider gave a token for the client."
	case StageResolve:
		return "The host's name leads to an address."
	case StageConnect:
		return "The host answers."
	case StageTLS:
		return "The connection is encrypted, and the certificate is the host's."
	case StageAuth:
		return "The host takes the login."
	case StageFrom:
		return "The host takes mail from the sender's address."
	case StageTo:
		return "The host takes mail for the sender's address."
	case StageMailbox:
		return "The mailbox is there."
	}
	return ""
}

func grantWords(permission string) string {
	api := "Office 365 Exchange Online"
	if permission == "Mail.Send" {
		api = "Microsoft Graph"
	}
	return "In Microsoft Entra open App registrations > your application > API permissions > Add a permission > " + api +
		" > Application permissions, choose " + permission + ", then press Grant admin consent. It may take some minutes until new tokens hold it."
}

// microsoftHost tells whether a host is Microsoft's own for submission.
func microsoftHost(host string) bool {
	host = strings.ToLower(host)
	return host == "smtp.office365.com" || host == "smtp-mail.outlook.com" || host == "outlook.office365.com" || host == "smtp-legacy.office365.com" ||
		strings.HasSuffix(host, ".office365.us") || strings.HasSuffix(host, ".partner.outlook.cn")
}

func googleHost(host string) bool {
	host = strings.ToLower(host)
	return host == "smtp.gmail.com" || host == "smtp.googlemail.com" || host == "smtp-relay.gmail.com"
}

// advise says what to do about a verdict, to whoever set the sender up.
func (s *Service) advise(stage string, v latchkey.Sender, said verdict) string {
	if text := adviseProvider(stage, v, said); text != "" {
		return text
	}
	r := s.routeOf(v)
	where := fmt.Sprintf("%s at port %d", r.host, r.port)
	switch said.Code {
	case errs.CodeHostNotFound:
		return "There is no server of this name. Look for typing errors in the host."
	case errs.CodeHostNotAllowed:
		return "This host may not be reached from here: it lies on a private network. The operator can list its address in LATCHKEY_ALLOW_MAIL."
	case errs.CodePortNotAllowed:
		return "This port may not be reached from here. Use 587 or 465, or ask the operator to list it in LATCHKEY_ALLOW_MAIL."
	case errs.CodeConnectionRefused:
		return "Nothing listens on " + where + ". Try 587, 465 or 2525: one of them is in the host's own documentation."
	case errs.CodeConnectionTimeout:
		return "There was no answer from " + where + " in time. Often a firewall drops the connection: many clouds block port 25, and some 465 and 587. Try 2525 or 2587, or ask whoever runs the network."
	case errs.CodeHostUnreachable, errs.CodeConnectionClosed:
		return "The connection to " + where + " broke off. The port may expect TLS in another way: 465 and 2465 speak it at once, all others begin with STARTTLS."
	case errs.CodeTLSFailed:
		return "No encrypted connection could be agreed on with " + where + ". The host has to speak TLS 1.2 or later; 465 and 2465 speak it at once, all others begin with STARTTLS."
	case errs.CodeCertificateInvalid:
		return "The certificate of " + where + " is not valid for that name, has ended, or comes from nobody whom this server trusts. Use the name that is in the certificate; for a company's own authority the operator sets LATCHKEY_CA_FILE."
	case errs.CodeNoSTARTTLS:
		return "The host offers no encryption (STARTTLS) on this port, and a password is not sent without. Try 587 or 465."
	case errs.CodeNoAuthMethod:
		return "The host offers no login on this port that we speak (PLAIN, LOGIN, or XOAUTH2 for tokens). Use its submission port, usually 587 or 465."
	case errs.CodeRateLimited:
		return "The host limits how much this login may send or how often it may connect. Wait some minutes, then check again."
	case errs.CodeUnavailable:
		return "The host is busy, or closed for the moment. Check again in some minutes."
	case errs.CodeRecipientRefused:
		return "The host does not take mail for the sender's address, so nobody could prove that it is yours. Make sure that the mailbox exists, and that the login may send to it (a sandbox often may not)."
	case errs.CodeMessageRefused:
		return "The host took the envelope but refused the message. Its own words say why; most often a filter or a policy does."
	case errs.CodeSenderNotAllowed:
		return "The login is right, but may not send from this address. Allow the address or its domain for this login at the mail host, or use the address that the login belongs to."
	case errs.CodeAppPassword:
		return "The host wants an app password: turn on two-step verification for the mailbox, make an app password there, and use it in place of the password."
	case errs.CodeCredentialRejected:
		return "The host refuses the username or the password. Copy both again from the host's console; with many hosts the username is not the address."
	case errs.CodeServiceAccount:
		return "The service account's key cannot be read. Make a new JSON key in the Google Cloud console and paste the whole file."
	}
	return "The host did not answer as expected; its own words may say why."
}

// adviseProvider knows what Microsoft and Google mean by their refusals, and where to click.
func adviseProvider(stage string, v latchkey.Sender, said verdict) string {
	microsoft := v.Provider == latchkey.Microsoft || v.Kind == latchkey.SenderBasic && microsoftHost(v.Host)
	google := v.Provider == latchkey.Google || v.Kind == latchkey.SenderBasic && googleHost(v.Host)
	low := strings.ToLower(said.Detail)
	switch {
	case strings.Contains(low, "smtputf8"):
		return "The sender's address has letters outside ASCII before the @, and this host takes no such addresses. Use another address, or another host."
	case stage == StageToken:
		return adviseToken(v, said)
	case microsoft && strings.Contains(low, "security defaults"):
		return "Security defaults of the tenant block this login. Switch to OAuth, which they do not block; or turn them off in Microsoft Entra under Overview > Properties > Manage security defaults."
	case microsoft && strings.Contains(low, "did not meet the criteria"):
		return "A Conditional Access policy of the tenant blocks this login. Exclude the mailbox from the policy that blocks legacy authentication, or switch to OAuth."
	case said.Code == errs.CodeSMTPDisabled:
		return "Authenticated SMTP is switched off. For this mailbox: Set-CASMailbox -Identity " + psQuote(v.Email) +
			" -SmtpClientAuthenticationDisabled $false. For the whole tenant: Set-TransportConfig -SmtpClientAuthenticationDisabled $false. It may take an hour to take effect. Microsoft Graph (transport graph) works without it."
	case said.Code == errs.CodeUseOAuth:
		return "Microsoft does not take passwords here any more. Make a sender of kind oauth with provider microsoft instead."
	case microsoft && said.Code == errs.CodeSenderNotAllowed:
		return "The login may not send as this address. In Exchange Online PowerShell: Add-RecipientPermission -Identity " + psQuote(v.Email) +
			" -Trustee <the login> -AccessRights SendAs; for a client, Add-MailboxPermission as in the setup steps."
	case microsoft && v.Kind == latchkey.SenderOAuth && said.Code == errs.CodeCredentialRejected:
		return "The token is right, but Exchange does not know the client as one that may use this mailbox. Check, in this order: New-ServicePrincipal was run with the Object ID of the " +
			"enterprise application (not of the app registration); Add-MailboxPermission was run for this very mailbox; Authenticated SMTP is on for the mailbox; the permission SMTP.SendAsApp has admin consent. See setup for the commands filled in. Changes take up to an hour."
	case microsoft && said.Code == errs.CodeCredentialRejected:
		return "Microsoft refuses the username or the password. Passwords are ending there: make a sender of kind oauth with provider microsoft instead."
	case microsoft && said.Code == errs.CodeMailboxNotFound:
		return "There is no mailbox of this address in the tenant, or it has no Exchange Online licence. A distribution list or an alias cannot send."
	case google && said.Code == errs.CodeAppPassword, google && v.Kind == latchkey.SenderBasic && said.Code == errs.CodeCredentialRejected:
		return "Google takes no passwords of accounts, only app passwords: turn on 2-Step Verification for the mailbox, make one at myaccount.google.com/apppasswords, and use it as the password. Or make a sender of kind oauth with provider google."
	case google && said.Code == errs.CodeCredentialRejected:
		return "Google gave a token but Gmail refuses it. Make sure that Gmail is on for the mailbox, and that domain-wide delegation has the scope https://mail.google.com/."
	}
	return ""
}

func adviseToken(v latchkey.Sender, said verdict) string {
	switch said.Code {
	case errs.CodeClientID:
		return "The tenant knows no application of this client id. Copy the Application (client) ID from the overview of the app registration, and make sure that it is registered in this tenant."
	case errs.CodeClientSecret:
		return "The client secret is wrong. Copy the secret's Value, not its Secret ID; it is shown only when it is made. If it is gone, make a new one under Certificates & secrets."
	case errs.CodeClientSecretExpired:
		return "The client secret has ended. Make a new one under Certificates & secrets of the app registration, and give its Value here."
	case errs.CodeTenant:
		return "There is no such tenant. Copy the Directory (tenant) ID from the overview of the app registration."
	case errs.CodeConsentMissing:
		if v.Provider == latchkey.Google {
			return "The service account may not act for this mailbox. " + delegationWords
		}
		return "The permission is not granted. " + grantWords(permissionOf(v))
	case errs.CodeServiceAccount:
		return "The service account's key cannot be read. Make a new JSON key in the Google Cloud console and paste the whole file."
	case errs.CodeCredentialRejected:
		if v.Provider == latchkey.Google {
			return "Google refuses the service account, or does not know the mailbox. " + delegationWords
		}
		return "Microsoft Entra refuses the client; its own words say why."
	}
	return "The provider's token endpoint did not answer. Check again in some minutes."
}

const delegationWords = "In the Google Admin console open Security > Access and data control > API controls > Manage domain-wide delegation, and add the service account's client id with the scope https://mail.google.com/. The sender's address has to be a user of that Workspace."

func permissionOf(v latchkey.Sender) string {
	if v.Transport == latchkey.TransportGraph {
		return "Mail.Send"
	}
	return "SMTP.SendAsApp"
}

// psQuote makes a PowerShell string that holds nothing but its own text: PowerShell reads curly quotes
// as quotes too (about_Quoting_Rules), so that they are doubled as well.
func psQuote(s string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for _, r := range s {
		switch r {
		case '\'', '‘', '’', '‚', '‛':
			b.WriteRune(r)
		}
		b.WriteRune(r)
	}
	b.WriteByte('\'')
	return b.String()
}
