# The one door: every target makes what it needs. PYTHON names the interpreter (3.11 or newer), VENV
# the environment made with it: make test PYTHON=python3.13 VENV=.venv-3.13
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test test-again soak soak-long lint format openapi bench peers servers browser pictures clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.demo  ## Instrumented model calls, priced, on embedded SQLite: no key, no network
	@$(BIN)/python examples/demo.py

# One pytest worker for each processor; whoever is idle takes tests from whoever is not.
PARALLEL ?= --numprocesses=logical --dist=worksteal

# Only where it is asked for, as CI does: a tracer makes all Python slow on CPython 3.11, that of libraries too.
COVERAGE ?=

test: $(VENV)/.dev  ## All tests but soak, on every processor; COVERAGE=yes: fails where they reach too little
	$(BIN)/pytest $(PARALLEL) $(if $(COVERAGE),--cov --cov-report=term --cov-fail-under=90)
	$(if $(COVERAGE),$(BIN)/coverage report --include='*/spantoll/pricing/*' --fail-under=100)

# Tests of other programs than Python: not run again on another Python. `few` examples of each property are.
OTHER_PROGRAMS := tests/peers tests/surfaces/dashboard/test_in_browser.py

test-again: $(VENV)/.dev  ## What depends on the Python: for another one, after `make test` on the first
	$(BIN)/pytest $(PARALLEL) --hypothesis-profile=few $(addprefix --ignore=,$(OTHER_PROGRAMS))

# With what they print. What is marked `alone` measures delays and throughput: it runs when all else has ended.
soak: $(VENV)/.dev  ## Kill loops, locks, load, leaks and properties with many examples, up to 15 minutes
	$(BIN)/pytest -m 'soak and not alone' $(PARALLEL) -rP --durations=0 --durations-min=1
	$(BIN)/pytest -m 'soak and alone' -rP --durations=0 --durations-min=1

soak-long: $(VENV)/.dev  ## The same for up to an hour and more: by hand, before a release
	$(BIN)/pytest -m soak_long -rP --durations=0 --durations-min=1

lint: $(VENV)/.dev  ## Format, lint, spelling, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/validate-pyproject pyproject.toml
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev  ## Put the code in shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

openapi: $(VENV)/.dev  ## Write docs/openapi.json, which a test holds against the API
	$(BIN)/python -m spantoll.surfaces.rest.document > docs/openapi.json

bench: $(VENV)/.dev  ## Ingest speed against the raw SQLite insert rate of the same run
	$(BIN)/python benchmarks/ingest.py

PEERS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/spantoll/peers

peers:  ## A real Collector, Jaeger and FerretDB for the tests, built with Go into a cache (4 minutes, once)
	@command -v go >/dev/null || { echo "make peers needs Go 1.24 or newer (Debian: apt-get install golang-go)" >&2; exit 1; }
	@mkdir -p "$(PEERS)"
	@cmp -s tests/peers/builder.yaml "$(PEERS)/builder.yaml" && test -x "$(PEERS)/otelcol/otelcol" || ( \
	  set -e; echo "building the OpenTelemetry Collector ..." >&2; \
	  cp tests/peers/builder.yaml "$(PEERS)/builder.yaml.new"; cd "$(PEERS)"; \
	  CGO_ENABLED=0 GOBIN="$(PEERS)" go install go.opentelemetry.io/collector/cmd/builder@v0.159.0; \
	  ./builder --config builder.yaml.new; mv builder.yaml.new builder.yaml )
	@cmp -s tests/peers/go.mod "$(PEERS)/jaeger.mod" && test -x "$(PEERS)/jaeger" || ( \
	  set -e; echo "building Jaeger ..." >&2; cd tests/peers; \
	  CGO_ENABLED=0 go build -o "$(PEERS)/jaeger" github.com/jaegertracing/jaeger/cmd/all-in-one; \
	  cp go.mod "$(PEERS)/jaeger.mod" )
	@cmp -s tests/peers/ferretdb/go.mod "$(PEERS)/ferretdb.mod" && test -x "$(PEERS)/ferretdb" || ( \
	  set -e; echo "building FerretDB ..." >&2; cd tests/peers/ferretdb; \
	  CGO_ENABLED=0 go build -tags ferretdb_no_postgresql -o "$(PEERS)/ferretdb" .; \
	  cp go.mod "$(PEERS)/ferretdb.mod" )
	@command -v npm >/dev/null || { echo "without npm there are no JavaScript exporters" >&2; exit 0; }; \
	  cmp -s tests/peers/package.json "$(PEERS)/js/package.json" || ( \
	  set -e; echo "installing the JavaScript exporters ..." >&2; mkdir -p "$(PEERS)/js/new"; \
	  cp tests/peers/package.json "$(PEERS)/js/new"; cd "$(PEERS)/js"; \
	  npm install --prefix new --no-audit --no-fund --ignore-scripts --loglevel=error >&2; \
	  rm -rf node_modules; mv new/node_modules new/package.json .; rm -rf new )
	@echo "$(PEERS)"

browser:  ## The browser of the dashboard's tests, from Debian's packages where it is missing
	@command -v chromium >/dev/null || \
	  { apt-get update --quiet && DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes chromium; } >&2

pictures: $(VENV)/.dev browser  ## Draw the pictures of the dashboard in docs/, from the calls of the demo
	@$(BIN)/python examples/pictures.py

servers:  ## The servers of databases and caches of the tests, from Debian's packages where they are missing
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || \
	  { apt-get update --quiet && DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes postgresql; } >&2
	@command -v mariadbd >/dev/null || test -x /usr/sbin/mariadbd || \
	  { apt-get update --quiet && DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes mariadb-server; } >&2
	@command -v redis-server >/dev/null || \
	  { apt-get update --quiet && DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes redis-server; } >&2

clean:  ## Remove what the targets made
	rm -rf .venv .venv-* .demo .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage .coverage.*

$(VENV)/.pip:
	@$(PYTHON) -c 'import sys; sys.exit("SpanToll needs Python 3.11 or newer; this is %d.%d. Try: make PYTHON=python3.12" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.demo: pyproject.toml $(VENV)/.pip
	$(BIN)/python -m pip install --quiet --editable '.[dashboard]' --group demo
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.demo
	$(BIN)/python -m pip install --quiet --editable '.[exporter]' --group demo --group dev
	@touch $@
