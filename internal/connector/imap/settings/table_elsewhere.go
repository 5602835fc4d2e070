package settings

import "latchkey/internal/connector/login"

// elsewhere are providers of Asia and the Americas.
func elsewhere() []Provider {
	return []Provider{
		{
			ID: "qq", Name: "QQ Mail", Domains: []string{"qq.com", "foxmail.com", "vip.qq.com"}, MX: []string{"mx1.qq.com", "mx2.qq.com", "mx3.qq.com"},
			Hosts: []string{"qq.com"}, IMAP: imaps("imap.qq.com"), SMTP: smtps("smtp.qq.com"),
			AppPassword: true, AppHelpURL: "https://service.mail.qq.com/detail/0/75", SwitchOn: true,
		},
		{
			ID: "qq_business", Name: "Tencent Exmail", MX: []string{"mxbiz1.qq.com", "mxbiz2.qq.com"}, Hosts: []string{"exmail.qq.com"},
			IMAP: imaps("imap.exmail.qq.com"), SMTP: []login.Server{on("smtp.exmail.qq.com", 465, login.TLS)}, SwitchOn: true,
		},
		{
			ID: "163", Name: "NetEase 163", Domains: []string{"163.com"}, Hosts: []string{"163.com"},
			IMAP: imaps("imap.163.com"), SMTP: []login.Server{on("smtp.163.com", 465, login.TLS)},
			AppPassword: true, AppHelpURL: "https://help.mail.163.com/", SwitchOn: true,
		},
		{
			ID: "126", Name: "NetEase 126", Domains: []string{"126.com"}, Hosts: []string{"126.com"},
			IMAP: imaps("imap.126.com"), SMTP: []login.Server{on("smtp.126.com", 465, login.TLS)}, AppPassword: true, SwitchOn: true,
		},
		{
			ID: "yeah", Name: "NetEase yeah.net", Domains: []string{"yeah.net"}, Hosts: []string{"yeah.net"},
			IMAP: imaps("imap.yeah.net"), SMTP: []login.Server{on("smtp.yeah.net", 465, login.TLS)}, AppPassword: true, SwitchOn: true,
		},
		{
			ID: "naver", Name: "Naver", Domains: []string{"naver.com"}, MX: []string{"naver.com"}, Hosts: []string{"naver.com"},
			IMAP: imaps("imap.naver.com"), SMTP: smtps("smtp.naver.com"),
			SwitchOn: true, SwitchOnURL: "https://help.naver.com/service/30029/contents/21342?osType=PC&lang=ko",
		},
		{
			ID: "daum", Name: "Daum", Domains: []string{"daum.net", "hanmail.net"}, MX: []string{"daum.net", "hanmail.net"}, Hosts: []string{"daum.net"},
			IMAP: imaps("imap.daum.net"), SMTP: []login.Server{on("smtp.daum.net", 465, login.TLS)},
			AppPassword: true, SwitchOn: true, SwitchOnURL: "https://cs.daum.net/faq/43/9234.html#24081",
		},
		{
			// The ISPDB knows no IMAP here: only paid mailboxes have it, so the probe decides.
			ID: "rediff", Name: "Rediffmail", Domains: []string{"rediffmail.com"}, Hosts: []string{"rediffmail.com"},
			IMAP: imaps("imap.rediffmail.com"), SMTP: []login.Server{on("smtp.rediffmail.com", 465, login.TLS)}, SwitchOn: true,
		},
		{
			ID: "att", Name: "AT&T", Domains: []string{
				"att.net", "ameritech.net", "bellsouth.net", "currently.com", "flash.net", "nvbell.net", "pacbell.net", "prodigy.net",
				"sbcglobal.net", "snet.net", "swbell.net", "wans.net",
			}, MX: []string{"prodigy.net"}, Hosts: []string{"att.net"},
			IMAP: imaps("imap.mail.att.net"), SMTP: []login.Server{on("smtp.mail.att.net", 465, login.TLS)},
			AppPassword: true, AppHelpURL: "https://www.att.com/support/article/email-support/KM1240308/",
		},
		{
			ID: "comcast", Name: "Xfinity", Domains: []string{"comcast.net", "xfinity.com"}, MX: []string{"comcast.net"}, Hosts: []string{"comcast.net"},
			IMAP: imaps("imap.comcast.net"), SMTP: smtps("smtp.comcast.net"),
			SwitchOn: true, SwitchOnURL: "https://www.xfinity.com/support/articles/third-party-email-access",
		},
		{
			ID: "cox", Name: "Cox", Domains: []string{"cox.net"}, Hosts: []string{"cox.net"},
			IMAP: imaps("imap.cox.net"), SMTP: smtps("smtp.cox.net"),
		},
		{
			ID: "spectrum", Name: "Spectrum", Domains: []string{"charter.net", "spectrum.net", "brighthouse.com", "twc.com", "rr.com"}, Hosts: []string{"charter.net", "spectrum.net"},
			IMAP: imaps("mobile.charter.net"), SMTP: smtps("mobile.charter.net"),
		},
		{
			ID: "earthlink", Name: "EarthLink", Domains: []string{"earthlink.net", "mindspring.com"}, Hosts: []string{"earthlink.net"},
			IMAP: imaps("imap.earthlink.net"), SMTP: smtps("smtpauth.earthlink.net"),
		},
		{
			ID: "bell", Name: "Bell", Domains: []string{"bell.net", "sympatico.ca"}, Hosts: []string{"bell.net", "sympatico.ca"},
			IMAP: imaps("imap.bell.net"), SMTP: submission("smtphm.sympatico.ca"),
		},
		{
			ID: "telus", Name: "Telus", Domains: []string{"telus.net"}, Hosts: []string{"telus.net"},
			IMAP: imaps("imap.telus.net"), SMTP: smtps("smtp.telus.net"),
		},
		{
			ID: "shaw", Name: "Shaw", Domains: []string{"shaw.ca"}, MX: []string{"shaw.ca"}, Hosts: []string{"shaw.ca"},
			IMAP: imaps("imap.shaw.ca"), SMTP: submission("mail.shaw.ca"), User: localPart,
		},
		{
			ID: "bigpond", Name: "Telstra", Domains: []string{"bigpond.com", "bigpond.net.au", "telstra.com"}, Hosts: []string{"telstra.com"},
			IMAP: imaps("imap.telstra.com"), SMTP: []login.Server{on("smtp.telstra.com", 465, login.TLS)},
		},
		{
			ID: "uol", Name: "UOL", Domains: []string{"uol.com.br", "bol.com.br"}, MX: []string{"uol.com.br"}, Hosts: []string{"uol.com.br"},
			IMAP: imaps("imap.uol.com.br"), SMTP: submission("smtps.uol.com.br"),
		},
	}
}

