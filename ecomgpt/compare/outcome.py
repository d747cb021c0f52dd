"""The outcome of a comparison as files and on the terminal: win/tie/loss, agreement, and what the judge adds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ecomgpt.common.files import write_json, write_text
from ecomgpt.compare.agreement import Kappa, agreement, kappa
from ecomgpt.compare.judge import Bias, Judged, bias
from ecomgpt.compare.pairs import Pair
from ecomgpt.compare.results import Tallies, Tally, tallies
from ecomgpt.eval.metrics_file import rounded
from ecomgpt.reporting import drawing, wins
from ecomgpt.reporting.text import NONE, markdown, points, visible
from ecomgpt.runtime.directory import Run

if TYPE_CHECKING:
    from rich.console import RenderableType

PEOPLE, JUDGE = "people", "the judge"
FIGURES = {PEOPLE: "wins", JUDGE: "wins_judge"}
HEAD = ("task", "rows", "win", "tie", "loss", "surplus", "95 % interval")


@dataclass(frozen=True)
class Outcome:
    """All results.

    Attributes:
        names: Of ``run_a`` and ``run_b``.
        pairs: The sample, in its order.
        arms: Who judged anything, `PEOPLE` or `JUDGE`, and what they said.
        kappas: How far people agree.
        bias: How far the place decided for the judge.
        beside: How far the judge agrees with people, on rows that both judged, equal answers left out.
        notes: What was left out.
    """

    names: tuple[str, str]
    pairs: Sequence[Pair]
    arms: list[tuple[str, Tallies, Tally]]
    kappas: list[Kappa]
    bias: Bias | None
    beside: Kappa | None
    notes: Sequence[str]


def outcome(
    names: tuple[str, str],
    pairs: Sequence[Pair],
    given: Mapping[str, Mapping[str, str]],
    judged: Sequence[Judged] | None,
    notes: Sequence[str],
) -> Outcome:
    """Adds everything up: annotator to verdicts by row, and what the judge said; None where it was not asked."""
    people = tallies(pairs, given)
    verdicts = {one.pair.key: one.verdict for one in judged or ()}
    found = {PEOPLE: people, JUDGE: tallies(pairs, {JUDGE: verdicts})} if judged is not None else {PEOPLE: people}
    arms = [(name, one, one.whole) for name, one in found.items() if one.whole is not None]
    asked = {pair.key: people.verdicts[pair.key] for pair in pairs if not pair.same and pair.key in people.verdicts}
    beside = kappa((PEOPLE, JUDGE), (asked, verdicts)) if asked and verdicts else None
    return Outcome(names, pairs, arms, agreement(given), bias(judged or ()), beside, notes)


def write(found: Outcome, folder: Run) -> None:
    """Writes ``results.json``, ``report.md`` and ``figures/``; a figure that no longer has anything to show goes."""
    write_json(folder.path / "results.json", _json(found))
    arms = {name: arm for name, arm, _ in found.arms}
    for name, file in FIGURES.items():
        with drawing.style():
            tallied = _rows(arms[name]) if name in arms else []
            bars = [(one.title, one.win, one.tie, one.loss) for one in tallied]
            figure = wins.wins(bars, *found.names) if bars else None
            drawing.save(figure, folder.path / "figures", file)
    write_text(folder.path / "report.md", "\n".join(_markdown(found)) + "\n")


def show(found: Outcome) -> Iterator[RenderableType]:
    """What the terminal shows."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    for name, arm, whole in found.arms:
        title = Text(visible(f"{found.names[0]} against {found.names[1]}, by {name}"))
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column(HEAD[0], overflow="fold")
        for column in HEAD[1:]:
            table.add_column(column, justify="right", overflow="fold", no_wrap=True)
        for one in arm.tasks.values():
            table.add_row(*(Text(visible(cell)) for cell in _cells(one)))
        table.add_section()
        table.add_row(*(Text(visible(cell)) for cell in _cells(whole)), style="bold")
        yield table
    yield from (Text(visible(line)) for line in _lines(found))


