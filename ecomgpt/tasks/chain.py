"""The chain of tasks as data: which atomic tasks feed which final families, and by which operation they came to be."""

import csv
import io
from collections import Counter
from collections.abc import Iterable

from ecomgpt.sources.families import FAMILIES
from ecomgpt.tasks.declaration import Task, load_tasks

SORTS = ("raw", "simplification", "reversal", "recombination", "pseudo")
"""How a task came to be: as it stands in a dataset, by one of the golden operations, or labelled by a chat model."""


def sort_of(task: Task) -> str:
    """One of `SORTS`."""
    if task.kind == "raw":
        return "raw"
    return "pseudo" if task.label == "pseudo" else str(task.operation)


def as_csv(tasks: Iterable[Task], examples: dict[str, int], datasets: dict[str, int]) -> str:
    """The graph as CSV: a row an edge, from an atomic task to a family that it feeds; raw tasks feed their own family.

    ``examples`` (of the training split) and ``datasets`` (that give the task) are numbers by declaration.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["task", "made_by", "label", "record", "own_family", "feeds", "datasets", "examples"])
    for task in sorted(tasks, key=lambda task: (SORTS.index(sort_of(task)), task.family, task.name)):
        for family in task.serves or [task.family]:
            numbers = datasets[task.name], examples[task.name]
            writer.writerow([task.name, sort_of(task), task.label, task.record, task.family, family, *numbers])
    return stream.getvalue()


def as_markdown(tasks: Iterable[Task]) -> str:
    """Every task by family, with how it was made and what it feeds: ``docs/tasks.md``."""
    known = list(tasks)
    made = Counter(sort_of(task) for task in known)
    lines = [
        "# The tasks",
        "",
        "(Written by `just docs`; a test compares it with the declarations.)",
        "",
        f"{len(known)} declarations in `conf/tasks/`: "
        + ", ".join(f"{made[sort]} {sort}" for sort in SORTS)
        + ". Each dataset with the right",
        "records and labels gives one task of the mixture, `<dataset>.<task>`; `job=build` draws the chain "
        "of those that were found.",
    ]
    for family, meaning in FAMILIES.items():
        own = [task for task in known if task.family == family]
        own.sort(key=lambda task: (SORTS.index(sort_of(task)), task.name))
        if own:
            lines += ["", f"## {family.replace('_', ' ').capitalize()}", "", f"To {meaning}.", ""]
            lines += ["| task | made by | from | answer | feeds |", "| - | - | - | - | - |"]
        for task in own:
            feeds = ", ".join(name.replace("_", " ") for name in task.serves)
            lines.append(f"| {task.name} | {sort_of(task)} | {task.record} | {task.form} | {feeds} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(as_markdown(load_tasks()), end="")
