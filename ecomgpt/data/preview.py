"""Real examples on the screen, with the tokens that bear the loss in colour."""

from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from ecomgpt.data.store import read_instructions

if TYPE_CHECKING:
    from ecomgpt.data.build import Prepared


def preview(mixture: "Prepared", count: int, console: Console) -> None:
    """Prints the first examples of each task as the model reads them.

    Args:
        mixture: A prepared mixture.
        count: Examples a task.
        console: Where to print.
    """
    examples = mixture.examples("train")
    tasks = {task["name"]: task for task in mixture.manifest["tasks"]}
    wanted = {int(row): number for number, row in enumerate(examples.rows)}
    shown: Counter[str] = Counter()
    for row, instruction in enumerate(read_instructions(mixture.instructions / "train.arrow")):
        if row not in wanted or shown[instruction.task] >= count:
            continue
        shown[instruction.task] += 1
        number = wanted[row]
        ids, answer = examples.ids(number), int(examples.targets[number])
        task = tasks[instruction.task]
        chain = f", serves {', '.join(task['serves'])}" if task["serves"] else ""
        console.rule(f"{instruction.task} ({task['kind']}{', ' + task['operation'] if task['operation'] else ''}{chain})")
        # Control characters of a text must not reach the terminal.
        shown_prompt = Text(_visible(str(mixture.tokenizer.decode(ids[:-answer]))))
        console.print(shown_prompt.append(_visible(str(mixture.tokenizer.decode(ids[-answer:]))), style="bold green"))


def _visible(text: str) -> str:
    return "".join(letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)