// hosters keep the mail of their customers' own domains.
func hosters() []Provider {
	return []Provider{
		{
			ID: "ionos", Name: "IONOS", Domains: []string{"online.de", "onlinehome.de", "sofort-surf.de", "sofortsurf.de"}, MX: []string{"kundenserver.de", "ionos.de"},
			Hosts: []string{"ionos.de"}, IMAP: imaps("imap.ionos.de"), SMTP: smtps("smtp.ionos.de"),
		},
		{
			ID: "ionos_com", Name: "IONOS", MX: []string{"1and1.com", "perfora.net", "ionos.com"}, Hosts: []string{"ionos.com"},
			IMAP: imaps("imap.ionos.com"), SMTP: smtps("smtp.ionos.com"),
		},
		{
			ID: "ionos_es", Name: "IONOS", MX: []string{"ionos.es"}, Hosts: []string{"ionos.es"}, IMAP: imaps("imap.ionos.es"), SMTP: smtps("smtp.ionos.es"),
		},
		{
			ID: "ionos_fr", Name: "IONOS", MX: []string{"ionos.fr"}, Hosts: []string{"ionos.fr"}, IMAP: imaps("imap.ionos.fr"), SMTP: smtps("smtp.ionos.fr"),
		},
		{
			ID: "ionos_uk", Name: "IONOS", MX: []string{"ionos.co.uk", "1and1.co.uk"}, Hosts: []string{"ionos.co.uk"},
			IMAP: imaps("imap.ionos.co.uk"), SMTP: smtps("smtp.ionos.co.uk"),
		},
		{
			ID: "strato", Name: "STRATO", MX: []string{"rzone.de"}, Hosts: []string{"strato.de"}, IMAP: imaps("imap.strato.de"), SMTP: smtps("smtp.strato.de"),
		},
		{
			ID: "ovh", Name: "OVHcloud", MX: []string{"mx1.mail.ovh.net", "mx2.mail.ovh.net", "mx3.mail.ovh.net", "mx4.mail.ovh.net"}, Hosts: []string{"mail.ovh.net"},
			IMAP: imaps("ssl0.ovh.net"), SMTP: smtps("ssl0.ovh.net"),
		},
		{
			ID: "gandi", Name: "Gandi", MX: []string{"mail.gandi.net"}, Hosts: []string{"gandi.net"}, IMAP: imaps("mail.gandi.net"), SMTP: smtps("mail.gandi.net"),
		},
		{
			ID: "infomaniak", Name: "Infomaniak", Domains: []string{"ik.me", "ikmail.com", "etik.com"}, MX: []string{"infomaniak.ch", "infomaniak.com"}, Hosts: []string{"infomaniak.com"},
			IMAP: imaps("mail.infomaniak.com"), SMTP: smtps("mail.infomaniak.com"),
			AppHelpURL: "https://manager.infomaniak.com/v3/ng/profile/user/connection-history/application-password",
		},
		{
			ID: "hostinger", Name: "Hostinger", MX: []string{"hostinger.com"}, Hosts: []string{"hostinger.com"},
			IMAP: imaps("imap.hostinger.com"), SMTP: smtps("smtp.hostinger.com"),
		},
		{
			ID: "godaddy", Name: "GoDaddy", MX: []string{"secureserver.net"}, Hosts: []string{"secureserver.net"},
			IMAP: imaps("imap.secureserver.net"), SMTP: smtps("smtpout.secureserver.net"),
		},
		{
			ID: "rackspace", Name: "Rackspace", MX: []string{"emailsrvr.com"}, Hosts: []string{"emailsrvr.com"},
			IMAP: imaps("secure.emailsrvr.com"), SMTP: smtps("secure.emailsrvr.com"),
		},
		{
			ID: "namecheap", Name: "Namecheap Private Email", MX: []string{"privateemail.com"}, Hosts: []string{"privateemail.com"},
			IMAP: imaps("mail.privateemail.com"), SMTP: smtps("mail.privateemail.com"),
		},
		{
			ID: "migadu", Name: "Migadu", MX: []string{"migadu.com"}, Hosts: []string{"migadu.com"}, IMAP: imaps("imap.migadu.com"), SMTP: smtps("smtp.migadu.com"),
		},
		{
			ID: "one", Name: "one.com", MX: []string{"one.com"}, Hosts: []string{"one.com"}, IMAP: imaps("imap.one.com"), SMTP: smtps("send.one.com"),
		},
		{
			ID: "hetzner", Name: "Hetzner", MX: []string{"your-server.de"}, Hosts: []string{"your-server.de"}, IMAP: imaps("mail.your-server.de"), SMTP: smtps("mail.your-server.de"),
		},
		{
			ID: "allinkl", Name: "ALL-INKL", MX: []string{"kasserver.com"}, Hosts: []string{"kasserver.com"},
		},
		{
			ID: "dreamhost", Name: "DreamHost", MX: []string{"dreamhost.com"}, Hosts: []string{"dreamhost.com"}, IMAP: imaps("imap.dreamhost.com"), SMTP: smtps("smtp.dreamhost.com"),
		},
		{
			ID: "workmail", Name: "Amazon WorkMail", MX: []string{"inbound-smtp.us-east-1.amazonaws.com"}, Hosts: []string{"mail.us-east-1.awsapps.com"},
			IMAP: imaps("imap.mail.us-east-1.awsapps.com"), SMTP: []login.Server{on("smtp.mail.us-east-1.awsapps.com", 465, login.TLS)},
		},
	}
}
