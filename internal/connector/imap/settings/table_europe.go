package settings

import "latchkey/internal/connector/login"

// germany are providers of German-speaking countries.
func germany() []Provider {
	return []Provider{
		{
			ID: "gmx", Name: "GMX", Domains: []string{"gmx.de", "gmx.net", "gmx.at", "gmx.ch", "gmx.eu", "gmx.biz", "gmx.org", "gmx.info"},
			MX: []string{"gmx.net"}, Hosts: []string{"gmx.net"}, IMAP: imaps("imap.gmx.net"), SMTP: smtps("mail.gmx.net"),
			SwitchOn: true, SwitchOnURL: "https://hilfe.gmx.net/pop-imap/einschalten.html",
		},
		{
			ID: "gmx_com", Name: "GMX", Domains: []string{"gmx.com", "gmx.us", "gmx.co.uk", "gmx.fr", "gmx.es"}, Hosts: []string{"gmx.com"},
			IMAP: imaps("imap.gmx.com"), SMTP: smtps("mail.gmx.com"),
			SwitchOn: true, SwitchOnURL: "https://support.gmx.com/pop-imap/toggle.html",
		},
		{
			ID: "webde", Name: "WEB.DE", Domains: []string{"web.de", "email.de"}, MX: []string{"web.de"}, Hosts: []string{"web.de"},
			IMAP: imaps("imap.web.de"), SMTP: smtps("smtp.web.de"),
			SwitchOn: true, SwitchOnURL: "https://hilfe.web.de/pop-imap/einschalten.html",
		},
		{
			ID: "tonline", Name: "T-Online", Domains: []string{"t-online.de", "magenta.de"}, MX: []string{"t-online.de"}, Hosts: []string{"t-online.de"},
			IMAP: imaps("secureimap.t-online.de"), SMTP: smtps("securesmtp.t-online.de"),
			AppPassword: true, AppHelpURL: "https://www.telekom.de/hilfe/apps-dienste/e-mail/programme/passwort-verwalten",
		},
		{
			ID: "freenet", Name: "freenet", Domains: []string{"freenet.de"}, MX: []string{"freenet.de"}, Hosts: []string{"freenet.de"},
			IMAP: imaps("mx.freenet.de"), SMTP: submission("mx.freenet.de"),
		},
		{
			ID: "mailde", Name: "mail.de", Domains: []string{"mail.de"}, MX: []string{"mail.de"}, Hosts: []string{"mail.de"},
			IMAP: imaps("imap.mail.de"), SMTP: smtps("smtp.mail.de"),
		},
		{
			ID: "mailbox", Name: "mailbox.org", Domains: []string{"mailbox.org"}, MX: []string{"mailbox.org"}, Hosts: []string{"mailbox.org"},
			IMAP: imaps("imap.mailbox.org"), SMTP: smtps("smtp.mailbox.org"),
		},
		{
			ID: "posteo", Name: "Posteo", Domains: []string{
				"posteo.de", "posteo.net", "posteo.eu", "posteo.at", "posteo.ch", "posteo.org", "posteo.me", "posteo.uk", "posteo.us",
				"posteo.be", "posteo.dk", "posteo.es", "posteo.fi", "posteo.it", "posteo.nl", "posteo.no", "posteo.pl", "posteo.pt", "posteo.se",
			}, MX: []string{"posteo.de"}, Hosts: []string{"posteo.de"},
			IMAP: imaps("posteo.de"), SMTP: smtps("posteo.de"),
		},
		{
			ID: "bluewin", Name: "Bluewin", Domains: []string{"bluewin.ch", "bluemail.ch"}, MX: []string{"bluewin.ch"}, Hosts: []string{"bluewin.ch"},
			IMAP: imaps("imaps.bluewin.ch"), SMTP: []login.Server{on("smtpauths.bluewin.ch", 465, login.TLS)},
		},
		{
			ID: "a1", Name: "A1", Domains: []string{"a1.net", "aon.at"}, Hosts: []string{"a1.net"},
			IMAP: imaps("securemail.a1.net"), SMTP: smtps("securemail.a1.net"),
		},
	}
}

