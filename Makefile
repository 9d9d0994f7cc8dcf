# make demo   the main job on embedded defaults
# make test   all tests, on JOBS cores (all of them); says which groups this machine cannot run, REQUIRE=all makes that a failure
# make chaos  ten minutes of random people, kills, full disks and hostile connections; SEED=… repeats a run
# make mutants MODULE=src/tautwire/…  small random changes to a module, each of which some test should notice
# make coverage  how much of each room the tests of client, server, session and protocol run, over all their processes; fails below the floors of pyproject.toml
# make check  format, lint, types, import rules, docs links, words that readers stumble over
# make release  wheel, source distribution, bill of materials and sums in dist/, checked; VERSION=1.2.3 first sets the version and the section of the changelog
# make docs   the documentation site, in site/; it needs no other host, and opens from a disk as well
# make bench  the benchmarks, each prints a table and writes bench/results/*.json
# make picture  run the demo and draw docs/pictures/demo.svg; take the pictures of the page
# make lock   pin the newest packages that pyproject.toml allows

.PHONY: demo test chaos mutants coverage check docs release bench picture lock clean
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
REQUIRE ?=
JOBS ?= auto
COVERED ?= tests/protocol tests/session tests/client tests/server tests/gateway tests/attach tests/cli tests/testing
CHAOS_SEED := $(shell date +%s)
export PYTHON REQUIRE

help:
	@sed -n 's/^# //p' Makefile

.venv/.app: requirements/app.txt pyproject.toml tools/venv.sh
	@tools/venv.sh app

.venv/.dev: requirements/dev.txt requirements/app.txt pyproject.toml tools/venv.sh
	@tools/venv.sh dev

demo: .venv/.app
	@$(BIN)/tautwire demo

test: .venv/.dev
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup $(PYTEST_ARGS)

chaos: .venv/.dev
	@echo "SEED=$(or $(SEED),$(CHAOS_SEED))"
	@SEED=$(or $(SEED),$(CHAOS_SEED)) $(BIN)/python -m pytest tests/chaos -m '' -v $(PYTEST_ARGS)

mutants: .venv/.dev
	@test -n "$(MODULE)" || { echo "say which module: make mutants MODULE=src/tautwire/session/outbox.py"; exit 2; }
	@$(BIN)/python -m tools.mutants $(MODULE) $(TESTS) --count $(or $(COUNT),20) --seed $(or $(SEED),1) --threshold $(or $(THRESHOLD),95)

coverage: .venv/.dev
	@$(BIN)/coverage erase
	@STORES=sqlite $(BIN)/python -m pytest -n $(JOBS) --dist loadgroup --cov --cov-report= $(COVERED) $(PYTEST_ARGS)
	@$(BIN)/python -m tools.coverage_floors

check: .venv/.dev
	@$(BIN)/ruff format --check --quiet . || { echo "run: $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo >/dev/null || $(BIN)/lint-imports
	@$(BIN)/python -m tools.docs_links
	@$(BIN)/python -m tools.plain_english
	@echo "check passed"

docs: .venv/.dev
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --clean
	@echo "open site/index.html"

release: .venv/.app
	@$(BIN)/python -m tools.release $(VERSION)

bench: .venv/.dev
	@$(BIN)/python -m bench

picture: .venv/.dev
	@$(BIN)/python -m tools.demo_svg
	@$(BIN)/python -m tools.page_pictures

lock:
	uv pip compile -q pyproject.toml --extra server --extra speed --group build --universal --python-version 3.11 --generate-hashes --no-header --upgrade -o requirements/app.txt
	uv pip compile -q pyproject.toml --extra all --group dev --universal --python-version 3.11 --generate-hashes --no-header --upgrade -c requirements/app.txt -o requirements/dev.txt
	uv pip compile -q --group pyproject.toml:release --universal --python-version 3.11 --generate-hashes --no-header --upgrade -o requirements/release.txt

clean:
	rm -rf site .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
