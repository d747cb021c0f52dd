"""model=openai: the suite's own prompts go to a chat endpoint; what it costs is told and limited."""

import json
from pathlib import Path

import pytest
from endpoint_server import KEY, Answer, Served, error, serve

from ecomgpt.__main__ import main

pytest.importorskip("openai")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    # Pages and figures cost seconds and have tests of their own.
    monkeypatch.setattr("ecomgpt.job.report.write", lambda run: None)


def evaluate(tmp_path: Path, served: Served, *more: str) -> int:
    return main(
        [
            "job=evaluate",
            "model=openai",
            "sources=demo",
            "eval=demo",
            "eval.tasks=[zh-demo-intent_of_text,en-demo-intent_of_text]",
            "sources.options.demo_store.products=60",
            "eval.limit=5",
            f"chat.base_url={served.url}",
            "chat.backoff=0.001",
            "chat.concurrency=1",
            "chat.retries=2",
            f"paths.output={tmp_path / 'runs'}",
            f"paths.cache={tmp_path / 'cache'}",
            "name=chat",
            *more,
        ]
    )


def test_a_chat_model_is_scored_like_any_other_and_paid_for_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "runs" / "chat"
    with serve(lambda body, number: error(500, "not now") if number == 6 else Answer("track order")) as served:
        # The seventh request fails for good: what was answered stays, and is not asked for again.
        assert evaluate(tmp_path, served, "chat.retries=0") == 2
        assert "1 of 5 questions got no answer (HTTP 500" in capsys.readouterr().err
        assert evaluate(tmp_path, served, "chat.retries=0") == 0
        assert len(served.requests) == 11 and len({json.dumps(body) for body in served.requests}) == 10
        first = (run / "metrics.json").read_bytes()
        assert evaluate(tmp_path, served, "chat.retries=0", "overwrite=true") == 0
        assert (run / "metrics.json").read_bytes() == first and len(served.requests) == 11
    metrics = json.loads(first)
    settings = metrics["settings"]
    assert (settings["model"], settings["served_models"], settings["temperature"]) == (
        "gpt-4o-mini",
        ["served-model"],
        0.0,
    )
    assert (settings["prompt_tokens"], settings["answer_tokens"]) == (100, 50) and settings[
        "cost_usd"
    ] == pytest.approx(0.000045)
    rows = [
        json.loads(line)
        for line in (run / "predictions" / "en-demo-intent_of_text.jsonl").read_text().split("\n")
        if line
    ]
    assert {row["prompt"] for row in rows} <= set(served.prompts()) and {row["prediction"] for row in rows} == {
        "track order"
    }
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


def test_a_refusal_is_an_empty_answer_and_an_invalid_one(tmp_path: Path) -> None:
    with serve(lambda body, number: Answer("", refusal="I won't")) as served:
        assert evaluate(tmp_path, served) == 0
    metrics = json.loads((tmp_path / "runs" / "chat" / "metrics.json").read_text())
    assert metrics["settings"]["finish"] == {"refusal": 10}
    assert all(task["metrics"]["invalid_rate"]["value"] == 1 for task in metrics["tasks"].values())


def test_the_budget_covers_all_tasks_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 100}
    with serve(lambda body, number: Answer(usage=usage)) as served:
        assert evaluate(tmp_path, served, "chat.budget=0.0007") == 2
        # 75 micro-dollars each; the five of the first task leave room for no more than three of the second.
        assert 6 <= len(served.requests) <= 9
    captured = capsys.readouterr()
    assert "chat.budget: 0.000" in captured.err and "chat.budget is 0.0007 USD" in captured.out


def test_without_a_key_nothing_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with serve(lambda body, number: Answer()) as served:
        assert evaluate(tmp_path, served) == 2
    assert "$OPENAI_API_KEY is not set" in capsys.readouterr().err and not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("chat.model=gpt-4o", "chat.prices_for=gpt-4o"),
        ("eval.decoding=rank", "neither ranks"),
        ("chat.price_input=null", "needs prices"),
        ("chat.base_url=https://me:secret@host/v1", "holds a user"),
        ("chat.base_url=host", "is no address"),
        ("chat.key_variable=sk-live-0123456789", "is no environment variable's name"),
        ("eval.backend=transformers", "can't ask"),
        ("chat.concurrency=0", "at least 1"),
    ],
)
def test_settings_that_cannot_work(tmp_path: Path, capsys: pytest.CaptureFixture[str], more: str, says: str) -> None:
    with serve(lambda body, number: Answer()) as served:
        assert evaluate(tmp_path, served, more) == 2
        assert not served.requests
    message = capsys.readouterr().err
    assert says in message and "sk-live" not in message and "secret" not in message
