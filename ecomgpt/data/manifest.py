"""The manifest: what a mixture holds, and what became of every row that it does not hold."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from ecomgpt.config.schema import Config
from ecomgpt.data.choose import Selection
from ecomgpt.data.instructions import Counts, Found
from ecomgpt.sources.labelled import provenance
from ecomgpt.tasks.declaration import Task

if TYPE_CHECKING:
    from ecomgpt.data.build import Protection


TOKEN_REASONS = {
    "too_long": "longer than data.max_length without its input",
    "choices_cut": "choices would be cut",
    "over_budget": "over data.budget.target_tokens",
}
"""Why a chosen example did not become a training example."""


def of_instructions(
    config: Config,
    found: Found,
    plan: dict[str, list[Task]],
    counts: dict[str, Counts],
    leaks: dict[str, Counter[str]],
    selection: Selection,
    written: dict[str, Counter[str]],
    protection: "Protection",
) -> dict[str, Any]:
    """The texts' side: datasets, tasks, selection and contamination."""
    languages = {dataset.name: dataset.language for dataset in found.datasets}
    tasks = [
        _task(dataset, task, languages[dataset], counts[dataset], leaks, selection, written)
        for dataset, chosen in plan.items()
        for task in chosen
    ]
    removed: Counter[str] = Counter()
    for reasons in leaks.values():
        for reason, number in reasons.items():
            removed[reason.split(": ", 1)[1]] += number
    return {
        "data": config.data.name,
        "sources": {
            name: {
                "read": count.rows.read, "kept": count.rows.kept, "dropped": dict(count.rows.dropped),
                "left_out": dict(count.rows.left_out), "records": dict(count.rows.records), "splits": dict(count.splits), **_labelled_by(found, name),
            }
            for name, count in counts.items()
        },
        "missing": found.missing,
        "excluded": found.excluded,
        "tasks": [task for task in tasks if task["made"]],
        "without_examples": [task["name"] for task in tasks if not task["made"]],
        "written": {split: sum(counter.values()) for split, counter in written.items()},
        "contamination": {
            "checked_against": protection.suite,
            "held_out_tasks": list(protection.tasks),
            "texts": len(protection.texts),
            "removed": sum(removed.values()),
            "by_task": dict(removed),
        },
    }


def _labelled_by(found: Found, name: str) -> dict[str, Any]:
    labels = provenance(next(dataset for dataset in found.datasets if dataset.name == name))
    return {"labelled_by": labels} if labels else {}


def _task(
    dataset: str,
    task: Task,
    language: str,
    counts: Counts,
    leaks: dict[str, Counter[str]],
    selection: Selection,
    written: dict[str, Counter[str]],
) -> dict[str, Any]:
    """One task; ``made == examples + leaks + not chosen`` for the training split."""
    name = f"{dataset}.{task.name}"
    made = counts.tasks.get("train", {}).get(name)
    leaked = sum(number for reason, number in leaks.get(name, Counter()).items() if reason.startswith("train: "))
    examples = written["train"][name]
    not_chosen = selection.offered[name] - examples
    dropped = {f"not made: {reason}": number for reason, number in sorted((made.dropped if made else {}).items())}
    if leaked:
        dropped["holds an evaluation text"] = leaked
    if not_chosen:
        dropped["not chosen (cap, budget, temperature or max_tasks)"] = not_chosen
    return {
        "name": name, "source": dataset, "language": language, "family": task.family, "kind": task.kind, "label": task.label,
        "operation": task.operation, "serves": list(task.serves), "made": made.made if made else 0, "examples": examples,
        "validation_examples": written["validation"][name], "dropped": dropped,
    }


def whole(texts: dict[str, Any], tokens: dict[str, Any], fingerprint: str) -> dict[str, Any]:
    """Texts' and tokens' side together, as a run directory holds it."""
    train = tokens["train"]
    tasks = []
    for task in texts["tasks"]:
        name = task["name"]
        dropped = dict(task["dropped"])
        for key, reason in TOKEN_REASONS.items():
            if train[key].get(name):
                dropped[reason] = train[key][name]
        tasks.append(
            {
                **task, "examples": train["examples"].get(name, 0), "tokens": train["tokens"].get(name, 0),
                "target_tokens": train["target_tokens"].get(name, 0), "dropped": dropped,
                "truncated": train["truncated"].get(name, 0), "cut_tokens": train["cut_tokens"].get(name, 0),
            }
        )
    return {
        "fingerprint": fingerprint,
        "examples": sum(train["examples"].values()),
        "tokens": sum(train["tokens"].values()),
        "target_tokens": sum(train["target_tokens"].values()),
        "validation_examples": sum(tokens["validation"]["examples"].values()),
        **{**texts, "tasks": [task for task in tasks if task["examples"]]},
        "not_chosen": [task["name"] for task in tasks if not task["examples"]],
    }
