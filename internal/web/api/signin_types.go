package api

// signInRequest describes the body of POST /signins; createSignIn reads it.
type signInRequest struct {
	Email       string `json:"email" format:"email" maxLength:"254"`
	RedirectURI string `json:"redirect_uri,omitempty" format:"uri" maxLength:"2048" doc:"Where a click on the mail's link leads in the end: signin_id and a code for verify are added. Without it the link shows the code, to be typed where it was asked for."`
	Locale      string `json:"locale,omitempty" maxLength:"35" doc:"The reader's language, such as de or pt-BR."`
	UserAgent   string `json:"user_agent,omitempty" maxLength:"1024" doc:"Your end user's User-Agent: the mail says roughly what it was asked for with."`
	IP          string `json:"ip,omitempty" maxLength:"253" doc:"Your end user's address. Limits for it are kept where you give it."`
	DeviceToken string `json:"device_token,omitempty" maxLength:"400" doc:"What a sign-in with this address was answered with on the same device before. The device then has limits of its own, which strangers who type the address cannot use up."`
}

type signIn struct {
	Object    string `json:"object" enum:"SignIn"`
	ID        string `json:"id"`
	ExpiresAt stamp  `json:"expires_at" doc:"When the newest code ends."`
	Test      bool   `json:"test,omitempty"`
}

type signInVerification struct {
	Code string `json:"code" maxLength:"100" doc:"The six digits of the mail, or the code that the browser came back with."`
}

type signedIn struct {
	Object        string `json:"object" enum:"SignedIn"`
	IDToken       string `json:"id_token" doc:"A JWT of OpenID Connect, signed with ES256 by a key of the issuer's JWKS. Its aud is your application's id, its sub the same for every sign-in with this address."`
	Email         string `json:"email"`
	EmailVerified bool   `json:"email_verified" doc:"Always true."`
	DeviceToken   string `json:"device_token" doc:"Keep it in a cookie of your end user's for 180 days at most, and give it with the next sign-in there. It signs nobody in."`
	Test          bool   `json:"test,omitempty"`
}

type signInSettingsRequest struct {
	RedirectURIs   []string `json:"redirect_uris,omitempty" maxItems:"50" nullable:"false" doc:"Where the hosted page may lead: each exactly as it will be given."`
	SendsPerHour   int      `json:"sends_per_hour,omitempty" format:"int32" minimum:"0" maximum:"10000000" doc:"Mails of the whole application; 0 means 100,000."`
	GuessesPerHour int      `json:"guesses_per_hour,omitempty" format:"int32" minimum:"0" maximum:"10000000" doc:"Wrong codes of the whole application; 0 means 5,000."`
}

type signInSettings struct {
	Object         string   `json:"object" enum:"SignInSettings"`
	RedirectURIs   []string `json:"redirect_uris" nullable:"false"`
	SendsPerHour   int      `json:"sends_per_hour" format:"int32"`
	GuessesPerHour int      `json:"guesses_per_hour" format:"int32"`
	Issuer         string   `json:"issuer" doc:"Your application's OpenID provider."`
	Page           string   `json:"page" doc:"The hosted sign-in page; add redirect_uri and state."`
}

type signInRules struct {
	List     string   `json:"list" enum:"allow,block"`
	Patterns []string `json:"patterns" maxItems:"2000" nullable:"false" doc:"Addresses (ada@acme.io), domains (*@acme.io), and the domains below one (*@*.acme.io)."`
}

type signInRulesChanged struct {
	Object string `json:"object" enum:"SignInRulesChanged"`
	Count  int    `json:"count" format:"int32" doc:"How many entries the request really changed."`
}

type signInRuleList struct {
	Object string   `json:"object" enum:"SignInRuleList"`
	Items  []string `json:"items" nullable:"false"`
	Cursor *string  `json:"cursor" doc:"Give it back as ?cursor= for the next page; null on the last."`
}

// oidcClientRequest describes the body of POST /oidc-clients.
type oidcClientRequest struct {
	Public bool `json:"public,omitempty" doc:"For programs that run at the end user's: no secret, PKCE always. It never changes."`
	OIDCClientFields
}

// OIDCClientFields are what POST and PATCH have. It is exported for the sake of reflection only.
type OIDCClientFields struct {
	Name           string   `json:"name,omitempty" maxLength:"100" doc:"For your own lists."`
	RedirectURIs   []string `json:"redirect_uris,omitempty" maxItems:"50" nullable:"false" doc:"Where codes may be sent; compared byte by byte."`
	PostLogoutURIs []string `json:"post_logout_redirect_uris,omitempty" maxItems:"50" nullable:"false"`
	Algorithm      string   `json:"id_token_signed_response_alg,omitempty" enum:"RS256,ES256" doc:"Default: RS256."`
}

type oidcClient struct {
	Object         string   `json:"object" enum:"OIDCClient"`
	ID             string   `json:"id"`
	ClientID       string   `json:"client_id" doc:"The same as id."`
	Name           string   `json:"name"`
	Public         bool     `json:"public"`
	RedirectURIs   []string `json:"redirect_uris" nullable:"false"`
	PostLogoutURIs []string `json:"post_logout_redirect_uris" nullable:"false"`
	Algorithm      string   `json:"id_token_signed_response_alg" enum:"RS256,ES256"`
	Issuer         string   `json:"issuer" doc:"All that an OpenID Connect library needs besides the client."`
	CreatedAt      stamp    `json:"created_at"`
	UpdatedAt      stamp    `json:"updated_at"`
	Secret         string   `json:"client_secret,omitempty" doc:"Shown here only, once. Public clients have none."`
	Test           bool     `json:"test,omitempty"`
}

type oidcClientList struct {
	Object string       `json:"object" enum:"OIDCClientList"`
	Items  []oidcClient `json:"items" nullable:"false"`
	Cursor *string      `json:"cursor" doc:"Give it back as ?cursor= for the next page; null on the last."`
}

type oidcClientDeleted struct {
	Object string `json:"object" enum:"OIDCClientDeleted"`
}

type signingKey struct {
	KeyID     string `json:"kid"`
	Algorithm string `json:"alg" enum:"RS256,ES256"`
	ActiveAt  stamp  `json:"active_at" doc:"When it begins to sign; it is in the JWKS before."`
	CreatedAt stamp  `json:"created_at"`
}

type signingKeyList struct {
	Object string       `json:"object" enum:"SigningKeyList"`
	Items  []signingKey `json:"items" nullable:"false"`
	Cursor *string      `json:"cursor" doc:"Always null."`
}

type keyRotation struct {
	AtOnce bool `json:"at_once,omitempty" doc:"Take the old keys out of use this moment, because somebody else may have them. Tokens that they signed fail from then on."`
}
