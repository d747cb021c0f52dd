"""The jobs: one module each, with a function ``main(config, run)`` that reads like a table of contents."""

import importlib
from collections.abc import Callable

IN_PLACE = ("plan", "rescore", "compare", "predict", "report", "export")
"""Jobs that work on an existing run or on nothing, and make no run directory of their own."""


def job_function(name: str) -> Callable:
    """The ``main`` of a job, imported only now."""
    return importlib.import_module(f"ecomgpt.job.{name}").main
