#!/usr/bin/env bash
# Runs each fuzz target for a while (FUZZTIME, 10s).
set -euo pipefail
cd "$(dirname "$0")/.."
time=${FUZZTIME:-10s}
for pkg in $(go list ./...); do
  dir=$(go list -f '{{.Dir}}' "$pkg")
  for target in $(grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go 2>/dev/null | cut -c6- || true); do
    echo "$pkg $target"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$pkg" | tail -1
  done
done
