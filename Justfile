# Recipes for working on ecomgpt; `just` lists them.

export TOKENIZERS_PARALLELISM := "true"

# List the recipes
default:
    @just --list

# Run the fast tests (under ten minutes on two cores)
test *arguments:
    python -m pytest -n 2 --dist loadfile {{arguments}}

# Run the tests that take longer
test-slow *arguments:
    python -m pytest -m "slow" {{arguments}}

# Run the tests that start several processes, with --write-docs to renew the table in docs/strategies.md
test-dist *arguments:
    OMP_NUM_THREADS=1 python -m pytest -m "dist" {{arguments}}

# Run the tests in a real browser (Debian: apt-get install chromium chromium-driver)
test-browser *arguments:
    python -m pytest -m "browser" {{arguments}}

# Run everything that needs no GPU, as CI does with the extra `all` installed (pip install -e '.[dev,all]'); lists what was skipped
test-all *arguments:
    OMP_NUM_THREADS=1 python -m pytest -m "not gpu" -rs {{arguments}}

# Run the tests that need a CUDA device
test-gpu *arguments:
    python -m pytest -m "gpu" -rs {{arguments}}

# Check style, format, types, and that rooms import only what stands below them
lint:
    ruff check .
    ruff format --check .
    mypy
    lint-imports

# Rewrite the code as `lint` wants it
format:
    ruff check --fix .
    ruff format .

# Run the main job on the embedded demo store
demo *arguments:
    python -m ecomgpt {{arguments}}

# Measure how long mixtures of 25k, 250k and 2.5 million instructions take to prepare
bench-data *arguments:
    python experiments/benchmarks/bench_data.py {{arguments}}

# Compare the memory estimate with measured peaks
bench-memory *arguments:
    python experiments/benchmarks/bench_memory.py {{arguments}}

# Measure decoding against a plain loop over generate (needs the held-out data: ECOMGPT_DATA)
bench-eval *arguments:
    python experiments/benchmarks/bench_eval.py {{arguments}}

# Write the pages that are made from the declarations
docs:
    python -m ecomgpt.tasks.chain > docs/tasks.md
    python -m ecomgpt.config.help > docs/reference.md

# Write the JSON schemas of all YAML files, for editors (docs/editors.md)
schema:
    python -m ecomgpt.cli.schema docs/schema

# Simulate coverage, type I error and power of the statistics (about 15 minutes with worlds=1000)
bench-statistics *arguments:
    OMP_NUM_THREADS=1 python experiments/benchmarks/bench_statistics.py {{arguments}}

# Benchmark training against transformers.Trainer and trl (about a quarter of an hour; needs the extra `bench`)
bench-train *arguments:
    python experiments/benchmarks/bench_train.py {{arguments}}
