// Package microsoft connects Microsoft 365 and Outlook.com mailboxes: by the OAuth flow of package
// oauthflow, in each of Microsoft's clouds; shared mailboxes in the name of who signs in; and, with
// client credentials, without a person.
package microsoft
