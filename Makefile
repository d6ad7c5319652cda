# Each target creates what it needs: nothing is installed by hand.
PYTHON ?= python3
VENV := .venv
ADDONS := .venv-addons
BIN := $(VENV)/bin

.PHONY: install demo test lint addons

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e ".[test]"
	touch $@

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# A file's tests stay together: what its fixtures build is built once.
test: lint
	$(BIN)/python -m pytest -q -n 2 --dist=loadfile --no-loadscope-reorder --max-worker-restart=0
	$(MAKE) addons

# The second stack needs Python 3.10 or 3.11; without one it says so and goes on.
addons:
	bash tests/addons.sh $(ADDONS)

demo: install
	bash tools/demo.sh $(BIN)
