"""A run that is killed again and again ends with the same weights, bit for bit, and the same loss curve."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.dist


@pytest.mark.parametrize(
    "arguments",
    [
        ("trainer.checkpoint_every=3",),
        ("tuning=lora", "tuning.dropout=0.2", "trainer.learning_rate=1e-3", "trainer.checkpoint_every=1"),
    ],
    ids=["full", "lora_with_dropout"],
)
def test_twenty_kills(arguments: tuple[str, ...], tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "ECOMGPT_CACHE": str(tmp_path / "cache"),
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    script = Path(__file__).with_name("kills.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), "20", *arguments],
        capture_output=True,
        text=True,
        timeout=1200,
        env=environment,
    )
    assert done.returncode == 0, done.stderr + (tmp_path / "war.txt").read_text()
    result = json.loads(done.stdout.strip().split("\n")[-1])
    assert result["kills"] == 20 and result["last"] == 0, result
    # Two at least struck while a checkpoint was being written, and the run made way in between.
    assert result["in_writing"] >= 2 and len(set(result["steps"])) > 5, result
    assert result["weights"] and result["curve"] and result["rows"] == 150, result