// europe are providers of other European countries.
func europe() []Provider {
	return []Provider{
		{
			ID: "orange_fr", Name: "Orange", Domains: []string{"orange.fr", "wanadoo.fr"}, MX: []string{"orange.fr"}, Hosts: []string{"orange.fr"},
			IMAP: imaps("imap.orange.fr"), SMTP: smtps("smtp.orange.fr"),
		},
		{
			ID: "free_fr", Name: "Free", Domains: []string{"free.fr"}, MX: []string{"free.fr"}, Hosts: []string{"free.fr"},
			IMAP: imaps("imap.free.fr"), SMTP: smtps("smtp.free.fr"), User: localPart,
		},
		{
			ID: "laposte", Name: "La Poste", Domains: []string{"laposte.net"}, MX: []string{"laposte.net"}, Hosts: []string{"laposte.net"},
			IMAP: imaps("imap.laposte.net"), SMTP: smtps("smtp.laposte.net"), SwitchOn: true,
		},
		{
			ID: "sfr", Name: "SFR", Domains: []string{"sfr.fr", "neuf.fr", "club-internet.fr", "cegetel.net"}, MX: []string{"sfr.fr"}, Hosts: []string{"sfr.fr"},
			IMAP: imaps("imap.sfr.fr"), SMTP: smtps("smtp.sfr.fr"),
		},
		{
			ID: "libero", Name: "Libero", Domains: []string{"libero.it", "inwind.it", "iol.it", "blu.it", "giallo.it"}, MX: []string{"libero.it"}, Hosts: []string{"libero.it"},
			IMAP: imaps("imapmail.libero.it"), SMTP: []login.Server{on("smtp.libero.it", 465, login.TLS)}, SwitchOn: true,
		},
		{
			ID: "virgilio", Name: "Virgilio", Domains: []string{"virgilio.it"}, Hosts: []string{"virgilio.it"},
			IMAP: imaps("in.virgilio.it"), SMTP: []login.Server{on("out.virgilio.it", 465, login.TLS)}, SwitchOn: true,
			SwitchOnURL: "https://aiuto.virgilio.it/articolo/mail/configurare-virgilio-mail-con-client-di-posta-imap-e-smtp/",
		},
		{
			ID: "aruba", Name: "Aruba", Domains: []string{"aruba.it", "technet.it"}, MX: []string{"aruba.it"}, Hosts: []string{"aruba.it"},
			IMAP: imaps("imaps.aruba.it"), SMTP: []login.Server{on("smtps.aruba.it", 465, login.TLS)},
		},
		{
			ID: "seznam", Name: "Seznam.cz", Domains: []string{"seznam.cz", "email.cz", "post.cz", "spoluzaci.cz"}, MX: []string{"seznam.cz"}, Hosts: []string{"seznam.cz"},
			IMAP: imaps("imap.seznam.cz"), SMTP: []login.Server{on("smtp.seznam.cz", 465, login.TLS)}, SwitchOn: true,
		},
		{
			ID: "wp", Name: "WP", Domains: []string{"wp.pl"}, MX: []string{"wp.pl"}, Hosts: []string{"wp.pl"},
			IMAP: imaps("imap.wp.pl"), SMTP: []login.Server{on("smtp.wp.pl", 465, login.TLS)}, SwitchOn: true,
		},
		{
			ID: "onet", Name: "Onet", Domains: []string{
				"onet.pl", "onet.eu", "op.pl", "poczta.onet.pl", "poczta.onet.eu", "vp.pl", "onet.com.pl", "autograf.pl", "buziaczek.pl", "amorki.pl", "spoko.pl",
			}, MX: []string{"onet.pl"}, Hosts: []string{"onet.pl"},
			IMAP: imaps("imap.poczta.onet.pl"), SMTP: []login.Server{on("smtp.poczta.onet.pl", 465, login.TLS)}, SwitchOn: true,
		},
		{
			ID: "o2_pl", Name: "o2", Domains: []string{"o2.pl", "go2.pl", "tlen.pl", "prokonto.pl"}, MX: []string{"o2.pl", "tlen.pl"}, Hosts: []string{"o2.pl"},
			IMAP: imaps("poczta.o2.pl"), SMTP: smtps("poczta.o2.pl"), User: localPart,
			SwitchOn: true, SwitchOnURL: "https://pomoc.o2.pl/aktywacja-dostepu-dla-programow-pocztowych",
		},
		{
			ID: "interia", Name: "Interia", Domains: []string{"interia.pl", "interia.eu", "poczta.fm", "interia.com", "intmail.pl", "vip.interia.pl"},
			MX: []string{"interia.pl"}, Hosts: []string{"interia.pl"},
			IMAP: imaps("poczta.interia.pl"), SMTP: smtps("poczta.interia.pl"), SwitchOn: true,
		},
		{
			ID: "bt", Name: "BT", Domains: []string{"btinternet.com", "btopenworld.com", "talk21.com"}, Hosts: []string{"btinternet.com"},
			IMAP: imaps("mail.btinternet.com"), SMTP: []login.Server{on("mail.btinternet.com", 465, login.TLS)},
		},
		{
			ID: "telenet", Name: "Telenet", Domains: []string{"telenet.be"}, MX: []string{"telenet.be"}, Hosts: []string{"telenet.be"},
			IMAP: imaps("imap.telenet.be"), SMTP: submission("smtp.telenet.be"),
		},
		{
			ID: "ziggo", Name: "Ziggo", Domains: []string{
				"ziggo.nl", "ziggomail.com", "upcmail.nl", "chello.nl", "home.nl", "casema.nl", "quicknet.nl", "multiweb.nl", "zinders.nl",
			}, MX: []string{"ziggo.nl"}, Hosts: []string{"ziggo.nl"}, IMAP: imaps("imap.ziggo.nl"), SMTP: submission("smtp.ziggo.nl"),
		},
		{
			ID: "kpn", Name: "KPN", Domains: []string{
				"kpnmail.nl", "kpnplanet.nl", "planet.nl", "hetnet.nl", "xs4all.nl", "telfort.nl", "wxs.nl", "freeler.nl", "tiscali.nl", "on.nl",
			}, MX: []string{"kpnmail.nl", "kpnxchange.com"}, Hosts: []string{"kpnmail.nl"}, IMAP: imaps("imap.kpnmail.nl"), SMTP: smtps("smtp.kpnmail.nl"),
		},
		{
			ID: "yandex", Name: "Yandex Mail", Domains: []string{
				"yandex.ru", "yandex.com", "yandex.net", "yandex.by", "yandex.kz", "yandex.ua", "ya.ru", "narod.ru", "yandex.uz", "yandex.com.tr",
			}, MX: []string{"yandex.net", "yandex.ru"}, Hosts: []string{"yandex.com", "yandex.ru"},
			IMAP: imaps("imap.yandex.com"), SMTP: []login.Server{on("smtp.yandex.com", 465, login.TLS)},
			AppPassword: true, AppHelpURL: "https://id.yandex.com/security/app-passwords", SwitchOn: true, SwitchOnURL: "https://mail.yandex.com/#setup/client",
		},
		{
			ID: "mail_ru", Name: "Mail.ru", Domains: []string{"mail.ru", "inbox.ru", "list.ru", "bk.ru", "internet.ru", "xmail.ru"},
			MX: []string{"mail.ru"}, Hosts: []string{"mail.ru"}, IMAP: imaps("imap.mail.ru"), SMTP: []login.Server{on("smtp.mail.ru", 465, login.TLS)},
			AppPassword: true, AppHelpURL: "https://account.mail.ru/user/2-step-auth/passwords/",
		},
		{
			ID: "rambler", Name: "Rambler", Domains: []string{"rambler.ru", "lenta.ru", "autorambler.ru", "myrambler.ru", "ro.ru"},
			MX: []string{"rambler.ru"}, Hosts: []string{"rambler.ru"}, IMAP: imaps("imap.rambler.ru"), SMTP: []login.Server{on("smtp.rambler.ru", 465, login.TLS)}, SwitchOn: true,
		},
	}
}
