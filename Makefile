# make reproduce   every notebook and the book; PROFILE=smoke (default), laptop, gpu or paper. Where the
#                  numbers of the profile are published, it says at its end whether they came out again
# make test        the tests
# make book        the book alone, from results that are already there; PROFILE=laptop (default): the
#                  published ones
# make lint        formatting, style, types, stripped notebooks
# make clean       the environment and everything that is made again; trainings (runs/) and published
#                  results stay
#
# PYTHON=python3.12 chooses the interpreter, CORES=4 the number of cores; RETRAIN=1 trains anew what
# older code has trained, and what is kept as published because its trainings are not here.

ifeq ($(origin PROFILE),undefined)
PROFILE := smoke
book: PROFILE := laptop
endif
PYTHON ?= python3
CORES ?= all
VENV ?= .venv
export INDI_RETRAIN := $(RETRAIN)

BIN := $(VENV)/bin
READY := $(VENV)/ready

.PHONY: reproduce test book lint clean
.DEFAULT_GOAL := reproduce

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed, this is %d.%d: make PYTHON=python3.12" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@echo "installing into $(VENV) (once, some minutes)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	@touch $@

reproduce: $(READY)
	@started=$$(date +%s); \
	$(BIN)/snakemake --cores $(CORES) --config profile=$(PROFILE) --keep-going --rerun-incomplete --quiet all; \
	failed=$$?; \
	$(BIN)/python -c 'import sys; from indi.book import build; print(build.summary(sys.argv[1], float(sys.argv[2])))' $(PROFILE) $$started; \
	if git cat-file -e HEAD:results/$(PROFILE)/tables 2>/dev/null; then echo; $(BIN)/indi compare --profile $(PROFILE); fi; \
	exit $$failed

test: $(READY)
	@$(BIN)/pytest

book: $(READY)
	@$(BIN)/indi book --profile $(PROFILE)

lint: $(READY)
	@$(BIN)/nbstripout --verify notebooks/*.ipynb
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

clean:
	rm -rf $(VENV) .snakemake .mypy_cache .ruff_cache .pytest_cache indi.egg-info \
	  book/_build book/notebooks book/results results/smoke
