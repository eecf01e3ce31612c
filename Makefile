# Every target makes its own set-up: a machine with Python 3.11 or later and make is enough.
BIN := .venv/bin
SEEDS ?= 2000
SEED ?= 1
INPUTS ?= 1000000
UPGRADE ?=

.PHONY: help setup demo test fmt lint types sim bench chaos trials bits night reference pins clean

help:            ## this list
	@sed -n 's/^\([a-z]*\): .*## /make \1\t/p' Makefile

setup:           ## make .venv from the hash-pinned requirements (the other targets do it by themselves)
	@scripts/setup

demo: setup      ## the main job, end to end: a network of nine nodes, real files, real model, liars
	@$(BIN)/python -m examples.filetype.demo

test: lint types ## everything that CI runs: lint, types, dependency rule, all tests
	$(BIN)/pytest -n 2

fmt: setup       ## format, and mend what can be mended
	$(BIN)/ruff check -q --fix-only .
	$(BIN)/ruff format .

lint: setup      ## style, format and the dependency rule
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: setup     ## mypy --strict
	$(BIN)/mypy

sim: setup       ## the simulator's tests alone
	$(BIN)/pytest tests/sim

bench: setup     ## figures, with the machine and the method
	@$(BIN)/python -m benches

chaos: setup     ## a real network, hurt 200 times under load by the plan of SEED=1, and judged: some 25 minutes
	@$(BIN)/assay testnet chaos --events 200 --seed $(SEED)

trials: setup    ## every kind of lie about a job on a network of fourteen nodes, with balances before and after: some half an hour
	@$(BIN)/python -m testnet.trials

bits: setup      ## whether every value of every model has the same bits in numpy and compiled, here and on emulated processors: some 40 minutes; goes on if stopped
	$(BIN)/python -m tests.vm.bits

night: setup     ## the long campaigns: SEEDS=2000 simulated networks, INPUTS=1000000 odd inputs, and property tests with large counts; goes on if stopped
	$(BIN)/python -m testnet.sim --seeds $(SEEDS)
	$(BIN)/python -m testnet.sim.forks
	$(BIN)/python -m testnet.sim.mutants
	$(BIN)/python -m tests.fuzz --inputs $(INPUTS)
	$(BIN)/python -m tests.ledger.walk
	$(BIN)/python -m tests.testnet.audit
	$(BIN)/python -m tests.ledger.economics
	$(BIN)/python -m tests.vm.bits
	$(BIN)/python -m tests.vm.referee --elements 100000
	$(BIN)/python -m tests.vm.claims
	$(BIN)/python -m tests.vm.deviation
	$(BIN)/python -m tests.vm.deviation.jobs
	$(BIN)/python -m tests.vm.hostile.corpus
	HYPOTHESIS_PROFILE=night $(BIN)/pytest tests --ignore=tests/sim

reference: setup ## write docs/reference anew from the code
	$(BIN)/python -m scripts.reference

pins: setup      ## compile the requirements; UPGRADE=--upgrade renews the versions
	scripts/pins $(UPGRADE)

clean:           ## remove what was made here: .venv, caches
	rm -rf .venv .make .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis *.egg-info
