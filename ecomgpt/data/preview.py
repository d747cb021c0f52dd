"""Real examples on the screen, with the tokens that bear the loss in colour."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.text import Text

from ecomgpt.data.store import instructions_at

if TYPE_CHECKING:
    from ecomgpt.data.prepared import Prepared

LONG = 200
"""Examples from which on a preview says beforehand how long it is."""


def preview(mixture: "Prepared", count: int, console: Console) -> None:
    """Prints the first ``count`` examples of each task as the model reads them; only those are read from disk."""
    examples = mixture.examples("train")
    chosen = list(_first(examples.tasks, count))
    names = len({int(examples.tasks[number]) for number in chosen})
    said = f"{len(chosen):,} examples of {names} tasks; what bears the loss is "
    console.print(Text.assemble(("Preview: ", "bold"), said, ("marked", ANSWER), "."))
    if len(chosen) > LONG:
        hint = "data.tasks=[<task>] shows one, and '| less -R' turns pages (FORCE_COLOR=1 keeps the colours)"
        console.print(Text(f"This is long: {hint}."))
    tasks = {task["name"]: task for task in mixture.manifest["tasks"]}
    rows = instructions_at(mixture.instructions / "train.arrow", [int(examples.rows[number]) for number in chosen])
    for number, instruction in zip(chosen, rows, strict=True):
        ids, answer = examples.ids(number), int(examples.num_targets[number])
        console.print(head(tasks[instruction.task], instruction.id, len(ids), answer))
        prompt, target = (visible(str(mixture.tokenizer.decode(part))) for part in (ids[:-answer], ids[-answer:]))
        # `Text`, not markup: what stands in a text is never read as a colour or a link.
        console.print(Text(prompt).append(target, style=ANSWER), end="\n\n")


ANSWER = "bold black on green"


def head(task: dict[str, Any], row: str, tokens: int, answer: int) -> Text:
    """The line above an example: where it comes from, how its task was made, and what it feeds."""
    made = "raw" if task["kind"] == "raw" else task["operation"] or task["label"]
    chain = f" → {', '.join(task['serves'])}" if task["serves"] else ""
    return Text.assemble(
        (visible(task["name"]), "bold cyan"),
        f"  {task['family']}, {made}{chain}\n",
        (f"{visible(row.split('/', 1)[-1])}, {tokens - answer} + {answer} tokens", "dim"),
    )


def visible(text: str) -> str:
    """The text without characters that a terminal would obey; they show as the replacement character."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _first(tasks: np.ndarray, count: int) -> Iterator[int]:
    """The numbers of the first examples of each task, task by task."""
    order = np.argsort(tasks, kind="stable")
    _, starts = np.unique(tasks[order], return_index=True)
    for one in np.split(order, starts[1:]):
        yield from map(int, one[:count])
