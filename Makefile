# Each target creates what it needs: nothing is installed by hand.
PYTHON ?= python3
VENV := .venv
ADDONS := .venv-addons
BEAM := .venv-beam
BIN := $(VENV)/bin

# What two minutes and no private data are enough for.
FAST := ops losses metrics optimizers sources layers \
	inputs/test_augment.py inputs/test_geometry.py inputs/test_canvas.py inputs/test_mixing.py \
	records/test_records_writer.py records/test_records_encode.py records/test_records_splits.py \
	records/test_records_verify.py serving/test_serving_results.py \
	serving/test_serving_hostile.py training/test_config_mistakes.py \
	test_floors.py test_docs.py test_json_files.py test_atomic.py test_paths.py

.PHONY: install demo test test-fast lint addons beam

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
	$(MAKE) beam addons

test-fast: lint
	env -u TFVISION_TEST_DATA $(BIN)/python -m pytest -q -n 2 --dist=loadfile -m "not slow" \
		$(addprefix tests/,$(FAST))

# The second stack needs Python 3.10 or 3.11; without one it says so and goes on.
addons:
	bash tests/addons.sh $(ADDONS)

# Apache Beam, in an environment on top of the default one.
beam: install
	bash tests/beam.sh $(VENV) $(BEAM)

demo: install
	bash tools/demo.sh $(BIN)
