package api

import "latchkey/internal/errs"

// What the description shows. A test sends the examples of requests to the decoders.

type members = map[string]any

const (
	exampleLinkID        = "lnk_01jdz3v8k4q2m7x9c5b6n8p0rs"
	exampleAccountID     = "acc_01jdz3w6t9e2h4k7m8n5p3q1vx"
	exampleSignInID      = "sin_01jdz3y1p4s7v0x3a6d9g2j5kn"
	exampleOIDCClientID  = "cli_01jdz3z0q3t6w9y2b5e8h1m4nr"
	exampleProviderAppID = "pap_01jdz3x2m5k8p1r4t7v0y3a6bc"
	exampleWebhookID     = "whe_01jdz3y6n9r2s5t8w1x4z7b0de"
	exampleDeliveryID    = "dlv_01jdz3z1p4q7s0v3w6y9b2d5fg"
	exampleSenderID      = "snd_01jdz3x9c5b6n8p0rs1t2v3w4x"
	exampleMailID        = "eml_01jdz3xab7c8d9e0f1g2h3j4k5"
	exampleToken         = "h3Jr0m8wY2kTqz5XvN1cBfLs7DgPaEo9RiUu4HtMnWy"
	exampleDate          = "2030-01-31T12:00:00.701Z"
	exampleBase          = "https://connect.acme.io"
)

func exampleHostedAuthURL() any {
	return members{
		"object": "HostedAuthURL", "url": exampleBase + "/c/" + exampleToken, "id": exampleLinkID,
		"expires_on": exampleDate, "warnings": []any{},
	}
}

func exampleFormURL() any {
	return members{"url": exampleBase + "/accounts/new?data=" + exampleToken}
}

func linkExamples() map[string]any {
	return map[string]any{
		"create": members{
			"type": "create", "providers": "*", "expiresOn": exampleDate, "name": "user_1234",
			"notify_url": "https://app.acme.io/latchkey", "success_redirect_url": "https://app.acme.io/connected",
		},
		"one_mailbox": members{
			"type": "create", "providers": []any{"IMAP"}, "email": "ada@acme.io", "account_id": "ada-mail", "metadata": members{"team": "sales"},
		},
		"reconnect": members{"type": "reconnect", "reconnect_account": exampleAccountID, "name": "user_1234"},
	}
}

func formExamples() map[string]any {
	return map[string]any{
		"mailbox": members{
			"account": "ada-mail", "name": "Ada Lovelace", "email": "ada@acme.io", "redirectUrl": "https://app.acme.io/settings",
		},
	}
}

func accountExamples() map[string]any {
	return map[string]any{
		"imap": members{
			"provider": "IMAP", "email": "ada@acme.io", "imap_host": "imap.acme.io", "imap_port": 993, "imap_encryption": "tls",
			"imap_user": "ada@acme.io", "imap_password": "correct horse", "smtp_host": "smtp.acme.io", "smtp_port": 465,
			"smtp_encryption": "tls", "smtp_user": "ada@acme.io", "smtp_password": "correct horse",
		},
		"google": members{"provider": "GOOGLE", "email": "ada@acme.io", "access_token": "ya29.a0Af", "refresh_token": "1//0gX"},
		"auth_server": members{
			"provider": "IMAP", "account_id": "user_1234", "email": "ada@acme.io", "auth_server": true,
			"imap_host": "imap.acme.io", "smtp_host": "smtp.acme.io",
		},
		"telegram": members{"provider": "TELEGRAM", "method": "qr"},
	}
}

func checkpointExamples() map[string]any {
	return map[string]any{
		"poll":     members{"account_id": exampleAccountID},
		"code":     members{"account_id": exampleAccountID, "code": "12345"},
		"password": members{"account_id": exampleAccountID, "version": 4, "action": "submit", "values": members{"password": "correct horse"}},
	}
}

func providerAppExamples() map[string]any {
	return map[string]any{
		"google": members{"provider": "GOOGLE", "client_id": "1234-abc.apps.googleusercontent.com", "client_secret": "GOCSPX-shown-once"},
		"microsoft": members{
			"provider": "MICROSOFT", "name": "Acme mail", "client_id": "00000000-0000-4000-8000-000000000000",
			"client_secret": "the~secrets.Value", "tenant": "organizations", "protocol": "api", "default": true,
		},
	}
}

func providerAppChangeExamples() map[string]any {
	return map[string]any{"new_secret": members{"client_secret": "GOCSPX-the-new-one"}}
}

