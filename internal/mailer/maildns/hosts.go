package maildns

import "strings"

// service is what is known of a service that sends for others' domains. Include is what its customers
// put into SPF, selectors are where its DKIM keys usually are.
type service struct {
	name      string
	hosts     []string // a host, or with a leading dot all below
	include   string
	selectors []string
	// console says where the service shows the records that cannot be guessed.
	console string
}

// services are those whose own documentation names the records.
func services() []service {
	return []service{
		{"Microsoft 365", []string{"smtp.office365.com", "smtp-mail.outlook.com", ".office365.us", ".partner.outlook.cn"}, "spf.protection.outlook.com", []string{"selector1", "selector2"}, "Microsoft Defender portal > Email & collaboration > Policies & rules > Threat policies > Email authentication settings > DKIM"},
		{"Google Workspace", []string{"smtp.gmail.com", "smtp.googlemail.com", "smtp-relay.gmail.com"}, "_spf.google.com", []string{"google"}, "Google Admin console > Apps > Google Workspace > Gmail > Authenticate email"},
		{"Amazon SES", []string{".amazonaws.com"}, "amazonses.com", nil, "Amazon SES console > Identities > the domain > DKIM (its three selectors are random)"},
		{"Postmark", []string{".postmarkapp.com"}, "spf.mtasv.net", []string{"pm", "pm-bounces"}, "Postmark > Sender Signatures > the domain > DNS Settings (its selector begins with a date)"},
		{"SendGrid", []string{".sendgrid.net"}, "sendgrid.net", []string{"s1", "s2", "smtpapi"}, "SendGrid > Settings > Sender Authentication"},
		{"Mailgun", []string{".mailgun.org"}, "mailgun.org", []string{"smtp", "mailo", "k1", "mx", "pic"}, "Mailgun > Sending > Domain settings > DNS records"},
		{"Mailjet", []string{".mailjet.com"}, "spf.mailjet.com", []string{"mailjet"}, "Mailjet > Account > Sender domains & addresses"},
		{"Brevo", []string{".brevo.com", ".sendinblue.com"}, "spf.brevo.com", []string{"brevo1", "brevo2", "mail"}, "Brevo > Senders, Domains & Dedicated IPs > Domains"},
		{"Resend", []string{".resend.com"}, "amazonses.com", []string{"resend"}, "Resend > Domains"},
		{"Zoho Mail", []string{".zoho.com", ".zoho.eu", ".zoho.in"}, "zohomail.com", []string{"zmail", "zoho"}, "Zoho Mail Admin Console > Domains > Email configuration"},
		{"Fastmail", []string{".fastmail.com"}, "spf.messagingengine.com", []string{"fm1", "fm2", "fm3"}, "Fastmail > Settings > Domains"},
		{"Proton Mail", []string{".protonmail.ch", ".proton.me"}, "_spf.protonmail.ch", []string{"protonmail", "protonmail2", "protonmail3"}, "Proton Mail > Settings > Domain names"},
		{"Mailchimp Transactional", []string{".mandrillapp.com"}, "spf.mandrillapp.com", []string{"mte1", "mte2", "mandrill"}, "Mailchimp Transactional > Settings > Sending Domains"},
		{"SparkPost", []string{".sparkpostmail.com"}, "sparkpostmail.com", nil, "SparkPost > Configuration > Domains"},
		{"IONOS", []string{".ionos.com", ".ionos.de", ".1and1.com"}, "_spf.perfora.net", []string{"s1-ionos", "s2-ionos"}, "IONOS > Domains & SSL > the domain > DNS"},
		{"OVHcloud", []string{".ovh.net", ".mail.ovh.net"}, "mx.ovh.com", nil, "OVHcloud Control Panel > Web Cloud > Emails"},
	}
}

// usualSelectors are asked for where the service is not known, or has none of its own.
func usualSelectors() []string {
	return []string{"default", "mail", "dkim", "smtp", "s1", "s2", "k1", "selector1", "selector2", "google"}
}

func serviceOf(host string) (service, bool) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, s := range services() {
		for _, h := range s.hosts {
			if host == h || strings.HasPrefix(h, ".") && (strings.HasSuffix(host, h) || host == h[1:]) {
				return s, true
			}
		}
	}
	return service{}, false
}
