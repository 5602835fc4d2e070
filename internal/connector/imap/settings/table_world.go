package settings

// Settings as the providers' own help pages and the ISPDB (github.com/thunderbird/autoconfig) give
// them. A row that has become wrong costs a probe, not a connection: what does not answer is not offered.

const localPart = "%EMAILLOCALPART%"

// worldwide are the giants.
func worldwide() []Provider {
	return []Provider{
		{
			ID: "gmail", Name: "Gmail", Domains: []string{"gmail.com", "googlemail.com"},
			IMAP: imaps("imap.gmail.com"), SMTP: smtps("smtp.gmail.com"), OAuth: GoogleOAuth,
			AppPassword: true, AppHelpURL: "https://myaccount.google.com/apppasswords",
		},
		{
			ID: "google_workspace", Name: "Google Workspace",
			MX: []string{"google.com", "googlemail.com", "psmtp.com"}, Hosts: []string{"gmail.com", "googlemail.com"},
			IMAP: imaps("imap.gmail.com"), SMTP: smtps("smtp.gmail.com"), OAuth: GoogleOAuth,
			AppPassword: true, AppHelpURL: "https://myaccount.google.com/apppasswords",
		},
		{
			ID: "outlook", Name: "Outlook.com", Domains: []string{
				"outlook.com", "hotmail.com", "live.com", "msn.com", "passport.com", "windowslive.com",
				"outlook.at", "outlook.be", "outlook.cl", "outlook.cz", "outlook.de", "outlook.dk", "outlook.es", "outlook.fr",
				"outlook.hu", "outlook.ie", "outlook.in", "outlook.it", "outlook.jp", "outlook.kr", "outlook.lv", "outlook.my",
				"outlook.ph", "outlook.pt", "outlook.sa", "outlook.sg", "outlook.sk", "outlook.com.ar", "outlook.com.au",
				"outlook.com.br", "outlook.com.gr", "outlook.com.tr", "outlook.com.vn", "outlook.co.id", "outlook.co.il", "outlook.co.th",
				"hotmail.at", "hotmail.be", "hotmail.ca", "hotmail.ch", "hotmail.co.jp", "hotmail.co.uk", "hotmail.com.ar",
				"hotmail.com.br", "hotmail.com.tr", "hotmail.de", "hotmail.dk", "hotmail.es", "hotmail.fr", "hotmail.it",
				"hotmail.nl", "hotmail.no", "hotmail.se", "live.at", "live.be", "live.ca", "live.co.uk", "live.com.au",
				"live.com.mx", "live.de", "live.dk", "live.fr", "live.ie", "live.it", "live.jp", "live.nl", "live.no", "live.se",
			},
			MX: []string{"olc.protection.outlook.com"}, Hosts: []string{"imap-mail.outlook.com", "smtp-mail.outlook.com"},
			IMAP: imaps("outlook.office365.com"), SMTP: submission("smtp-mail.outlook.com"), OAuth: MicrosoftOAuth, NoPasswords: true,
		},
		{
			ID: "microsoft365", Name: "Microsoft 365",
			MX: []string{"mail.protection.outlook.com", "protection.outlook.com", "mx.microsoft"}, Hosts: []string{"office365.com", "outlook.com"},
			IMAP: imaps("outlook.office365.com"), SMTP: submission("smtp.office365.com"), OAuth: MicrosoftOAuth, NoPasswords: true,
		},
		{
			ID: "yahoo", Name: "Yahoo", Domains: []string{
				"yahoo.com", "ymail.com", "rocketmail.com", "myyahoo.com", "yahoo.at", "yahoo.be", "yahoo.ca", "yahoo.ch", "yahoo.cl",
				"yahoo.co.id", "yahoo.co.in", "yahoo.co.nz", "yahoo.co.th", "yahoo.co.uk", "yahoo.co.za", "yahoo.com.ar", "yahoo.com.au",
				"yahoo.com.br", "yahoo.com.co", "yahoo.com.hk", "yahoo.com.mx", "yahoo.com.my", "yahoo.com.pe", "yahoo.com.ph",
				"yahoo.com.sg", "yahoo.com.tr", "yahoo.com.tw", "yahoo.com.vn", "yahoo.de", "yahoo.dk", "yahoo.es", "yahoo.fi",
				"yahoo.fr", "yahoo.gr", "yahoo.ie", "yahoo.in", "yahoo.it", "yahoo.nl", "yahoo.no", "yahoo.pl", "yahoo.pt",
				"yahoo.ro", "yahoo.se",
			},
			MX: []string{"yahoodns.net"}, Hosts: []string{"yahoo.com"},
			IMAP: imaps("imap.mail.yahoo.com"), SMTP: smtps("smtp.mail.yahoo.com"),
			AppPassword: true, AppHelpURL: "https://login.yahoo.com/account/security",
		},
		{
			ID: "yahoo_jp", Name: "Yahoo! Japan", Domains: []string{"yahoo.co.jp", "ymail.ne.jp"}, Hosts: []string{"yahoo.co.jp"},
			IMAP: imaps("imap.mail.yahoo.co.jp"), SMTP: smtps("smtp.mail.yahoo.co.jp"), User: localPart, SwitchOn: true,
		},
		{
			ID: "aol", Name: "AOL", Domains: []string{
				"aol.com", "aim.com", "aol.de", "aol.fr", "aol.co.uk", "aol.it", "love.com", "games.com", "wow.com", "verizon.net",
				"netscape.net", "compuserve.com", "cs.com",
			}, Hosts: []string{"aol.com"},
			IMAP: imaps("imap.aol.com"), SMTP: smtps("smtp.aol.com"),
			AppPassword: true, AppHelpURL: "https://login.aol.com/account/security",
		},
	}
}

