// Package google connects Gmail and Google Workspace mailboxes: by the OAuth flow of package
// oauthflow, by a service account with domain-wide delegation, or with tokens that an application has.
package google
