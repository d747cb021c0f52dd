"""Run directories: finished ones refused, unfinished ones continued, nothing of anybody else's deleted."""

import json
import os
import socket
from pathlib import Path

import pytest

from ecomgpt.common.errors import UserError
from ecomgpt.common.files import write_text
from ecomgpt.config.schema import Config
from ecomgpt.plan.configuration import configured
from ecomgpt.runtime import directory
from ecomgpt.runtime.directory import Run, open_run


def config(output: Path, *overrides: str) -> Config:
    given = [f"paths.output={output}", "name=first", *overrides]
    return configured(given)


def started(output: Path, *overrides: str) -> Run:
    """A run directory as an interrupted run leaves it."""
    run = open_run(config(output, *overrides), ["name=first"])
    run.update(state="interrupted", pid=0)
    return run


def test_a_new_directory_holds_configuration_environment_and_state(tmp_path: Path) -> None:
    run = open_run(config(tmp_path, "seed=7"), ["seed=7", "name=first"])
    assert Run(run.path).config().seed == 7
    environment = json.loads((run.path / "environment.json").read_text())
    assert environment["command"] == "python -m ecomgpt seed=7 name=first" and environment["seed"] == 7
    status = run.status()
    assert (status["state"], status["pid"], status["finished"]) == ("running", os.getpid(), None)


def test_a_finished_run_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    run = started(tmp_path)
    run.update(state="done")
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=r"is finished.*overwrite=true"):
        open_run(config(tmp_path), [])
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def test_an_unfinished_run_is_continued_with_its_first_start(tmp_path: Path) -> None:
    run = started(tmp_path)
    (run.path / "work").write_text("kept")
    run.update(started="2020-01-01T00:00:00+00:00")
    open_run(config(tmp_path), [])
    assert (run.path / "work").read_text() == "kept"
    assert run.status()["started"] == "2020-01-01T00:00:00+00:00" and run.status()["state"] == "running"


def test_another_configuration_is_refused_with_every_difference(tmp_path: Path) -> None:
    started(tmp_path, "seed=1", "trainer.clip_norm=null")
    with pytest.raises(UserError) as error:
        open_run(config(tmp_path, "seed=2", "data=no_atomic"), [])
    (message,) = error.value.problems
    for part in (
        "seed was 1, is now 2",
        "trainer.clip_norm was null, is now 1.0",
        "data.name was full_cot, is now no_atomic",
    ):
        assert part in message


def test_what_may_differ_when_a_run_is_continued(tmp_path: Path) -> None:
    started(tmp_path, "job=build")
    open_run(config(tmp_path, "job=build", "trainer.log_every=1", "preview=2", f"paths.cache={tmp_path}"), [])


def test_a_run_in_work_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = started(tmp_path)
    run.update(state="running", pid=os.getppid(), host=socket.gethostname())
    monkeypatch.setattr(directory, "alive", lambda status: True)
    for extra in ([], ["overwrite=true"]):
        with pytest.raises(UserError, match="is working in"):
            open_run(config(tmp_path, *extra), [])


def test_a_killed_run_is_continued(tmp_path: Path) -> None:
    run = started(tmp_path)
    run.update(state="running", pid=2**22 + 1, host=socket.gethostname())
    assert open_run(config(tmp_path), []).path == run.path


def test_overwrite_deletes_a_run_and_nothing_else(tmp_path: Path) -> None:
    run = started(tmp_path)
    run.update(state="done")
    (run.path / "old").write_text("")
    open_run(config(tmp_path, "overwrite=true"), [])
    assert not (run.path / "old").exists() and run.status()["state"] == "running"


@pytest.mark.parametrize("overwrite", ["true", "false"])
@pytest.mark.parametrize("content", ["config.yaml", "status.json", "photo.jpg"])
def test_other_peoples_folders_are_left_alone(content: str, overwrite: str, tmp_path: Path) -> None:
    folder = tmp_path / "first"
    folder.mkdir()
    (folder / content).write_text("[1]")
    with pytest.raises(UserError, match="is no run directory"):
        open_run(config(tmp_path, f"overwrite={overwrite}"), [])
    assert [path.name for path in folder.iterdir()] == [content] and (folder / content).read_text() == "[1]"


def test_a_file_in_the_place_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "first").write_text("mine")
    for extra in ([], ["overwrite=true"]):
        with pytest.raises(UserError, match="is no run directory"):
            open_run(config(tmp_path, *extra), [])
    assert (tmp_path / "first").read_text() == "mine"


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    assert open_run(config(tmp_path), []).status()["state"] == "running"


def test_the_name_is_the_time_where_none_is_given(tmp_path: Path) -> None:
    given = [f"paths.output={tmp_path}"]
    runs = [open_run(configured(given), []) for _ in range(2)]
    assert runs[0].path != runs[1].path and all(run.path.is_dir() for run in runs)


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(13, "Permission denied"),
        OSError(30, "Read-only file system"),
        OSError(28, "No space left on device"),
    ],
)
def test_a_folder_that_can_not_be_written(error: OSError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = config(tmp_path)

    def refuse(self: Path, *_: object, **__: object) -> None:
        error.filename = str(self)
        raise error

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(UserError, match=r"paths\.output: cannot write"):
        open_run(wanted, [])
    assert list(tmp_path.iterdir()) == []


def test_secrets_of_the_environment_are_in_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-1")
    monkeypatch.setenv("HF_TOKEN", "hf_very_secret_2")
    run = started(tmp_path)
    for path in run.path.rglob("*"):
        assert path.is_dir() or "very_secret" not in path.read_text().replace("-", "_")


def test_text_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    write_text(target, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(target, "new \ud800")
    assert target.read_text() == "old" and [path.name for path in tmp_path.iterdir()] == ["file.txt"]
    assert target.stat().st_mode & 0o777 == 0o644
