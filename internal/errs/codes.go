package errs

// Code is a stable name of what went wrong. Callers branch on it, texts are keyed by it, so a code
// is never renamed. The API shows it as "errors/<code>" in type and as is in a field's code.
type Code string

// Codes of whole answers.
const (
	CodeInternal            Code = "internal_error"
	CodeUnavailable         Code = "service_unavailable"
	CodeInvalidParameters   Code = "invalid_parameters"
	CodeMalformedJSON       Code = "malformed_json"
	CodeBodyTooLarge        Code = "body_too_large"
	CodeUnsupportedMedia    Code = "unsupported_media_type"
	CodeNotAcceptable       Code = "not_acceptable"
	CodeMissingCredentials  Code = "missing_credentials"
	CodeInvalidKey          Code = "invalid_api_key"
	CodePermission          Code = "insufficient_permissions"
	CodeNotFound            Code = "not_found"
	CodeMethodNotAllowed    Code = "method_not_allowed"
	CodeConflict            Code = "conflict"
	CodeIdempotencyMismatch Code = "idempotency_key_reused"
	CodeInProgress          Code = "in_progress"
	CodeTooManyRequests     Code = "too_many_requests"
	CodeTooEarly            Code = "auth_in_progress"

	CodeLinkExpired         Code = "link_expired"
	CodeLinkUsed            Code = "link_used"
	CodeLinkTakenOver       Code = "link_taken_over"
	CodeLinkBound           Code = "link_in_progress"
	CodeStaleVersion        Code = "stale_version"
	CodeActionNotOffered    Code = "action_not_offered"
	CodeProviderUnavailable Code = "provider_unavailable"
	CodeWrongAccount        Code = "wrong_account"
	CodeAccountExists       Code = "account_exists"
	CodeCrossOrigin         Code = "cross_origin_request"
	CodeWebhookLoop         Code = "webhook_loop"
	CodeMisdirected         Code = "misdirected_request"
	CodeSignInUsed          Code = "signin_used"
	CodeOtherBrowser        Code = "other_browser"
	CodeWebhookPaused       Code = "webhook_paused"
	CodeAuthServerAccount   Code = "auth_server_account"
)

// Codes of single fields.
const (
	CodeRequired     Code = "required"
	CodeUnknownField Code = "unknown_field"
	CodeInvalidType  Code = "invalid_type"
	CodeInvalidValue Code = "invalid_value"
	CodeInvalidURL   Code = "invalid_url"
	CodeInvalidEmail Code = "invalid_email"
	CodeInvalidPhone Code = "invalid_phone"
	CodeInvalidDate  Code = "invalid_date"
	CodeOutOfRange   Code = "out_of_range"
	CodeTooLong      Code = "too_long"
	CodeTooShort     Code = "too_short"
	CodeReserved     Code = "reserved"
	CodeUnsupported  Code = "unsupported"
)

// Codes of a connection that did not come about: on a field, as a verdict or as a flow's failure.
const (
	CodeWrongPassword         Code = "wrong_password"
	CodeAppPassword           Code = "app_password_required"
	CodeHostNotFound          Code = "host_not_found"
	CodeHostUnreachable       Code = "host_unreachable"
	CodeConnectionRefused     Code = "connection_refused"
	CodeConnectionTimeout     Code = "connection_timeout"
	CodeConnectionClosed      Code = "connection_closed"
	CodeTLSFailed             Code = "tls_failed"
	CodeCertificateInvalid    Code = "certificate_invalid"
	CodeNoSTARTTLS            Code = "starttls_unavailable"
	CodePlaintextRefused      Code = "plaintext_refused"
	CodeNotIMAP               Code = "not_imap"
	CodeNotSMTP               Code = "not_smtp"
	CodeIMAPDisabled          Code = "imap_disabled"
	CodeSMTPDisabled          Code = "smtp_disabled"
	CodeNoAuthMethod          Code = "no_auth_method"
	CodeTooManyConnections    Code = "too_many_connections"
	CodeRateLimited           Code = "rate_limited"
	CodeAccountBlocked        Code = "account_blocked"
	CodeHostNotAllowed        Code = "host_not_allowed"
	CodePortNotAllowed        Code = "port_not_allowed"
	CodeProtocolError         Code = "protocol_error"
	CodeTooManyTries          Code = "too_many_tries"
	CodeServerLocked          Code = "server_locked"
	CodeUseOAuth              Code = "oauth_required"
	CodeNothingFound          Code = "settings_not_found"
	CodeWrongCode             Code = "wrong_code"
	CodeCodeExpired           Code = "code_expired"
	CodeCaptchaFailed         Code = "captcha_failed"
	CodeInterrupted           Code = "interrupted"
	CodeTimedOut              Code = "timed_out"
	CodeCanceled              Code = "canceled"
	CodeAccessDenied          Code = "access_denied"
	CodeCredentialRejected    Code = "credential_rejected"
	CodePhoneNotInternational Code = "phone_not_international"
	CodeClientOutdated        Code = "client_outdated"

	CodeAuthServerUnreachable Code = "auth_server_unreachable"
	CodeAuthServerRefused     Code = "auth_server_refused"

	CodeProxyNotAllowed  Code = "proxy_not_allowed"
	CodeProxyUnreachable Code = "proxy_unreachable"
	CodeProxyCredentials Code = "proxy_credentials"
	CodeProxyRefused     Code = "proxy_refused"
)

// Codes of senders and their mail: what a mail host or its token endpoint refused.
const (
	CodeNoSender            Code = "sender_missing"
	CodeSenderUnproven      Code = "sender_unproven"
	CodeSenderCheck         Code = "sender_check_failed"
	CodeSenderIsLogin       Code = "sender_is_login"
	CodeProofExpired        Code = "proof_expired"
	CodeSenderNotAllowed    Code = "sender_not_allowed"
	CodeRecipientRefused    Code = "recipient_refused"
	CodeMessageRefused      Code = "message_refused"
	CodeMailboxNotFound     Code = "mailbox_not_found"
	CodeServiceAccount      Code = "service_account_invalid"
	CodeClientID            Code = "client_id_unknown"
	CodeClientSecret        Code = "client_secret_wrong"
	CodeClientSecretExpired Code = "client_secret_expired"
	CodeTenant              Code = "tenant_unknown"
	CodeConsentMissing      Code = "admin_consent_missing"
)

// Codes of branding, which no end user meets.
const (
	CodeLowContrast Code = "low_contrast"
)
