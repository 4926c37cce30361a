# `make demo` and `make test` do all their own set-up; on Debian or Ubuntu as root they install and start Docker if none answers.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
# Ansible refuses other encodings.
export LC_ALL := C.UTF-8
export PATH := $(CURDIR)/$(BIN):$(PATH)
CLUSTER := molecule/simulation/clusters/two_spark.yml
SIMULATE := PYTHONPATH=molecule $(BIN)/python -m simulation.cluster
SCENARIOS := preflight discover fabric validate image model caches serve

.PHONY: help
help:
	@echo "make demo       two simulated DGX Sparks, the deploy playbook, a chat completion"
	@echo "make test       gates, unit tests and the scenarios that fit about 50 minutes, on nodes made anew"
	@echo "make test-all   every scenario"
	@echo "make test-rdma  two emulated nodes with soft-RoCE: real verbs, real GID tables (14 minutes, as root on Debian 12)"
	@echo "make test-vllm  a real vLLM for CPUs on the simulated pair (17 minutes, 8 GB of disk)"
	@echo "make test-parser the recipes' command lines, read by vLLM's own parsers (5 minutes, 2.5 GB of disk, Python 3.11)"
	@echo "make clean      remove the simulated and the emulated nodes"

$(VENV)/.ready: requirements-dev.txt
	@echo "== Python environment"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet uv==0.13.9
	UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip install --quiet --python $(BIN)/python --requirement requirements-dev.txt
	@touch $@

.PHONY: setup
setup: $(VENV)/.ready

.PHONY: host
host: setup
	@echo "== Docker and build tools"
	@molecule/simulation/ensure-host

.PHONY: up
up: host
	@echo "== Simulated nodes"
	@$(SIMULATE) up $(CLUSTER)

# Tests begin on nodes made anew, once in a call: whatever an interrupted run left on the old ones would be the next run's failure.
.PHONY: fresh
fresh: host
	@echo "== Simulated nodes, made anew"
	@$(SIMULATE) down
	@$(SIMULATE) up $(CLUSTER)

.PHONY: demo
demo: up
	@echo "== Deploy"
	$(BIN)/ansible-playbook deploy_dsv4.yml -i inventories/sim_two_spark
	@echo "== A chat completion from the head"
	$(BIN)/ansible-playbook hacking/ask.yml -i inventories/sim_two_spark -e "question='How many nodes does it take?'"

.PHONY: gates
gates: setup
	@hacking/gates

.PHONY: unit
unit: setup
	@echo "== Unit tests"
	$(BIN)/python -m pytest tests/unit --numprocesses auto

.PHONY: sanity
sanity: setup
	@hacking/sanity

.PHONY: scenarios
scenarios: fresh
	@echo "== Scenarios"
	@for scenario in $(SCENARIOS); do echo "== molecule: $$scenario"; $(BIN)/molecule test --scenario-name $$scenario || exit 1; done

.PHONY: acceptance
acceptance: fresh
	@echo "== Acceptance: the short part"
	$(BIN)/python -m pytest tests/acceptance -m "not long" --durations=15

.PHONY: acceptance-long
acceptance-long: fresh
	@echo "== Acceptance: the long part"
	$(BIN)/python -m pytest tests/acceptance -m "long" --durations=15

.PHONY: test
test: gates unit sanity scenarios acceptance
	@echo "== All passed"

.PHONY: test-all
test-all: test acceptance-long
	$(BIN)/molecule test --scenario-name deploy
	@echo "== All passed, the long part too"

.PHONY: test-vllm
test-vllm: up
	@echo "== A real vLLM for CPUs: image and model"
	PYTHONPATH=molecule $(BIN)/python -m simulation.real_vllm $(CLUSTER)
	@echo "== Deployment, completions, refusals"
	$(BIN)/python -m pytest tests/vllm --verbose --durations=10
	@echo "== All passed"

.PHONY: test-parser
test-parser: setup
	@echo "== Command lines of the recipes, under vLLM's own parsers"
	$(BIN)/python -m pytest tests/parser --verbose --durations=10
	@echo "== All passed"

.PHONY: test-rdma
test-rdma: setup
	@molecule/simulation/rdma/ensure-host
	@echo "== Emulated nodes with soft-RoCE"
	$(BIN)/python -m pytest tests/rdma --verbose --durations=10
	@echo "== All passed"

# Both are for developers: what docs/traps shows, and whether breaking our handling of a trap is noticed.
.PHONY: traps
traps: up
	@echo "== Traps: record what they print"
	@rm -f .sim/traps.jsonl
	RECORD_TRAPS=$(CURDIR)/.sim/traps.jsonl $(BIN)/python -m pytest tests/acceptance/traps tests/acceptance/test_fabric.py -m "not long"
	@hacking/traps --record .sim/traps.jsonl

.PHONY: mutate
mutate: up
	@hacking/mutate

.PHONY: bench
bench: up
	@$(BIN)/python hacking/bench

.PHONY: clean
clean: setup
	@if docker info >/dev/null 2>&1; then $(SIMULATE) down; fi
	@if ip netns list 2>/dev/null | grep -q dgx-spark-rdma; then PYTHONPATH=molecule $(BIN)/python -m simulation.rdma down; fi