// independent are providers used everywhere besides the giants.
func independent() []Provider {
	return []Provider{
		{
			ID: "icloud", Name: "iCloud Mail", Domains: []string{"icloud.com", "me.com", "mac.com"},
			MX: []string{"mail.icloud.com"}, Hosts: []string{"mail.me.com"},
			IMAP: imaps("imap.mail.me.com"), SMTP: submission("smtp.mail.me.com"),
			AppPassword: true, AppHelpURL: "https://account.apple.com/account/manage",
		},
		{
			ID: "fastmail", Name: "Fastmail", Domains: []string{
				"fastmail.com", "fastmail.fm", "fastmail.net", "fastmail.org", "fastmail.co.uk", "fastmail.de", "fastmail.jp",
				"fastmail.in", "fastmail.es", "fastmail.cn", "fastmail.us", "fastmail.to", "fastmail.uk", "fastest.cc", "fmail.co.uk",
				"sent.com", "eml.cc", "123mail.org", "mailforce.net", "messagingengine.com",
			},
			MX: []string{"messagingengine.com"}, Hosts: []string{"fastmail.com", "messagingengine.com"},
			IMAP: imaps("imap.fastmail.com"), SMTP: smtps("smtp.fastmail.com"),
			AppPassword: true, AppHelpURL: "https://app.fastmail.com/settings/security/tokens",
		},
		{
			ID: "zoho", Name: "Zoho Mail", Domains: []string{"zoho.com", "zohomail.com"}, MX: []string{"zoho.com", "zohomail.com"},
			Hosts: []string{"zoho.com"}, IMAP: imaps("imappro.zoho.com"), SMTP: smtps("smtppro.zoho.com"), SwitchOn: true,
			SwitchOnURL: "https://www.zoho.com/mail/help/imap-access.html", AppHelpURL: "https://accounts.zoho.com/home#security/app_password",
		},
		{
			ID: "zoho_eu", Name: "Zoho Mail", Domains: []string{"zoho.eu", "zohomail.eu"}, MX: []string{"zoho.eu", "zohomail.eu"},
			Hosts: []string{"zoho.eu"}, IMAP: imaps("imappro.zoho.eu"), SMTP: smtps("smtppro.zoho.eu"), SwitchOn: true,
			SwitchOnURL: "https://www.zoho.com/mail/help/imap-access.html", AppHelpURL: "https://accounts.zoho.eu/home#security/app_password",
		},
		{
			ID: "zoho_in", Name: "Zoho Mail", Domains: []string{"zoho.in", "zohomail.in"}, MX: []string{"zoho.in", "zohomail.in"},
			Hosts: []string{"zoho.in"}, IMAP: imaps("imappro.zoho.in"), SMTP: smtps("smtppro.zoho.in"), SwitchOn: true,
			SwitchOnURL: "https://www.zoho.com/mail/help/imap-access.html", AppHelpURL: "https://accounts.zoho.in/home#security/app_password",
		},
		{
			ID: "proton", Name: "Proton Mail", Domains: []string{"proton.me", "protonmail.com", "protonmail.ch", "pm.me"},
			MX: []string{"protonmail.ch"}, Bridge: true,
		},
		{
			ID: "mailcom", Name: "mail.com", Domains: []string{
				"mail.com", "email.com", "usa.com", "post.com", "europe.com", "consultant.com", "engineer.com", "dr.com",
				"cheerful.com", "iname.com", "myself.com", "techie.com", "writeme.com", "london.com", "linuxmail.org",
			},
			Hosts: []string{"mail.com"}, IMAP: imaps("imap.mail.com"), SMTP: smtps("smtp.mail.com"), SwitchOn: true,
			SwitchOnURL: "https://support.mail.com/premium/imap/index.html",
		},
	}
}
