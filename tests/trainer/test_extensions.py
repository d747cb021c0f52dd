"""Callbacks and loggers of Lightning's or of one's own, by YAML or on the command line."""

from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.callbacks import Callback, EarlyStopping
from lightning.pytorch.loggers import CSVLogger
from support import TINY

from ecomgpt.__main__ import main
from ecomgpt.common.errors import UserError
from ecomgpt.config.schema import TrainerConfig
from ecomgpt.plan.configuration import configured
from ecomgpt.runtime.directory import Run
from ecomgpt.trainer.extensions import callbacks, loggers

SETTINGS = [
    *TINY,
    "job=fit",
    "data.tasks=[product_category]",
    "trainer.batch_tokens=512",
    "trainer.micro_rows=1",
    "trainer.max_steps=4",
    "trainer.loggers=[csv]",
]


class Counter(Callback):
    """A user's own: writes how many steps there were."""

    def __init__(self, file: str) -> None:
        self.file, self.steps = Path(file), 0

    def on_before_zero_grad(self, *arguments: Any) -> None:
        self.steps += 1

    def on_train_end(self, trainer: Any, module: Any) -> None:
        self.file.write_text(f"{trainer.global_step} {self.steps > 0}")


class Refused(Callback):
    """Wants an argument."""

    def __init__(self, needed: int) -> None:
        self.needed = needed


def test_a_callback_from_a_folder_of_ones_own_runs_in_training(tmp_path: Path) -> None:
    conf, file = tmp_path / "conf", tmp_path / "steps.txt"
    (conf / "trainer" / "callbacks").mkdir(parents=True)
    (conf / "trainer" / "callbacks" / "count.yaml").write_text(
        f"count:\n  _target_: {__name__}.Counter\n  file: {file}\n"
    )
    folders = [f"paths.conf={conf}", f"paths.output={tmp_path}", f"paths.cache={tmp_path / 'cache'}"]
    assert main([*SETTINGS, *folders, "trainer/callbacks=count", "name=counted"]) == 0
    assert file.read_text() == "4 True"


def test_a_callback_on_the_command_line_joins_those_of_files() -> None:
    mine = [f"+trainer.callbacks.mine._target_={__name__}.Counter", "trainer.callbacks.mine.file=x"]
    first, second = callbacks(configured(["trainer/callbacks=early_stopping", *mine]).trainer)
    assert isinstance(first, EarlyStopping) and first.patience == 3
    assert isinstance(second, Counter) and second.file == Path("x")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nowhere.Mine", "'nowhere.Mine' can't be imported: ModuleNotFoundError: No module named 'nowhere'"),
        ("json.Decoder", "'json.Decoder' can't be imported: ModuleNotFoundError: No module named 'json.Decoder'"),
        ("..Mine", "'..Mine' can't be imported: ValueError: Error loading '..Mine': invalid dotstring."),
    ],
)
def test_a_wrong_target_is_refused_before_any_work(
    target: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SETTINGS, f"paths.output={tmp_path}", f"trainer.callbacks.mine._target_={target}"]) == 2
    assert capsys.readouterr().err == f"ecomgpt: trainer.callbacks.mine._target_: {message}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("pathlib.Path", "trainer.callbacks.mine: 'pathlib.Path' is no Lightning callback"),
        (f"{__name__}.Refused", r"can't be made: .*missing 1 required positional argument: 'needed'"),
        ("lightning.pytorch.callbacks.ModelCheckpoint", "checkpoints are written as trainer.checkpoint_every"),
    ],
)
def test_what_is_no_callback_for_a_training_is_refused(target: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        callbacks(TrainerConfig(name="test", callbacks={"mine": {"_target_": target}}))


def test_a_logger_from_a_folder_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "trainer" / "loggers").mkdir(parents=True)
    (tmp_path / "trainer" / "loggers" / "mine.yaml").write_text(
        "_target_: lightning.pytorch.loggers.CSVLogger\nsave_dir: ${run.logs}\nname: ${run.name}\n"
    )
    run = Run(tmp_path / "named")
    (logger,) = loggers(configured([f"paths.conf={tmp_path}", "trainer.loggers=[csv,mine]"]), run)
    assert isinstance(logger, CSVLogger) and logger.name == "named" and logger.save_dir == str(run.logs)
