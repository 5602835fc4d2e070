// Package metrics counts for Prometheus. It owns the names of the metrics, their labels and the page
// that Prometheus reads. It knows no service: what it counts it is told through the observers that
// the services declare, and what it asks (connections, jobs, accounts) comes from a Source.
//
// Labels are bounded: patterns of routes, providers, ids of steps, published codes. There is no id, no
// token, no address and no host in them. docs/operate.md lists every metric; a test compares.
package metrics
