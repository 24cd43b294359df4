# make reproduce   every notebook and the book; PROFILE=smoke (default), laptop, gpu or paper. Where the
#                  numbers of the profile are published, it says at its end whether they came out again.
#                  ANYWAY=1 leaves out the notebooks whose images are not here
# make test        the tests
# make book        the book alone, from results that are already there; PROFILE=laptop (default): the
#                  published ones
# make pdf         the reproducibility report as a PDF, printed by a Chromium that is installed; ALL=1: all of
#                  the book
# make lint        formatting, style, types, stripped notebooks
# make clean       the environment and everything that is made again; trainings (runs/) and published
#                  results stay
#
# PYTHON=python3.12 chooses the interpreter, CORES=4 the number of cores; RETRAIN=1 trains anew what
# older code has trained, and what is kept as published because its trainings are not here.

ifeq ($(origin PROFILE),undefined)
PROFILE := smoke
book pdf: PROFILE := laptop
endif
PYTHON ?= python3
CORES ?= all
VENV ?= .venv
EXTRAS := book,workflow,test
SHELL := bash
export INDI_RETRAIN := $(RETRAIN)

BIN := $(VENV)/bin
READY := $(VENV)/ready

.PHONY: reproduce test book pdf lint clean
.DEFAULT_GOAL := reproduce

# pip's own lines where it begins on a package, and every 20 s what lies there already: never long silence
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else "Python 3.11, 3.12 or 3.13 is needed, this is %d.%d: make PYTHON=python3.12" % v)'
	@echo "installing into $(VENV) (once, some minutes)"
	@$(PYTHON) -m venv $(VENV)
	@set -o pipefail; began=$$SECONDS; \
	(while sleep 20 >/dev/null; do echo "  $$((SECONDS - began)) s, $$(du -sm $(VENV) | cut -f1) MB are there"; done) & beat=$$!; \
	trap "kill $$beat" EXIT; \
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -c constraints.txt -e ".[$(EXTRAS)]" \
	  | sed -nu -e 's/^Collecting \([^ ]*\).*/  \1/p' -e 's/^Installing collected packages: .*/  installing them/p'
	@touch $@

# One command, so that make stops it, and all that it has started, when make is stopped.
reproduce: $(READY)
	@$(BIN)/indi reproduce --profile $(PROFILE) --cores $(CORES) $(if $(ANYWAY),--anyway)

test: $(READY)
	@OMP_NUM_THREADS=1 $(BIN)/pytest -n $(CORES:all=auto) --maxprocesses 8 --dist loadfile

book: $(READY)
	@$(BIN)/indi book --profile $(PROFILE)

pdf: $(READY)
	@$(BIN)/indi pdf --profile $(PROFILE) $(if $(ALL),--all)

lint: $(READY)
	@$(BIN)/nbstripout --verify notebooks/*.ipynb
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

clean:
	rm -rf $(VENV) .snakemake .mypy_cache .ruff_cache .pytest_cache indi.egg-info \
	  book/_build book/notebooks book/results results/smoke
