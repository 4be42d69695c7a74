# Two commands do everything from a bare clone: make demo, make test.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-all test-places test-wheel test-notebooks test-browser docs docs-serve pictures gallery bench lint format
demo: .venv/ready  ## draw a grid from the zoo, then train such a model (a few minutes) and draw its grid
	$(BIN)/python sample.py checkpoint=zoo:digits out=outputs/demo/$(STAMP)/zoo
	@echo "Digits of a model that comes along, one class per column: outputs/demo/$(STAMP)/zoo/grid.png"
	@echo "Now such a model is trained here, for a few minutes."
	$(BIN)/python train.py experiment=digits_cfg hydra.run.dir=outputs/demo/$(STAMP)
	$(BIN)/python sample.py checkpoint=outputs/demo/$(STAMP) out=outputs/demo/$(STAMP)/grid
	@echo "Digits of the model that was trained here: outputs/demo/$(STAMP)/grid/grid.png"

demo: STAMP := $(shell date +%Y-%m-%d_%H-%M-%S)

test: .venv/ready  ## the tests that end within minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile -m "not slow"

test-all: .venv/ready  ## all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

test-places: .venv/ready  ## some tests in another time zone, locale and home folder
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.places

test-wheel: .venv/ready  ## the package as a user installs it, without a clone
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/commands/test_wheel.py

test-notebooks: .venv/ready  ## every notebook of docs/notebooks/, from top to bottom
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/docs/test_notebooks.py

test-browser: .venv/ready  ## the playground in headless Chromium, which has to be installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/browser

docs: .venv/ready  ## the documentation, into site/; a broken link or a missing docstring ends it
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

docs-serve: .venv/ready  ## the same, in a browser, and again at every change
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs serve

gallery: .venv/ready  ## draw the pictures of docs/samplers.md again, and say which differ
	$(BIN)/python -m docs.draw_gallery

pictures: .venv/ready  ## draw the pictures of results/ again, and say which differ
	$(BIN)/python docs/draw_pictures.py $(PICTURES)

bench: .venv/bench  ## speed beside other libraries and the machine's roof, in benchmarks/results/
	$(BIN)/python -m benchmarks

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/ready: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	touch $@

.venv/bench: .venv/ready
	$(BIN)/python -m pip install --quiet -e ".[bench]"
	touch $@