def _cells(one: Tally) -> tuple[str, ...]:
    shares = (points(count / one.n) for count in (one.win, one.tie, one.loss))
    interval = NONE if math.isnan(one.low) else f"[{points(one.low, True)}, {points(one.high, True)}]"
    return (one.title, f"{one.n:,}", *shares, points(one.surplus, True), interval)


def _rows(arm: Tallies) -> list[Tally]:
    return [*arm.tasks.values(), *([arm.whole] if arm.whole and len(arm.tasks) > 1 else [])]


def _lines(found: Outcome) -> Iterator[str]:
    """Everything that is no table, one sentence per line."""
    same = sum(pair.same for pair in found.pairs)
    yield f"{len(found.pairs):,} rows" + (
        f"; on {same:,} of them the answers are equal, which counts as a tie without asking." if same else "."
    )
    for name, _, whole in found.arms:
        if whole.n < len(found.pairs):
            yield f"By {name}, {whole.n:,} rows are decided so far."
        if whole.split:
            yield f"On {whole.split:,} rows most annotators agreed on nothing, which counts as a tie."
    for kappa_ in found.kappas:
        *others, last = kappa_.between
        yield f"Agreement of {', '.join(others)} and {last}: {_kappa(kappa_)}"
    if found.bias:
        one = found.bias
        share = ""
        if one.first_share is not None:
            share = f" Of its answers that name a winner, {points(one.first_share)} % name the first (50 without bias)."
        yield (
            f"The judge said the same in both orders on {points(one.consistent)} % of {one.n:,} rows; on {one.first:,} "
            f"it preferred the first place both times, on {one.second:,} the second.{share}"
        )
    if found.beside:
        yield f"Agreement of people and the judge: {_kappa(found.beside)}"
    yield from found.notes


def _kappa(one: Kappa) -> str:
    if not one.n:
        return "they have judged no row in common"
    value, interval = "not defined, because all verdicts are equal", ""
    if not math.isnan(one.value):
        value = f"{one.value:.2f}".replace("-", "\u2212")
        if not math.isnan(one.low):
            interval = f", 95 % interval {one.low:.2f} to {one.high:.2f}".replace("-", "\u2212")
    return f"{one.method}'s kappa {value}{interval}; equal verdicts {points(one.observed)} %; {one.n:,} rows"


def _markdown(found: Outcome) -> Iterator[str]:
    yield f"# {markdown(found.names[0])} against {markdown(found.names[1])}\n"
    if not found.arms:
        yield "Nobody has judged anything yet.\n"
    for name, arm, _ in found.arms:
        yield f"## By {name}\n\n![Win, tie and loss by task](figures/{FIGURES[name]}.png)\n"
        yield "| " + " | ".join(HEAD) + " |\n| - |" + " -: |" * (len(HEAD) - 1)
        yield from ("| " + " | ".join(map(markdown, _cells(one))) + " |" for one in _rows(arm))
        yield "\nIn percent of rows; the surplus is wins less losses, with a 95 % interval over rows.\n"
    yield from (f"- {markdown(line)}" for line in _lines(found))


def _json(found: Outcome) -> dict[str, Any]:
    arms = {
        "judge" if name == JUDGE else "people": {
            "all": whole.to_json(),
            "tasks": {task: one.to_json() for task, one in arm.tasks.items()},
        }
        for name, arm, whole in found.arms
    }
    return {
        "run_a": found.names[0],
        "run_b": found.names[1],
        "rows": len(found.pairs),
        "same": sum(pair.same for pair in found.pairs),
        **arms,
        "agreement": [_plain(one) for one in found.kappas],
        "judge_and_people": _plain(found.beside) if found.beside else None,
        "position_bias": None if found.bias is None else vars(found.bias),
    }


def _plain(one: Kappa) -> dict[str, Any]:
    numbers = rounded(observed=one.observed, value=one.value, low=one.low, high=one.high)
    return {"between": list(one.between), "method": one.method, "n": one.n, **numbers}
