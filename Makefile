# Everyday commands of lejarat. `make help` lists them.
SHELL := bash
.DEFAULT_GOAL := help
BIN := bin/lejarat
ARGS ?=
SEED ?= 1
N ?= 1
PEOPLE ?= 5000
DAYS ?= 365
LOAD_PEOPLE ?= 600000
LOAD_JSON ?=
LOAD_SKIP ?=
LOAD_DUE ?=
LOAD_HEAP ?= 1g
FUZZTIME ?= 30s
BENCH ?= .
COUNT ?= 1

.PHONY: help build run test check bench bench-load profile bench-mail sim integration chaos stack stack-stop fuzz

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

build: ## build bin/lejarat
	go build -o $(BIN) ./cmd/lejarat

run: build ## the main job on an embedded broker: half a year of an invented registry (ARGS="--people 10000 --seed 7")
	$(BIN) demo $(ARGS)

test: ## all tests that need nothing but Go
	go test -timeout 10m ./...

check: ## format, vet, staticcheck, race detector, tidy modules, clean tree
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not gofmt-ed:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet ./...
	go vet -tags integration,load ./deploy/... ./connectors/...
	go tool staticcheck ./...
	go mod tidy -diff
	LEJARAT_ORACLE_SEEDS=1 LEJARAT_ORACLE_PEOPLE=1000 LEJARAT_ORACLE_DAYS=40 go test -race -short -timeout 30m ./...
	@test -z "$$(git status --porcelain)" || { echo "the tree is not clean:"; git status --short; exit 1; }

bench-load: ## registers of LOAD_PEOPLE people, one or several sizes, on a broker of its own: floor, rebuild, restore, runs, latency, disk, memory (deploy/integration/README.md)
	KAFKA_HEAP=$(LOAD_HEAP) deploy/stack/start --clean kafka
	status=0; KAFKA_HEAP=$(LOAD_HEAP) LEJARAT_LOAD_PEOPLE="$(LOAD_PEOPLE)" LEJARAT_LOAD_JSON=$(LOAD_JSON) LEJARAT_LOAD_SKIP="$(LOAD_SKIP)" LEJARAT_LOAD_DUE=$(LOAD_DUE) \
	go test -tags integration,load -count=1 -timeout 6h -v -run '^TestLoad$$' ./deploy/integration/ || status=1; \
	deploy/stack/stop --clean kafka; exit $$status

profile: ## make what builds are optimised by anew (cmd/lejarat/default.pgo): CPU profiles of bench-load, from rebuild, restore and runs
	profiles=$$(mktemp -d); trap "rm -rf $$profiles" EXIT; \
	GOFLAGS=-trimpath LEJARAT_LOAD_PROFILES=$$profiles $(MAKE) bench-load LOAD_PEOPLE=875000 LOAD_SKIP="warm floor produce idle disk restart switch latency killed scale" && \
	go tool pprof -proto $$profiles/*.prof > cmd/lejarat/default.pgo

bench: ## micro-benchmarks and the whole pipeline on the embedded broker, for benchstat (COUNT=10 BENCH=Decode > new.txt)
	@go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) -timeout 4h ./...

bench-mail: ## the mail connector against Postfix's smtp-source and go-mail (loopback, 10 ms between, a Postfix that holds what it gets), and its memory
	STACK_POSTFIX_SETTINGS='smtpd_data_restrictions = check_client_access static:HOLD' deploy/stack/start --clean kafka postfix
	status=0; eval "$$(deploy/stack/env)"; \
	LEJARAT_BENCH_POSTFIX=$$STACK_SMTP go test -tags integration -count=1 -timeout 30m -v -run TestMailThroughput ./connectors/smtp || status=1; \
	go test -tags integration,load -count=1 -timeout 30m -v -run '^TestMailMemory$$' ./deploy/integration/ || status=1; \
	deploy/stack/stop --clean kafka postfix; exit $$status

sim: ## simulated faults in small and large worlds over the model of Kafka and on the embedded broker, then the oracle's comparison (SEED=7 N=3 PEOPLE=5000 DAYS=365)
	LEJARAT_SIM_SEED=$(SEED) LEJARAT_SIM_SEEDS=$(N) go test -count=1 -timeout 12h -v -run 'Test(Model|Crowd|Simulation)$$' ./processor
	LEJARAT_ENGINE_SEED=$(SEED) LEJARAT_ENGINE_SEEDS=$(N) go test -count=1 -timeout 600m -v -run TestEngineSimulation ./cmd/lejarat
	LEJARAT_ORACLE_SEED=$(SEED) LEJARAT_ORACLE_SEEDS=$(N) LEJARAT_ORACLE_PEOPLE=$(PEOPLE) LEJARAT_ORACLE_DAYS=$(DAYS) \
	go test -count=1 -timeout 60m -v -run TestOracle ./cmd/lejarat

stack: ## start PostgreSQL, Kafka, Connect with Debezium, and Postfix, natively
	deploy/stack/start

stack-stop: ## stop what make stack started
	deploy/stack/stop

integration: ## a row changed in PostgreSQL becomes a mail in Postfix: the real stack from end to end
	deploy/stack/start
	eval "$$(deploy/stack/env)"; status=0; \
	go test -tags integration -count=1 -timeout 40m -v ./deploy/integration/... || status=1; \
	LEJARAT_TEST_BROKERS=$$STACK_KAFKA go test -count=1 -timeout 10m ./connectors/kafka/... || status=1; \
	LEJARAT_TEST_BROKERS=$$STACK_KAFKA go test -short -count=1 -timeout 10m -parallel 8 -run TestEngine ./cmd/lejarat || status=1; \
	deploy/stack/stop; exit $$status

chaos: ## 10 minutes of three instances on three brokers: killed, frozen, restarted, robbed of their state (SEED=7)
	deploy/stack/start --brokers 3 kafka
	status=0; LEJARAT_CHAOS_SEED=$(SEED) LEJARAT_CHAOS_INSTANCES=3 LEJARAT_CHAOS_DAYS=30 LEJARAT_CHAOS_RATE=300 LEJARAT_CHAOS_CHUNK=16 \
	LEJARAT_CHAOS_GONE=70 go test -tags integration -count=1 -timeout 25m -v -run '^(TestChaos|TestBrokerGone|TestFrozenOwner)$$' ./deploy/integration/ || status=1; \
	deploy/stack/stop --clean kafka; exit $$status

fuzz: ## every decoder, FUZZTIME each
	@go list ./... | while read p; do for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	  echo "$$p $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -parallel 2 $$p || exit 1; done; done
