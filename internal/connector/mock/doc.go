// Package mock is the connector of provider MOCK: it plays every kind of step and every failure, on
// command of the user name that is typed. Integrators see each page before their end users do, and
// the flow engine is proven with it. It exists in test applications only.
//
// The magic names are listed in README.md. It knows no provider; its one outside thing is the Phone
// of this package, to which the "live" method holds a socket open.
package mock