func applicationChangeExamples() map[string]any {
	return map[string]any{
		"auth_server": members{"auth_server_url": "https://app.acme.io/mail-credentials"},
		"sender":      members{"sender": exampleSenderID},
		"providers":   members{"providers": []string{"GOOGLE", "MICROSOFT", "IMAP"}},
		"reconnect":   members{"reconnect_email": members{"enabled": true, "after_minutes": 60}},
	}
}

func senderExamples() map[string]any {
	return map[string]any{
		"basic": members{
			"kind": "basic", "sender_email": "login@acme.io", "sender_name": "Acme", "host": "smtp.postmarkapp.com", "port": 587,
			"username": "the-server-token", "password": "the-server-token",
		},
		"microsoft": members{
			"kind": "oauth", "provider": "microsoft", "sender_email": "login@acme.io", "sender_name": "Acme",
			"client_id": "00000000-0000-4000-8000-000000000000", "client_secret": "the~secrets.Value", "tenant_id": "11111111-1111-4111-8111-111111111111",
			"secret_expires_at": exampleDate,
		},
		"google": members{
			"kind": "oauth", "provider": "google", "sender_email": "login@acme.io",
			"service_account": members{"type": "service_account", "client_email": "mail@acme.iam.gserviceaccount.com", "private_key": "-----BEGIN PRIVATE KEY-----"},
		},
	}
}

func senderChangeExamples() map[string]any {
	return map[string]any{"new_password": members{"password": "the-new-token"}}
}

func templateExamples() map[string]any {
	return map[string]any{"short": members{
		"subject": "Your code for {{app.name}}", "text": "Your code: {{code}}\n\nOr open {{link}}\n\nIt works for {{minutes}} minutes.",
	}}
}

func webhookExamples() map[string]any {
	return map[string]any{
		"accounts": members{
			"request_url": "https://app.acme.io/latchkey/events", "events": []any{"account.*", "link.completed"}, "name": "CRM",
			"headers": []any{members{"key": "X-Acme-Token", "value": "shared-with-nobody"}},
		},
		"account_status": members{"source": "account_status", "request_url": "https://app.acme.io/status"},
	}
}

func webhookChangeExamples() map[string]any {
	return map[string]any{"other_events": members{"events": []any{"*"}}}
}

func replayExamples() map[string]any { return map[string]any{"since": members{"since": exampleDate}} }

func listenExamples() map[string]any {
	return map[string]any{"accounts": members{"events": []any{"account.*"}, "wait": 20}}
}

func reconnectExamples() map[string]any {
	return map[string]any{"new_password": members{"password": "battery staple"}}
}

func exampleProblem(status int) any {
	p := members{"status": status, "errors": []any{}}
	set := func(c errs.Code, title, detail string) {
		p["type"], p["title"], p["detail"] = "errors/"+string(c), title, detail
	}
	switch status {
	case 400:
		set(errs.CodeInvalidParameters, "Invalid parameters", "Some fields are not right; see errors.")
		p["errors"] = []any{members{"field": "expiresOn", "code": "out_of_range", "message": "This must lie from 1 minute to 30 days ahead."}}
	case 401:
		set(errs.CodeInvalidKey, "Invalid API key", "The API key is not one of this server's.")
	case 403:
		set(errs.CodePermission, "Insufficient permissions", "This API key lacks the permission \"links\".")
	case 404:
		set(errs.CodeNotFound, "Not found", "There is no such link.")
	case 409:
		set(errs.CodeConflict, "Conflict", "The request conflicts with what is there.")
	case 503:
		set(errs.CodeUnavailable, "Service unavailable", "The provider cannot be reached just now. Try again in a while.")
	case 429:
		set(errs.CodeTooManyRequests, "Too many requests", "Wait as long as Retry-After says, then go on.")
	default:
		set(errs.CodeInternal, "Internal error", "Something went wrong on our side. It has been logged.")
		p["instance"] = "req_4KQ2M7X9C5B6N8P0RSTVWXYZAB"
	}
	return p
}

func signInExamples() map[string]any {
	return map[string]any{
		"code": members{"email": "ada@acme.io", "locale": "de"},
		"link": members{"email": "ada@acme.io", "redirect_uri": "https://app.acme.io/signed-in", "user_agent": "Mozilla/5.0 (X11; Linux) Firefox/140.0", "ip": "203.0.113.7"},
	}
}

func oidcClientExamples() map[string]any {
	return map[string]any{
		"web":    members{"name": "Web", "redirect_uris": []any{"https://app.acme.io/auth/callback"}},
		"mobile": members{"name": "iOS", "public": true, "redirect_uris": []any{"com.acme.app:/callback"}, "id_token_signed_response_alg": "ES256"},
	}
}
