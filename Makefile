# The commands people use. Each says what it does, is quick the second time, and works on a fresh machine as root (or with sudo).
.PHONY: help demo test check dev deb bench clean fleet unit
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

help:           ## Show the commands
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

dev: $(VENV)/.installed  ## Make .venv with skate, skatelet and the tools

$(VENV)/.installed: pyproject.toml packaging/setup-machine
	packaging/setup-machine venv $(VENV)
	touch $@

demo: $(VENV)/.installed  ## Boot three nodes, deploy the examples on them, show that they answer
	$(SUDO) packaging/setup-machine sandbox
	packaging/build-deb
	$(SUDO) $(BIN)/python -m skate.sandbox.demo

test: $(VENV)/.installed  ## All tests, the ones on real nodes included
	$(SUDO) packaging/setup-machine test
	packaging/build-deb
	$(MAKE) --no-print-directory check
	$(SUDO) $(BIN)/pytest -n 2 --dist loadscope

unit: $(VENV)/.installed  ## The tests that need no nodes
	$(BIN)/pytest -n auto -m 'not fleet'

check: $(VENV)/.installed  ## Format, lint, types, and the three rules of the layout
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

deb: $(VENV)/.installed  ## Build the .debs, of skatelet and its CoreDNS, for both architectures into build/
	$(SUDO) packaging/setup-machine build
	packaging/build-deb --arch all

bench: $(VENV)/.installed  ## Measure the budgets on a sandbox, side by side
	$(SUDO) packaging/setup-machine bench
	packaging/build-deb
	$(SUDO) $(BIN)/python -m bench
	$(BIN)/python -m bench.dns

clean:          ## Remove what was built; caches of root file systems stay
	rm -rf build $(VENV)
