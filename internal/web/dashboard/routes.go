package dashboard

import "net/http"

const (
	get  = http.MethodGet
	post = http.MethodPost
)

// routes is every page and every button. A button's route has its action for the audit trail.
func (d *Dashboard) routes() []route {
	all := append(sessionRoutes(), meRoutes()...)
	all = append(all, applicationRoutes()...)
	all = append(all, linkRoutes()...)
	all = append(all, accountRoutes()...)
	all = append(all, webhookRoutes()...)
	all = append(all, keyRoutes()...)
	all = append(all, providerAppRoutes()...)
	all = append(all, senderRoutes()...)
	all = append(all, signInRoutes()...)
	all = append(all, oidcRoutes()...)
	all = append(all, templateRoutes()...)
	all = append(all, mailRoutes()...)
	all = append(all, brandingRoutes()...)
	all = append(all, memberRoutes()...)
	return append(all, auditRoutes()...)
}
