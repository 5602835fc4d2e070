# Latchkey. `make demo` shows it, `make test` tests it, `make check` is the truth before a commit.

export CGO_ENABLED ?= 1
BIN    := bin/latchkey
TOOLS  := $(CURDIR)/.cache/bin
# Pinned: "latest" is not always what a module mirror has.
GOFUMPT  := v0.9.2
GOLANGCI := v2.12.0
SQLC     := v1.31.1

.PHONY: build demo test race check lint generate bench fuzz deps clean screenshots
.DEFAULT_GOAL := build

build: ## the binary
	@CGO_ENABLED=0 go build -trimpath -o $(BIN) ./cmd/latchkey

demo: build ## everything on loopback; ONCE=1 makes the journey once and exits
	@./$(BIN) demo $(if $(ONCE),--once)

test: deps ## every test there is
	@go test -json -timeout 15m ./... | go run ./tools/testsum

race: deps ## every test but the browser's, under the race detector, in random order
	@go test -json -race -shuffle=on -timeout 15m $$(go list ./... | grep -v '^latchkey/e2e') | go run ./tools/testsum

check: generate lint race ## generated files, format, lint, rules of the house, races
	@git diff --exit-code -- $(GENERATED) || { echo "generated files have changed: commit them"; exit 1; }

# The linter's cache remembers findings by content but prints them by path, and reads nolint comments
# there: shared with another checkout it complains of what is well. So: a cache of this checkout's own.
LINTED := $(CURDIR)/.cache/golangci-lint

GENERATED := internal/store/sqlstore/sqlgen

generate: $(TOOLS)/sqlc-$(SQLC)
	@$(TOOLS)/sqlc-$(SQLC) generate

lint: $(TOOLS)/gofumpt-$(GOFUMPT) $(TOOLS)/golangci-lint-$(GOLANGCI)
	@bad=$$($(TOOLS)/gofumpt-$(GOFUMPT) -l $$(git ls-files '*.go' | grep -v /sqlgen/)); \
	  if [ -n "$$bad" ]; then echo "not formatted with gofumpt:"; echo "$$bad"; exit 1; fi
	@GOLANGCI_LINT_CACHE=$(LINTED) $(TOOLS)/golangci-lint-$(GOLANGCI) run --allow-parallel-runners ./...

bench: deps ## the figures of docs/performance.md
	@go run ./tools/bench
	@go test -run '^$$' -bench 'Callback|Return|AccessToken|Refresh' -benchtime 1s ./internal/connector/oauthflow ./internal/accounts ./internal/web/api

fuzz: ## each fuzz target for ten seconds
	@./scripts/fuzz.sh

screenshots: deps ## every state of every page, into e2e/out
	@go test -count=1 -run 'TestGallery' ./internal/web/wizard/... ./e2e/...

deps: ## what the tests need, installed if missing
	@./scripts/deps.sh

clean:
	@rm -rf bin .cache e2e/out

$(TOOLS)/gofumpt-$(GOFUMPT):
	@GOBIN=$(TOOLS) go install mvdan.cc/gofumpt@$(GOFUMPT) && mv $(TOOLS)/gofumpt $@

$(TOOLS)/golangci-lint-$(GOLANGCI):
	@GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI) && mv $(TOOLS)/golangci-lint $@

$(TOOLS)/sqlc-$(SQLC):
	@GOBIN=$(TOOLS) go install github.com/sqlc-dev/sqlc/cmd/sqlc@$(SQLC) && mv $(TOOLS)/sqlc $@
