# What there is to do here. `just` lists it; .ci/run installs what is missing and then does `just ci`.

set shell := ["bash", "-euo", "pipefail", "-c"]
set quiet

# Pinned, so that what passed yesterday is judged by the same rules today.
staticcheck := "honnef.co/go/tools/cmd/staticcheck@v0.8.1"
govulncheck := "golang.org/x/vuln/cmd/govulncheck@v1.8.0"

# The packages whose tests ask the kernel and real programs.
kernel := "./sandbox/... ./launcher/... ./secrets/... ./detect/... ./cmd/ward/..."

export CGO_ENABLED := "0"

# list the recipes
default:
    just --list --unsorted

# build ward, stripped
build:
    go build -trimpath -ldflags='-s -w' -o ward ./cmd/ward

# format every file
fmt:
    gofmt -w .

# vet for every system and processor that ward is built for
vet:
    for system in linux darwin; do for processor in amd64 arm64; do \
        echo "go vet: $system/$processor"; \
        GOOS=$system GOARCH=$processor go vet ./...; \
    done; done

# staticcheck and govulncheck
lint: _staticcheck _govulncheck

# the tests; what this machine lacks is skipped by name
[no-exit-message]
test:
    go test ./...

# the tests that ask the kernel and real programs; a skip is a failure
[no-exit-message]
kernel:
    WARD_NO_SKIP=1 go test -count=1 -timeout=20m {{ kernel }}

# The race detector needs cgo. With it stage two does not get ready (it spins), and ward is never built so: the packages
# whose tests launch something are left out.

# the packages that launch nothing, under the race detector (needs a C compiler)
[no-exit-message]
race:
    CGO_ENABLED=1 go test -race -timeout=20m ./secrets/... ./guard/... ./profiles/... ./detect/... ./launcher/broker ./launcher/scan ./launcher/hooks

# what real programs print in terminals, for the guard's tests: needs root, the programs, and their agents in a node_modules
[no-exit-message]
captures modules only="":
    WARD_CAPTURE_MODULES={{ modules }} WARD_CAPTURE={{ only }} go test -tags=capture -count=1 -timeout=20m -run=TestRecord -v ./guard

# all of this machine's sources and documents, and 2 GB of random text, against a thousand values
[no-exit-message]
chance:
    WARD_TEST_FULL=1 go test -count=1 -timeout=15m -run='^TestNothingIsMetByChance$' ./guard

# ward beside what it is measured against
bench:
    bash bench/run

# each fuzz target for some seconds
[no-exit-message]
fuzz seconds="30":
    for package in $(go list ./...); do \
        targets=$(go test -list '^Fuzz' "$package" | { grep '^Fuzz' || true; }); \
        for target in $targets; do \
            echo "$package $target"; \
            go test -run='^$' -fuzz="^$target\$" -fuzztime={{ seconds }}s "$package"; \
        done; \
    done

# everything that CI does: the checks, then the tests with skips forbidden
[no-exit-message]
ci: _formatted vet lint chance
    WARD_NO_SKIP=1 go test -count=1 -timeout=20m ./...

_formatted:
    files=$(gofmt -l .); test -z "$files" || { echo "gofmt: not formatted:"; echo "$files"; exit 1; } >&2

_staticcheck:
    echo "staticcheck"
    go run {{ staticcheck }} ./...

# A finding fails. A database that cannot be reached does not: the machine may have no way there.
_govulncheck:
    if out=$(go run {{ govulncheck }} ./... 2>&1); then echo "govulncheck: nothing found"; \
    elif [[ $out == *"fetching vulnerabilities"* ]]; then \
        echo "govulncheck: NOT CHECKED: its database cannot be reached from this machine"; \
    else echo "$out" >&2; exit 1; fi
