// Package api is the JSON API: routes, the shape of requests and answers, idempotency, and the
// OpenAPI description with its offline reference. It decides nothing about links and accounts: it
// reads a request, says everything that is wrong with it at once, and hands it to a service.
//
// A request on its way in:
//
//	mux ─▶ key ─▶ limit of the key ─▶ permission ─▶ body ─▶ Idempotency-Key ─▶ handler ─▶ answer
//
// Each route is one value of type route, with its handler and its description side by side, served
// under two prefixes: /v1 is strict, /api/v1 is lenient and speaks the dialect of existing client
// libraries. The description comes from the same Go types that are answered with; a test holds the
// request types against what the decoders ask for.
//
// Schemas and the OpenAPI document are huma's. Its request validation is not used: it has messages
// but no codes, echoes offending values unless a global is replaced, and stops before the checks
// that a schema cannot say, so that a caller would be told of half of what is wrong.
package api
