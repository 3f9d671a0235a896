# What can be done here. `make` alone lists it.
.DEFAULT_GOAL := help

GO ?= go

.PHONY: help
help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/minik
	@test -x bin/minik || echo "building bin/minik: the first time takes some minutes, as etcd and client-go are built, too"
	$(GO) build -ldflags='-s -w' -o bin/minik ./cmd/minik

.PHONY: demo
demo: build ## start a cluster and run the small shop of examples/shop on it, in real containers where Docker answers
	@$(GO) run ./examples/shop/build
	bin/minik up -f examples/shop

.PHONY: test
test: ## run every test
	$(GO) test -timeout 20m ./...

.PHONY: clients
clients: ## run the tests with Helm 3, Helm 4 and controller-runtime, which are a module of their own
	cd clients && $(GO) test ./...

# How many random objects of each kind are compared, and ten times as many scheduling decisions; and where the random choices start.
N ?= 1000
SEED ?= 1

# What is compared: kinds (.), scheduling and controllers, whose histories are still told differently now and then.
ROOMS ?= . ./scheduling ./controllers

.PHONY: fidelity
fidelity: ## compare minik's defaults, checks, warnings, columns, scheduling and controllers with upstream's own code, N random objects of each kind from SEED
	cd fidelity && $(GO) test -p 1 $(ROOMS) -timeout 2h -args -n $(N) -seed $(SEED) $(if $(PAGE),-page $(abspath $(PAGE)))

# What runs the containers of the conformance suite, and which of its specs are run: a regular expression.
RUNTIME ?= sim
FOCUS ?=

.PHONY: conformance
conformance: ## run upstream's conformance suite on a cluster of RUNTIME (sim or docker), those specs that FOCUS matches; hours for all
	cd conformance && $(GO) run . -runtime $(RUNTIME) -focus '$(FOCUS)' $(CONFORMANCE)

.PHONY: servers
servers: ## run kube-scheduler, kube-controller-manager and KWOK on minik, and minik's components on kube-apiserver
	cd conformance && $(GO) test .

.PHONY: race
race: ## run the tests of the packages where goroutines meet with the race detector
	$(GO) test -race ./apiserver/... ./cluster/... ./controllers/... ./dns/... ./journal/... ./kubelet/... ./proxy/... ./scheduler/...

.PHONY: lint
lint: ## run go vet and the linters of .golangci.yml
	$(GO) vet ./...
	golangci-lint run

# How long each fuzz target runs.
TIME ?= 10s

.PHONY: fuzz
fuzz: ## run every fuzz target for TIME each; what fails is kept in testdata/fuzz
	@set -e; for package in ./apiserver ./dns; do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "$$target, $(TIME)"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(TIME) $$package; \
		done; \
	done

.PHONY: rewrite
rewrite: ## rewrite the expected results of the scenario files in testdata/ (look at the difference afterwards)
	$(GO) test $$(grep -rlE --include='*_test.go' '"minik.dev/scenario"|controllertest\.(YAML)?Scenarios' . | xargs -n1 dirname | sort -u) -rewrite

.PHONY: tidy
tidy: ## tidy go.mod, and those of clients/, conformance/ and fidelity/, which follow it
	$(GO) mod tidy
	cd clients && $(GO) mod tidy
	cd conformance && $(GO) mod tidy
	cd fidelity && $(GO) mod tidy

.PHONY: bench
bench: ## run the benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

.PHONY: bench-scheduler
bench-scheduler: ## run the scheduler's benchmarks, alone and in a cluster of processes, and print them as one table
	@$(GO) test -run '^$$' -bench '^BenchmarkSchedule$$' -benchmem ./scheduler >bench-scheduler.out
	@$(GO) test -run '^$$' -bench '^BenchmarkMemory$$' -benchtime 1x ./scheduler >>bench-scheduler.out
	@$(GO) test -run '^$$' -bench '^BenchmarkWholeRun$$' -benchtime 1x ./cluster >>bench-scheduler.out
	@$(GO) test -run '^$$' -bench '^BenchmarkPods$$' -benchtime 5000x ./cluster/clustertest >>bench-scheduler.out
	@awk '/^Benchmark/ { sub(/^Benchmark/, "", $$1); printf "%-44s", $$1; \
		for (i = 3; i < NF; i += 2) printf " %10s %-18s", $$i, $$(i + 1); print "" }' bench-scheduler.out

PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

.PHONY: cross
cross: ## build dist/ for every system and processor that minik knows
	@set -e; for platform in $(PLATFORMS); do \
		os=$${platform%/*}; arch=$${platform#*/}; out=dist/minik-$$os-$$arch; \
		if [ $$os = windows ]; then out=$$out.exe; fi; \
		echo "$$out"; \
		CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch $(GO) build -o $$out ./cmd/minik; \
	done
