# Two commands do everything on a fresh machine: `make serve` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: serve test check bench samples lexicon clean system audit

serve: $(VENV)/.serve ## install what is missing and serve the page on http://localhost:8080
	$(BIN)/talaqqi serve

test: check ## everything the project promises, in under ten minutes on two cores
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile tests/recitation
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile tests/server tests/fuzz tests/page
	$(BIN)/python -m pytest tests/e2e tests/perf  # one at a time: a browser that recites, and what measures time

check: $(VENV)/.test system
	$(BIN)/ruff check .
	$(BIN)/mypy

audit: ## look up known weaknesses of every pinned dependency, in a virtual environment that is thrown away
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && $(PYTHON) -m venv "$$folder" && \
	"$$folder/bin/pip" install --quiet --disable-pip-version-check 'pip-audit>=2.9,<3' && \
	"$$folder/bin/pip-audit" --requirement constraints.txt --no-deps --disable-pip --progress-spinner off

bench: $(VENV)/.test system ## all figures of speed into docs/performance.md, ten minutes on a machine that does nothing else
	$(BIN)/python perf/bench --docs docs/performance.md --json bench.json

samples: $(VENV)/.test ## synthesise the bundled recitations again
	$(BIN)/python -m recitation.made_voice samples static/samples

lexicon: $(VENV)/.test ## generate the frozen lexicon again (about five minutes)
	$(BIN)/python -m recitation.lexicon_build recitation/models/lexicon.npz

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) --editable .
	@touch $@

$(VENV)/.test: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) --editable '.[train,lexicon,test]'
	@touch $@ $(VENV)/.serve

# Debian's espeak-ng makes the recitation the tests run on, its Chromium drives the page.  Where they cannot be
# installed the tests that need them are skipped and say so.
system:
	@missing=; \
	command -v espeak-ng >/dev/null || missing="$$missing espeak-ng"; \
	command -v chromium >/dev/null || missing="$$missing chromium"; \
	if [ -n "$$missing" ] && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -yqq --no-install-recommends $$missing >/dev/null || true; \
	fi

clean:
	rm -rf $(VENV) build *.egg-info
