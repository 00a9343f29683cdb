# `make repro` runs the pipeline, `make test` the checks; both set up everything they need.
PYTHON ?= python3
FAULTS ?= 100
VENV := .venv
READY := $(VENV)/.ready
# The pipeline calls `python`, which must be the environment's; so does DVC in a queued experiment.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help repro status test cluster torture ablation fuzz bench lock clean

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

repro: $(READY) ## run the pipeline of params.yaml (dvc repro); mend what a fault damaged
	@# `auxseg mend` fails where nothing is damaged: then another attempt would end as this one did.
	dvc repro || { auxseg mend && dvc repro; }

status: $(READY) ## what is not up to date, of the rounds that params.yaml asks for
	dvc status --with-deps evaluate

test: $(READY) ## lint, types and tests
	ruff format --check .
	ruff check .
	mypy
	pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

cluster: $(READY) ## the tests with all stages on three simulated hosts, which takes hours
	pytest --cluster --timeout 3600

torture: $(READY) ## disturb the pipeline by FAULTS=100 faults, compare what it ends with
	PYTHONPATH=tests python -m torture.run --faults $(FAULTS)

ablation: $(READY) ## repeat the comparison of docs/results.md: 3 seeds, 3 kinds of affinity
	python -m bench.ablation

fuzz: $(READY) ## give damaged files to every reader, 20,000 of them
	python -m bench.fuzz --inputs 20000

bench: $(READY) ## time each step beside a plain version of it, after a `make repro`
	python -c 'from bench.speed import main; main()'

lock: $(READY) ## renew requirements.lock from pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-annotate --extra dev \
	  --custom-compile-command "make lock" pyproject.toml -o requirements.lock

clean: ## remove the environment and caches, but no results
	rm -rf $(VENV) auxseg.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(READY): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name it: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-compile -r requirements.lock
	@# By all cores, where pip would use one; it fails for files of another version of Python.
	@$(VENV)/bin/python -m compileall -qq -j 0 $(VENV)/lib || true
	@# The command `auxseg`; an editable install of this folder needs setuptools, no network.
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@
