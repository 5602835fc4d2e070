// Package tracing tells an OpenTelemetry collector how long things took and what led to what. It owns the
// spans' beginning and end, the exporter, and how a trace is carried into a job. It knows nobody that
// uses it: spans travel in contexts, and where there is none, nothing is made.
//
// The exporter speaks OTLP over HTTP with protobuf, by a client of our own: the one of the project brings
// gRPC along, a fifth of the binary, also where it is not used.
//
// No secret, token, address, host of a tenant or query string goes into a span.
package tracing
