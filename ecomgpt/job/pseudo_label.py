"""job=pseudo_label: labels unlabelled texts with a chat model; mixtures use the labels in atomic tasks."""

import dataclasses
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecomgpt.chat.client import Chat
from ecomgpt.chat.estimate import CostEstimate, estimate
from ecomgpt.common.errors import UserError
from ecomgpt.common.files import write_json
from ecomgpt.common.log import log
from ecomgpt.config.schema import Config
from ecomgpt.data.instructions import data_root, find, official_test, pseudo_root
from ecomgpt.pseudo.choose import LabellingWork, choose
from ecomgpt.pseudo.declaration import load_labellings
from ecomgpt.pseudo.label import label, requests, write
from ecomgpt.runtime.directory import Run

if TYPE_CHECKING:
    from rich.table import Table


def main(config: Config, run: Run) -> None:
    """Chooses texts, estimates the cost, asks, checks the answers and writes them.

    Raises:
        UserError: If there is nothing to label, the endpoint can't be reached, the budget is spent, or questions got no
            answer. Answers received until then are written.
    """
    with run.stage("choose"):
        works = gather(config)
    with run.stage("label"), Chat(config.chat, Path(config.paths.cache).expanduser()) as chat:
        show_estimate(works, chat)
        manifests: list[dict[str, Any]] = []
        stopped: UserError | None = None
        for work in works:
            found, stopped = label(chat, work)
            if found.replies:
                folder = pseudo_root(config.paths) / work.dataset.name
                tested = official_test(work.dataset, data_root(config.paths))
                manifests.append(write(found, folder, chat, tested))
                write_json(run.path / "pseudo.json", {"labelled": manifests})
            if stopped:
                break
        if manifests:
            show(manifests, chat)
            print(f"Written to {pseudo_root(config.paths)}; data=full_cot and data=pseudo_only use these labels.")
        log.info("%s", chat.ledger.line())
    failed = sum(manifest["texts"]["rejected"].get("no answer from the endpoint", 0) for manifest in manifests)
    if stopped:
        raise stopped
    if failed:
        raise UserError(
            f"chat: {failed} questions got no answer after all retries; the same command asks for them again"
        )


def gather(config: Config) -> list[LabellingWork]:
    """The texts of every dataset that a labelling applies to."""
    labellings = load_labellings(config.pseudo.tasks, config.paths.conf)
    # Pseudo labels made earlier are left out: they are no texts to label, and broken ones are to be replaced.
    found = find(dataclasses.replace(config.data, labels=["golden"]), config.sources, config.paths, config.eval.tasks)
    works = [work for dataset in found.datasets for work in choose(config, dataset, labellings)]
    works = [work for work in works if work.texts]
    if not works:
        names = ", ".join(labelling.name for labelling in labellings)
        raise UserError(
            f"sources={config.sources.name}: no dataset that is found has texts for {names}", *found.missing
        )
    return works


def show_estimate(works: list[LabellingWork], chat: Chat) -> None:
    """Prints the number of questions and what they may cost, before the first one is sent."""
    from rich.console import Console

    table = _table(f"{chat.settings.model} at {chat.settings.base_url}", "texts", "known", "tokens in", "tokens out")
    whole = CostEstimate()
    for work in works:
        part = estimate(requests(work), chat.settings, chat.cache)
        whole = whole.plus(part)
        figures = (part.questions, part.known, part.prompt_tokens, part.answer_tokens)
        table.add_row(work.name, *(f"{figure:,}" for figure in figures))
    console = Console()
    console.print(table)
    console.print(whole.line(chat.settings), highlight=False)


def show(manifests: list[dict[str, Any]], chat: Chat) -> None:
    """Prints how many texts were labelled and rejected, and why."""
    from rich.console import Console

    table = _table("Labelled", "chosen", "labelled", "rejected", "USD")
    reasons: Counter[str] = Counter()
    for manifest in manifests:
        texts = manifest["texts"]
        reasons.update(texts["rejected"])
        cost = "?" if manifest["cost_usd"] is None else f"{manifest['cost_usd']:.4f}"
        figures = (f"{texts['chosen']:,}", f"{texts['labelled']:,}", f"{sum(texts['rejected'].values()):,}", cost)
        table.add_row(f"{manifest['dataset']} {manifest['labelling']}", *figures)
    console = Console()
    console.print(table)
    if reasons:
        console.print(
            "Rejected: " + "; ".join(f"{reason} {number:,}" for reason, number in reasons.most_common()),
            highlight=False,
        )
    console.print(chat.ledger.line(), highlight=False)


def _table(title: str, *figures: str) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), box=SIMPLE_HEAD)
    table.add_column("dataset and labels", overflow="fold")
    for name in figures:
        table.add_column(name, justify="right")
    return table
