"""job=compare: two runs' answers judged blindly, by people in a browser and with ``compare.judge`` by a chat model."""

import re
from collections.abc import Sequence
from pathlib import Path

from ecomgpt.common.errors import UserError
from ecomgpt.common.files import read_json, write_bytes, write_json
from ecomgpt.common.jsonl import encode_line
from ecomgpt.compare import judge as judging
from ecomgpt.compare.outcome import outcome, show, write
from ecomgpt.compare.pairs import Pair, Sample, find
from ecomgpt.compare.verdicts import Verdicts
from ecomgpt.config.schema import Config
from ecomgpt.runtime.directory import Run, idle_run

MARKER = "compare.json"
"""File that marks a comparison's folder."""


def main(config: Config, run: Run | None) -> None:
    """Prints the scores' differences, asks the judge, serves the page until Ctrl-C, and writes the results.

    Raises:
        UserError: If the runs can't be compared, the folder is another comparison's, or the judge can't be asked.
    """
    assert config.run_a and config.run_b  # A rule of the configuration.
    a, b = idle_run(config.run_a), idle_run(config.run_b)
    found = find(a, b, config.compare, config.seed)
    folder = comparison(config, a, b)
    scores(a, b)
    different = [pair for pair in found.pairs if not pair.same]
    with Verdicts(folder.path / "verdicts.jsonl", found.pairs) as verdicts:
        notes = [*found.notes, *verdicts.notes]
        counts = f"{len(found.pairs):,} rows, {len(different):,} of them with different answers"
        print(f"{counts}. Verdicts are kept in {folder.path}", *notes, sep="\n")
        judged = automatic(config, different, folder, notes) if config.compare.judge else None
        if (settings := config.compare).page and different:
            from ecomgpt.compare.server import Page, serve

            serve(Page(different, verdicts, config.seed, settings.reference, settings.max_characters), settings.port)
            scores(a, b)
        results(found, verdicts, judged, folder, (a.path.name, b.path.name), notes)


def comparison(config: Config, a: Run, b: Run) -> Run:
    """The comparison's folder, new or of the same two runs.

    Verdicts of people can't be made again, so they stay out of the runs' directories, which overwrite=true deletes.
    """
    name = config.name or re.sub(r"[^\w.+,@-]", "_", f"compare-{a.path.name[:90]}-{b.path.name[:90]}")
    folder = Run((Path(config.paths.output or "./outputs").expanduser() / name).absolute())
    runs = {"run_a": str(a.path), "run_b": str(b.path)}
    if folder.path.exists() and any(folder.path.iterdir()):
        before = read_json(folder.path / MARKER)
        if not before:
            raise UserError(f"name: '{folder.path}' exists and is no comparison (no {MARKER}); give another name=")
        if before != runs:
            raise UserError(
                f"name: '{folder.path}' compares '{before['run_a']}' with '{before['run_b']}'; give another name="
            )
    write_json(folder.path / MARKER, runs)
    return folder


def scores(a: Run, b: Run) -> None:
    """Prints the paired statistics, or why there are none."""
    from rich.console import Console

    from ecomgpt.eval.statistics.paired import between
    from ecomgpt.reporting.terminal import differences_table

    try:
        titles = {
            task: one["title"] for task, one in read_json(a.metrics_file).get("tasks", {}).items() if one.get("title")
        }
        Console().print(differences_table(between(a, b), a.path.name, b.path.name, titles))
    except UserError as error:
        print(f"No statistics of the scores: {error}")


def automatic(config: Config, pairs: Sequence[Pair], folder: Run, notes: list[str]) -> list[judging.Judged]:
    """Asks the chat model about every pair in both orders; the same command asks nothing twice."""
    from ecomgpt.chat.client import Chat
    from ecomgpt.chat.estimate import estimate

    settings = config.compare
    wording = judging.load_wording(config.paths.conf)
    requests = judging.questions(wording, pairs, settings.reference, settings.max_characters)
    with Chat(config.chat, Path(config.paths.cache).expanduser()) as chat:
        cost = estimate(requests, chat.settings, chat.cache).line(chat.settings)
        print(f"{chat.settings.model} at {chat.settings.base_url}: {cost}", flush=True)
        judged, rejected = judging.judge(chat, requests, pairs)
        print(chat.ledger.line())
    write_bytes(folder.path / "judge.jsonl", b"".join(encode_line(one.to_json()) for one in judged))
    notes += (
        f"The judge's answers that can't be used: {reason}, {count:,} times" for reason, count in rejected.most_common()
    )
    return judged


def results(
    found: Sample,
    verdicts: Verdicts,
    judged: list[judging.Judged] | None,
    folder: Run,
    names: tuple[str, str],
    notes: list[str],
) -> None:
    """Writes and prints win, tie and loss, and the agreement."""
    from rich.console import Console

    given = {name: verdicts.of(name) for name in verdicts.annotators}
    whole = outcome(names, found.pairs, given, judged, notes)
    write(whole, folder)
    Console().print(*show(whole), sep="\n")
    print(f"Written to {folder.path}: results.json, report.md" + (", figures/" if whole.arms else ""))
