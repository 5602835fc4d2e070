// Package wizard is the hosted pages and the same thing as JSON: it renders what the flow engine
// says is asked now (hosted.View) and hands back what was answered (hosted.Answer). It knows kinds
// of steps and no provider: words, icons and scopes come from the connectors' descriptors.
//
//	GET  /c/{token}               the page            GET  /c/{token}/flow    the same as JSON
//	POST /c/{token}               an answer (form)    POST /c/{token}/flow    an answer (JSON)
//	GET  /accounts/new?data=…     the page, for links of the form dialect (POST likewise)
//	GET  /oauth/callback          the way back from a redirect step
//	GET  /r/{token}               the page of a reconnect URL; its POST makes a link and goes there
//
// A POST of a browser always answers 303 to the same page, so that reload and back button repeat
// nothing; where the flow leads to another site, that page goes there by itself (a zero-second
// refresh and a link), because form-action 'self' forbids a POST that ends at another origin.
//
// Texts, beside those that connector.Step names: "<id>.how" is a numbered list, one line each;
// "<id>.secret" replaces the words on where a typed password goes; "<id>.fine" is small print;
// "<id>.busy" is announced while an answer is on its way; "<id>.action.<action>" names a button;
// "<id>.group.<name>" (or "group.<name>") heads a fold of fields; "….hint" stands below a field's
// label; "note.<code>" may have "….text" below it and "….link" for its link; "source.<id>" heads a
// verdict; "failure.<code>" and "failure.<code>.title" say how a try ended; "scope.<code>" is a line
// of the consent. {app}, {site} and {provider} can be used everywhere.
package wizard
