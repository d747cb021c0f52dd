"""Fixtures that several rooms share."""

import os
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # The workers share the cores, and so do the processes that they start.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-docs", action="store_true", help="write the tables in docs/ that tests make, instead of comparing"
    )


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with ``raw/<slug>/`` and ``ecom_instruct_v1/``; tests that need it skip where it is absent."""
    here = Path(__file__).resolve().parent.parent
    for candidate in (os.environ.get("ECOMGPT_DATA"), here / "data", here.parent / "shared" / "data"):
        if candidate and (Path(candidate) / "raw").is_dir():
            return Path(candidate)
    pytest.skip("no real datasets found: set ECOMGPT_DATA to a folder with raw/ and ecom_instruct_v1/")
