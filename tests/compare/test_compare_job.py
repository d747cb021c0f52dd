"""The command and its page, without a browser: what is kept, what is refused, what the judge adds."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from two_runs import two_runs

from ecomgpt.__main__ import main
from ecomgpt.compare.pairs import Pair, find
from ecomgpt.compare.server import Page
from ecomgpt.compare.verdicts import Verdicts
from ecomgpt.config.schema import CompareConfig
from ecomgpt.runtime.directory import Run

sys.path.insert(0, str(Path(__file__).parents[1]))
from endpoint_server import Answer, serve

COMPARE = ["job=compare", "run_a=good", "run_b=bad"]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ECOMGPT_CACHE", str(tmp_path / "cache"))


@contextlib.asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[list[Pair], Verdicts, Page, TestClient]]:
    """The page on two runs' rows, with a client; what it keeps is open as long."""
    good, bad = (Run(path) for path in two_runs(folder))
    pairs = [pair for pair in find(good, bad, CompareConfig(), 1).pairs if not pair.same]
    with Verdicts(folder / "verdicts.jsonl", pairs) as verdicts:
        page = Page(pairs, verdicts, 1, False, 8000)
        async with TestClient(TestServer(page.app(), host="127.0.0.1")) as client:
            yield pairs, verdicts, page, client


def test_the_page_answers_its_own_address_and_forms_alone(tmp_path: Path) -> None:
    async def visit() -> None:
        async with opened(tmp_path) as (pairs, verdicts, page, client):
            root, own = f"/{page.secret}", str(client.make_url("")).rstrip("/")
            vote = {"name": "Ann", "row": pairs[0].key, "better": "tie"}

            async def status(method: str, path: str, data: dict | None = None, **headers: str) -> int:
                answer = await client.request(method, path, data=data, headers=headers, allow_redirects=False)
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                return answer.status

            for path in ("/", "/judge?name=a", "/style.css", "/keys.js"):
                assert await status("GET", root + path) == 200
            assert await status("GET", "/") == await status("GET", "/other/") == 404
            for host in (
                "evil.example",
                "evil.example:80",
                "127.0.0.1.evil.example",
                "localhost@evil.example",
                "evil@localhost",
                "0.0.0.0",
                "",
            ):
                assert await status("GET", f"{root}/", Host=host) == 421, host
            assert await status("GET", f"{root}/", Host="localhost:1") == 200  # A forwarded port has another number.
            for origin in ("http://evil.example", "null", "http://127.0.0.1", own.replace("http", "https")):
                assert await status("POST", f"{root}/verdict", vote, Origin=origin) == 403, origin
            assert await status("POST", f"{root}/verdict", vote) == 403
            assert verdicts.annotators == []
            for wrong in ({"row": "no/such"}, {"better": "left"}, {"name": "a\x00"}):
                assert await status("POST", f"{root}/verdict", vote | wrong, Origin=own) == 400, wrong
            assert await status("GET", f"{root}/judge?name=%00") == 400
            assert await status("GET", f"{root}/verdict") == 405
            assert await status("POST", f"{root}/verdict", vote | {"name": "x" * 99_000}, Origin=own) == 413
            assert await status("POST", f"{root}/verdict", vote, Origin=own) == 303
            assert verdicts.of("Ann") == {pairs[0].key: "tie"}

    asyncio.run(visit())


def test_a_page_says_nothing_of_the_runs_and_a_verdict_goes_to_the_right_one(tmp_path: Path) -> None:
    async def visit() -> None:
        async with opened(tmp_path) as (pairs, verdicts, page, client):
            own = str(client.make_url("")).rstrip("/")
            for pair in pairs:
                text = await (await client.get(f"/{page.secret}/judge?name=Ann")).text()
                assert pair.key in text and "good" not in text and "bad" not in text
                first, second = re.findall(r'class="text answer"[^>]*>([^<]*)<', text)
                better = "first" if first == pair.a.text else "second"
                assert {first, second} == {pair.a.text, pair.b.text}
                vote = {"name": "Ann", "row": pair.key, "better": better}
                await client.post(f"/{page.secret}/verdict", data=vote, headers={"Origin": own})
            text = await (await client.get(f"/{page.secret}/judge?name=Ann")).text()
            assert "All judged" in text and set(verdicts.of("Ann").values()) == {"win"}

    asyncio.run(visit())


def start(*more: str) -> tuple[subprocess.Popen[str], str]:
    """The real command, and the address that it prints."""
    command = [sys.executable, "-m", "ecomgpt", *COMPARE, *more]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "COLUMNS": "200"}
    )
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if found := re.search(r"http://127\.0\.0\.1:\d+/[\w-]+/", line):
            return process, found[0]
    raise AssertionError(said)


