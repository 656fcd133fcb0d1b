# vgpu: one verb for each kind of work. `make demo` and `make test` are all a newcomer needs.
GO      ?= go
BIN     := bin/vgpu
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
COVER   := $(CURDIR)/cover
PKGS    := ./...

.PHONY: all build demo test lint generate unit race procs noasm arm64 blackbox coverage bench peers judges soak accuracy kernels fuzz deps clean

all: build

## build: the static binary, bin/vgpu
build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/vgpu

## demo: mount a device, work through an example on real data, unmount
demo: build
	@sh tools/demo.sh $(BIN)

## test: everything that CI checks; ends with go test's own summary
test: deps lint noasm arm64 race coverage

## deps: the Debian packages that the tests use; installed when root, else named
deps:
	@sh tools/deps.sh

## lint: vet, staticcheck, shellcheck, formatting, the import rules, generated files
lint:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not gofmt'ed:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet $(PKGS)
	$(GO) tool staticcheck $(PKGS)
	shellcheck $$(git ls-files '*.sh') .ci/run
	$(GO) test -count=1 ./tools/...

## generate: assembly, manuals, docs and the notices of third parties anew; `make lint` fails if that changes anything
generate:
	$(GO) generate $(PKGS)

## noasm: the pure-Go twins alone, as on a machine without our assembly
noasm:
	$(GO) test -count=1 -short -tags noasm ./kernels/...

## arm64: the same tree for another machine, run by qemu-user; what takes longest begins first
arm64:
	GOARCH=arm64 CGO_ENABLED=0 $(GO) build -o /dev/null ./cmd/vgpu
	GOARCH=arm64 CGO_ENABLED=0 $(GO) test -count=1 -short -timeout 20m -exec qemu-aarch64-static ./kernels/gemm ./kernels/reduce ./kernels/order ./kernels/vec \
		./kernels/simd ./kernels/ndarray ./kernels/stream ./kernels/expr ./kernels/pool \
		./kernels/command ./kernels/pack ./kernels/scratch ./kernels/catalog

## race: unit tests under the race detector
race:
	$(GO) test -race -count=1 -short -timeout 15m ./alloc/... ./iouring/... ./device/... ./vfs/... ./kernels/... ./cmd/...

## coverage: unit tests and black-box tests with counters, the share of the code they reach together, and procs
coverage:
	@sh tools/coverage.sh $(COVER)

## blackbox: the built binary through real mounts
blackbox:
	$(GO) test -count=1 -timeout 15m ./tests/...

## procs: the same with one processor for the daemon's goroutines, which shows what two hide
procs:
	GOMAXPROCS=1 $(GO) test -count=1 -timeout 15m ./tests/...

## bench: our own figures: kernels, the control plane, files, disks; those on disks use files in DISK
DISK ?= /var/tmp
bench: build
	$(BIN) bench suite
	$(BIN) bench launch
	$(BIN) bench mount
	@sh tools/files_bench.sh $(BIN)
	@sh tools/disk_bench.sh $(BIN) $(DISK)
	@sh tools/spill_bench.sh $(BIN) $(DISK)

## peers: ours and theirs interleaved in one run, all of tools/peers; QUICK=1 for few samples
peers: build
	$(GO) run ./tools/peers all $(if $(QUICK),-quick)

## soak: random scripts on every kind of device, against a model, for SOAK
SOAK ?= 1h
soak:
	VGPU_SOAK=$(SOAK) $(GO) test -count=1 -timeout 0 -v -run '^TestSoak$$' ./tests

## accuracy: every f32 through every function, all lengths of transforms; hours
accuracy:
	VGPU_EXHAUSTIVE=1 $(GO) test -count=1 -timeout 0 -v -run Accuracy ./kernels/simd ./kernels/fft

## judges: test suites of other people, whose sources are fetched
judges: build
	@sh tools/judges.sh

## kernels: a device on Linux 5.10, 6.1 and 6.12, in emulated machines
kernels: build
	@sh tools/kernels.sh $(BIN)

## fuzz: each fuzz target for FUZZTIME
FUZZTIME ?= 30s
fuzz:
	@sh tools/fuzz.sh $(FUZZTIME)

clean:
	rm -rf bin cover
