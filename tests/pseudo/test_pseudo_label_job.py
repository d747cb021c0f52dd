"""job=pseudo_label as a user runs it, against a server that misbehaves, and mixtures that take its result in."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from endpoint_server import KEY, Answer, Served, error, labeller, serve

from ecomgpt.__main__ import main
from ecomgpt.common.errors import UserError
from ecomgpt.common.hashing import value_hash
from ecomgpt.config.schema import Config
from ecomgpt.data import fingerprint as prints
from ecomgpt.data.instructions import FoundDatasets, find
from ecomgpt.data.protect import Protection
from ecomgpt.plan.configuration import configured
from ecomgpt.pseudo.declaration import load_labellings
from ecomgpt.sources.readers.labelled import from_json

pytest.importorskip("openai")

# Without the store's own stand-ins for pseudo labels: what is there comes from the endpoint.
STORE = ["sources=demo", "sources.options.demo_store={products: 30, pseudo: none}"]
TASKS = "pseudo.tasks=[title_entities,review_sentiment]"


def found_of(config: Config) -> FoundDatasets:
    return find(config.data, config.sources, config.paths, config.eval.tasks)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def command(tmp_path: Path, url: str, *more: str) -> list[str]:
    return [
        "job=pseudo_label",
        *STORE,
        TASKS,
        "pseudo.limit=12",
        f"chat.base_url={url}",
        "chat.backoff=0.001",
        "chat.retries=3",
        f"paths.data={tmp_path / 'data'}",
        f"paths.cache={tmp_path / 'cache'}",
        f"paths.output={tmp_path / 'runs'}",
        "name=label",
        *more,
    ]


def label(tmp_path: Path, served: Served, *more: str) -> int:
    return main(command(tmp_path, served.url, *more))


def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "pseudo" / "demo_store"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def contents(tmp_path: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder(tmp_path).iterdir()}


def test_labels_are_checked_counted_and_paid_for_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoil = {
        2: Answer('{"sentiment": "posi'),
        4: Answer("", refusal="no"),
        5: Answer('{"entities": [{"type": "Brand", "term": "Hallucinated Inc."}]}'),
        6: error(429, "slow", retry_after="0.01"),
        7: error(500, "oops"),
        9: Answer(body='{"choices": []}'),
        11: Answer(body="<p>", content_type="text/html"),
        12: Answer("```json\n{}\n```"),
        13: Answer("x", finish="length"),
        15: error(400, "filtered", "content_filter"),
        16: error(400, "too long"),
        17: Answer(f"my key is {KEY}"),
    }
    with serve(lambda body, number: spoil.get(number) or Answer(labeller(body))) as served:
        assert label(tmp_path, served, "chat.concurrency=1") == 0
        captured = capsys.readouterr()
        assert "24 questions, 0 of them answered before" in captured.out and "USD; chat.budget is 5 USD" in captured.out
        assert "words that are not in the text 1" in captured.out or "JSON of another shape" in captured.out
        rejected = [
            row
            for name in ("title_entities", "review_sentiment")
            for row in lines(folder(tmp_path) / f"{name}.rejected.jsonl")
        ]
        assert [row["detail"] for row in rejected if row["reason"] == "a request that the endpoint does not take"] == [
            "HTTP 400: too long"
        ]
        # It was not paid for and is asked again; nothing else is.
        assert (
            len(served.requests) == 24 + 4
            and label(tmp_path, served, "overwrite=true") == 0
            and len(served.requests) == 24 + 5
        )
        paid, first = len(served.requests), contents(tmp_path)
        assert label(tmp_path, served, "chat.concurrency=3", "overwrite=true") == 0
        assert len(served.requests) == paid and contents(tmp_path) == first
    for name in ("title_entities", "review_sentiment"):
        manifest = json.loads(first[f"{name}.manifest.json"])
        texts, records, rejects = (
            manifest["texts"],
            lines(folder(tmp_path) / f"{name}.jsonl"),
            lines(folder(tmp_path) / f"{name}.rejected.jsonl"),
        )
        assert texts["offered"] == texts["chosen"] + sum(texts["left_out"].values()) and texts["chosen"] == 12
        assert texts["chosen"] == len(records) + len(rejects) and texts["labelled"] == len(records)
        assert texts["rejected"] == Counter(row["reason"] for row in rejects) and all(
            row["answer"] or row["reason"] for row in rejects
        )
        assert (manifest["model"], manifest["served_models"], manifest["complete"]) == (
            "gpt-4o-mini",
            ["served-model"],
            True,
        ) or "" in manifest["served_models"]
        assert (
            manifest["prompt"] == load_labellings([name])[0].digest()
            and manifest["answered"]["first"] <= manifest["answered"]["last"]
        )
        assert all(from_json(row) for row in records)
    reasons = Counter(
        row["reason"]
        for name in ("title_entities", "review_sentiment")
        for row in lines(folder(tmp_path) / f"{name}.rejected.jsonl")
    )
    assert sum(reasons.values()) == 7 and reasons["a request that the endpoint does not take"] == 0, reasons
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


def test_texts_of_the_test_side_are_never_labelled_and_a_larger_choice_holds_the_smaller(tmp_path: Path) -> None:
    with serve(lambda body, number: Answer(labeller(body))) as served:
        assert label(tmp_path, served, "data.test=0.4") == 0
        small = [row["id"] for row in lines(folder(tmp_path) / "title_entities.jsonl")]
        assert label(tmp_path, served, "data.test=0.4", "pseudo.limit=30", "overwrite=true") == 0
        large = [row["id"] for row in lines(folder(tmp_path) / "title_entities.jsonl")]
    assert large[:12] == small and len(set(served.prompts())) == len(served.requests)
    config = composed(tmp_path, "data.test=0.4")
    from ecomgpt.data.split import split_of

    for name in ("title_entities", "review_sentiment"):
        for row in lines(folder(tmp_path) / f"{name}.jsonl"):
            assert split_of(from_json(row), "demo_store", config.data, False) == "train"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "Ctrl-C"])
def test_a_stopped_job_goes_on_without_paying_twice(tmp_path: Path, number: signal.Signals) -> None:
    concurrency = 2
    with serve(lambda body, number: Answer(labeller(body), delay=0.1)) as served:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        arguments = command(tmp_path, served.url, f"chat.concurrency={concurrency}")
        process = subprocess.Popen(
            [sys.executable, "-m", "ecomgpt", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        deadline = time.monotonic() + 120
        while len(served.requests) < 8 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(number)
        output = process.communicate(timeout=60)[0]
        asked = len(served.requests)
        assert 8 <= asked < 24, output
        if number == signal.SIGINT:
            assert process.returncode == 1 and "The same command with name=label continues" in output
            assert json.loads((tmp_path / "runs" / "label" / "status.json").read_text())["state"] == "interrupted"
        assert main(arguments) == 0
        twice = sum(count - 1 for count in Counter(served.prompts()).values())
        # What was on its way when the process was killed is lost with it; after Ctrl-C nothing is.
        assert twice <= (concurrency if number == signal.SIGKILL else 0)
    assert len(lines(folder(tmp_path) / "title_entities.jsonl")) == 12


def test_the_budget_leaves_what_was_paid_for_and_the_same_command_completes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 20}
    with serve(lambda body, number: Answer(labeller(body), usage=usage)) as served:
        assert label(tmp_path, served, "chat.budget=0.003") == 2
        assert "chat.budget: 0.00" in capsys.readouterr().err
        manifest = json.loads((folder(tmp_path) / "review_sentiment.manifest.json").read_text())
        title = folder(tmp_path) / "title_entities.manifest.json"
        assert manifest["complete"] and not json.loads(title.read_text())["complete"]
        assert json.loads(title.read_text())["texts"]["not_asked"] > 0
        assert label(tmp_path, served, "chat.budget=0.003", "overwrite=true") == 0
        assert json.loads(title.read_text())["complete"] and len(served.requests) == 24
        assert label(tmp_path, served, "chat.budget=0", "pseudo.limit=20", "name=estimate") == 2
        assert len(served.requests) == 24 and "40 questions, 24 of them answered before" in capsys.readouterr().out


def test_questions_without_an_answer_are_told_and_asked_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(lambda body, number: error(500, "no") if number in (3, 4) else Answer(labeller(body))) as served:
        assert label(tmp_path, served, "chat.retries=1", "chat.concurrency=1") == 2
        assert "1 questions got no answer" in capsys.readouterr().err
        assert label(tmp_path, served, "chat.retries=1", "chat.concurrency=1") == 0
    assert len(lines(folder(tmp_path) / "review_sentiment.jsonl")) == 12


def composed(tmp_path: Path, *more: str) -> Config:
    given = [
        *STORE,
        "data.tasks=null",
        "eval=none",
        f"paths.data={tmp_path / 'data'}",
        f"paths.cache={tmp_path / 'cache'}",
        *more,
    ]
    return configured(given)


def fingerprint(config: Config) -> str:
    return value_hash(prints.texts(config, found_of(config), ""))


def test_mixtures_take_labels_in_as_atomic_tasks_of_their_own(tmp_path: Path) -> None:
    from ecomgpt.data.pipeline import prepare
    from ecomgpt.model.tokenizer import tokenizer_of

    before = fingerprint(composed(tmp_path))
    with serve(lambda body, number: Answer(labeller(body))) as served:
        assert label(tmp_path, served) == 0
    after = fingerprint(composed(tmp_path))
    for name in ("golden_only", "no_atomic"):
        assert [dataset.name for dataset in found_of(composed(tmp_path, f"data={name}")).datasets] == ["demo_store"]
    config = composed(tmp_path, "data=pseudo_only", "data.kinds=[atomic]")
    manifest = prepare(config, Protection("none"), tokenizer_of(config)).manifest
    tasks = {task["name"]: task for task in manifest["tasks"]}
    assert set(tasks) == {
        "demo_store_review_sentiment.labelled_text_sentiment",
        "demo_store_title_entities.labelled_title_entities",
    }
    assert all(
        (task["label"], task["kind"], task["operation"]) == ("pseudo", "atomic", None) for task in tasks.values()
    )
    assert all(task["examples"] == 12 for task in tasks.values())
    by = manifest["sources"]["demo_store_title_entities"]["labelled_by"]
    assert (
        by["model"] == "gpt-4o-mini"
        and by["prompt"] == load_labellings(["title_entities"])[0].digest()
        and by["complete"]
    )
    assert "labelled_by" not in manifest["sources"]["demo_store"]
    # Another label, another mixture; another set of labels, too.
    path = folder(tmp_path) / "review_sentiment.jsonl"
    path.write_text(path.read_text().replace('"positive"', '"negative"'))
    with pytest.raises(UserError, match=r"review_sentiment\.jsonl: holds other records than .* take 'checksum' out"):
        fingerprint(composed(tmp_path))
    path = folder(tmp_path) / "review_sentiment.manifest.json"
    path.write_text(
        json.dumps({key: value for key, value in json.loads(path.read_text()).items() if key != "checksum"})
    )
    changed = fingerprint(composed(tmp_path))
    path.write_text(path.read_text().replace('"neutral"', '"mixed"'))
    assert len({before, after, changed, fingerprint(composed(tmp_path))}) == 4


def test_labels_of_a_dataset_that_is_left_out_are_left_out_with_it(tmp_path: Path) -> None:
    with serve(lambda body, number: Answer(labeller(body))) as served:
        assert label(tmp_path, served) == 0
    mepave = folder(tmp_path).rename(folder(tmp_path).with_name("mepave"))
    assert mepave.is_dir()
    config = composed(tmp_path)
    config.sources.datasets = ["mepave"]
    found = found_of(config)
    assert not found.datasets and {line.split(":")[0] for line in found.excluded} == {
        "mepave",
        "mepave_title_entities",
        "mepave_review_sentiment",
    }
    config.sources.include_excluded = ["mepave"]
    names = {dataset.name for dataset in found_of(config).datasets}
    assert names == {"mepave_title_entities", "mepave_review_sentiment"}


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("title_entities.manifest.json", "{", "", "title_entities.manifest.json: cannot be read"),
        ("title_entities.manifest.json", '"record"', '"records"', "'record' is missing"),
        ("title_entities.manifest.json", '"EntityText"', '"Entities"', "does not belong"),
        ("title_entities.jsonl", '"start": 0', '"start": 1', "title_entities.jsonl:1: the term"),
        (
            "title_entities.jsonl",
            '"kind": "EntityText"',
            '"kind": "Entity"',
            "title_entities.jsonl:1: is no object with a 'kind'",
        ),
        ("title_entities.jsonl", '"text"', '"txt"', "there is no field 'txt'"),
    ],
)
def test_broken_label_files_are_told_with_their_line(tmp_path: Path, file: str, old: str, new: str, says: str) -> None:
    from ecomgpt.sources.catalog import read
    from ecomgpt.sources.keep import ReadCounts

    target = folder(tmp_path)
    target.mkdir(parents=True)
    record = {
        "kind": "EntityText",
        "id": "a",
        "group": "g",
        "language": "en",
        "text": "red mug",
        "entities": [{"type": "C", "start": 0, "end": 3, "term": "red"}],
    }
    manifest = {
        "labelling": "title_entities",
        "title": "t",
        "family": "named_entity_recognition",
        "record": "EntityText",
        "axes": {},
        "model": "m",
        "prompt": "p",
    }
    (target / "title_entities.jsonl").write_text(json.dumps(record) + "\n")
    (target / "title_entities.manifest.json").write_text(json.dumps(manifest))
    broken = target / file
    broken.write_text(broken.read_text().replace(old, new, 1))
    with pytest.raises(UserError, match=says):
        for dataset in found_of(composed(tmp_path)).datasets:
            if dataset.splits_of:
                list(read(dataset, tmp_path / "data", ReadCounts()))


def test_mistakes_are_told_before_anything_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(lambda body, number: Answer(labeller(body))) as served:
        for more, says in (
            ("pseudo.tasks=[title_entitys]", "did you mean 'title_entities'?"),
            ("pseudo.limit=0", "must be at least 1"),
            ("sources=open", "holds no raw/<dataset>/ folders"),
            ("chat.model=other", "chat.prices_for=other"),
        ):
            assert label(tmp_path, served, more) == 2
            assert says in capsys.readouterr().err
        monkeypatch.delenv("OPENAI_API_KEY")
        assert label(tmp_path, served) == 2
        assert "$OPENAI_API_KEY is not set" in capsys.readouterr().err
        assert not served.requests and not (tmp_path / "runs").exists()