def vote(address: str, name: str, better: str) -> None:
    """Judges the row that is shown."""
    with urllib.request.urlopen(f"{address}judge?name={name}") as answer:
        row = re.search(r'name="row" value="([^"]+)"', answer.read().decode())
    assert row is not None
    data = urllib.parse.urlencode({"name": name, "row": row[1], "better": better}).encode()
    origin = "http://" + urllib.parse.urlsplit(address).netloc
    urllib.request.urlopen(urllib.request.Request(f"{address}verdict", data, {"Origin": origin})).close()


def test_ctrl_c_keeps_everything_a_kill_loses_nothing_and_the_same_command_goes_on(tmp_path: Path) -> None:
    two_runs(tmp_path)
    process, address = start()
    vote(address, "Ann", "tie")
    process.kill()
    process.wait()
    process, address = start()
    for better in ("first", "tie"):
        vote(address, "Ann", better)
    vote(address, "Bo", "tie")
    assert main(COMPARE) == 2  # One process at a time.
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "Agreement of Ann and Bo: Cohen's kappa" in said and "Traceback" not in said
    folder = tmp_path / "outputs" / "compare-good-bad"
    lines = [json.loads(line) for line in (folder / "verdicts.jsonl").read_text().split("\n") if line]
    assert [line["annotator"] for line in lines] == ["Ann", "Ann", "Ann", "Bo"]
    results = json.loads((folder / "results.json").read_text())
    assert (
        results["agreement"][0]["n"] == 1 and results["people"]["all"]["n"] >= 3 and results["judge_and_people"] is None
    )
    assert (folder / "figures" / "wins.png").stat().st_size > 5000 and "| all rows |" in (
        folder / "report.md"
    ).read_text()


def test_the_judge_is_asked_in_both_orders_and_stands_beside_people(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    pytest.importorskip("openai", reason="a chat endpoint needs it: pip install 'ecomgpt[chat]'")
    good, bad = two_runs(tmp_path)
    pairs = [pair for pair in find(Run(good), Run(bad), CompareConfig(), 1).pairs if not pair.same]
    with Verdicts(tmp_path / "outputs" / "compare-good-bad" / "verdicts.jsonl", pairs) as verdicts:
        for number, pair in enumerate(pairs):
            verdicts.add("Ann", pair, "a", "win" if number else "loss")
    (tmp_path / "outputs" / "compare-good-bad" / "compare.json").write_text(
        json.dumps({"run_a": str(good), "run_b": str(bad)})
    )

    def behave(body: dict, number: int) -> Answer:
        text = body["messages"][-1]["content"]
        return Answer(
            json.dumps({"reason": "so", "verdict": "second" if "wrong" in text.split("<second>")[0] else "first"})
        )

    with serve(behave) as server:
        chat = [
            "compare.judge=true",
            "compare.page=false",
            "chat=local",
            "chat.model=judge",
            f"chat.base_url={server.url}",
        ]
        assert main([*COMPARE, *chat]) == 0
        assert len(server.requests) == 2 * len(pairs)
        assert main([*COMPARE, *chat]) == 0
        assert len(server.requests) == 2 * len(pairs)  # The second time from the cache.
    said = capsys.readouterr().out
    assert "same in both orders on 100.0 %" in " ".join(said.split()) and "No statistics of the scores" in said
    folder = tmp_path / "outputs" / "compare-good-bad"
    results = json.loads((folder / "results.json").read_text())
    assert results["judge"]["all"]["win"] == len(pairs) and results["position_bias"]["first_share"] == 0.5
    assert results["judge_and_people"]["observed"] == pytest.approx(1 - 1 / len(pairs), abs=1e-6)
    assert {json.loads(line)["verdict"] for line in (folder / "judge.jsonl").read_text().split("\n") if line} == {"win"}
    assert (folder / "figures" / "wins_judge.svg").is_file()


def test_mistakes_are_told_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two_runs(tmp_path)
    for more, message in (
        (["run_b=nowhere"], "run_b: 'nowhere' is no run directory"),
        (["overwrite=true"], "never deletes verdicts"),
        (["name=good", "paths.output=."], "exists and is no comparison"),
        (["compare.port=80"], "compare.port"),
        (["compare.judge=true", "compare.page=false", "chat.key_variable=NO_SUCH_KEY"], "$NO_SUCH_KEY is not set"),
        (["compare.lmit=3"], "limit"),
    ):
        assert main([*COMPARE, *more]) == 2, more
        assert message in capsys.readouterr().err, more
    assert main([*COMPARE, "compare.page=false", "name=twice"]) == 0
    assert main(["job=compare", "run_a=bad", "run_b=good", "compare.page=false", "name=twice"]) == 2
    assert "compares '" in capsys.readouterr().err
