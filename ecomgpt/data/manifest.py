"""The manifest: what a mixture holds, and what became of every row that it does not hold."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ecomgpt.common.errors import UserError
from ecomgpt.data.choose import PlannedTask, Quota
from ecomgpt.data.instructions import BlockCounts, FoundDatasets
from ecomgpt.data.leaks import Leaks
from ecomgpt.data.protect import Protection
from ecomgpt.sources.labelled import provenance
from ecomgpt.tasks.engine import TaskCounts

FILE = "manifest.json"
LEAK = "holds an evaluation text"
NOT_MADE = "not made: "
TOKEN_REASONS = {
    "too_long": "longer than data.max_length without its input",
    "choices_cut": "choices would be cut",
    "over_budget": "over data.budget",
}
"""Why a chosen example did not become a training example."""


def of_instructions(
    data: str,
    found: FoundDatasets,
    tasks: Sequence[PlannedTask],
    counts: dict[str, BlockCounts],
    leaks: dict[str, Leaks],
    quotas: dict[str, Quota],
    protection: Protection,
) -> dict[str, Any]:
    """The texts' side: datasets, tasks, what was chosen, and contamination.

    Args:
        data: The mixture's name.
        found: The datasets.
        tasks: The mixture's tasks, in the order of their numbers.
        counts: What was read and made, by dataset.
        leaks: What was taken out, by split.
        quotas: What was chosen, by split.
        protection: What the evaluation keeps for itself.
    """
    entries = []
    for number, one in enumerate(tasks):
        count = counts[one.dataset.name]
        entry: dict[str, Any] = {"name": one.name, "source": one.dataset.name, "language": one.dataset.language}
        entry |= {key: getattr(one.task, key) for key in ("family", "kind", "label", "operation", "serves")}
        entry |= {split: _split(one.name, number, count, split, leaks[split], quotas[split]) for split in quotas}
        entries.append(entry)
    by_name = {dataset.name: dataset for dataset in found.datasets}
    return {
        "data": data,
        "sources": {
            name: {
                "read": count.rows.read,
                "kept": count.rows.kept,
                "dropped": dict(count.rows.dropped),
                "left_out": dict(count.rows.left_out),
                "records": dict(count.rows.records),
                "splits": dict(count.splits),
                **({"labelled_by": labels} if (labels := provenance(by_name[name])) else {}),
            }
            for name, count in counts.items()
        },
        "missing": found.missing,
        "excluded": found.excluded,
        "tasks": entries,
        "written": {split: int(share.kept.sum()) for split, share in quotas.items()},
        "contamination": _contamination(protection, leaks),
    }


def _split(name: str, number: int, counts: BlockCounts, split: str, leaks: Leaks, quotas: Quota) -> dict[str, Any]:
    """One task in one split, from the offers of its records to what was chosen."""
    made = counts.tasks.get(split, {}).get(name) or TaskCounts()
    dropped = {f"{NOT_MADE}{reason}": count for reason, count in sorted(made.dropped.items())}
    dropped |= {LEAK: leaks.by_example_task[name]}
    dropped |= {reason: int(values[number]) for reason, values in quotas.dropped.items()}
    return {
        "records": made.records,
        "offered": made.offered,
        "made": made.made,
        "examples": int(quotas.kept[number]),
        "dropped": {reason: count for reason, count in dropped.items() if count},
    }


def _contamination(protection: Protection, leaks: dict[str, Leaks]) -> dict[str, Any]:
    found = Leaks()
    for one in leaks.values():
        found.merge(one)
    return {
        "checked_against": protection.suite,
        "held_out_tasks": list(protection.tasks),
        "removed": sum(found.by_task.values()),
        "by_task": dict(found.by_task),
        "by_source": {source: dict(counter) for source, counter in sorted(found.by_source.items())},
        "examples": found.examples,
    }


def merge_manifests(texts: dict[str, Any], tokens: dict[str, Any], fingerprint: str) -> dict[str, Any]:
    """Texts' and tokens' side together, as a run directory holds it.

    Raises:
        UserError: If nothing is left to train on, with the counts that led there.
        RuntimeError: If rows are unaccounted for.
    """
    tasks = [_with_tokens(task, tokens) for task in texts["tasks"]]
    check(texts["sources"], tasks)
    train = tokens["train"]
    if not any(train["examples"].values()):
        raise UserError("\n".join(_emptiness(texts["data"], texts["sources"], tasks)))
    return {
        "fingerprint": fingerprint,
        "examples": sum(train["examples"].values()),
        "tokens": sum(train["tokens"].values()),
        "target_tokens": sum(train["target_tokens"].values()),
        "validation_examples": sum(tokens["validation"]["examples"].values()),
        "budget": tokens["budget"],
        **{key: value for key, value in texts.items() if key not in ("tasks", "written")},
        "tasks": [task for task in tasks if task["examples"]],
        "not_chosen": [task["name"] for task in tasks if task["made"] and not task["examples"]],
        "without_examples": [task["name"] for task in tasks if not task["made"]],
    }


def _emptiness(data: str, sources: dict[str, Any], tasks: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Where a mixture's rows went, stage by stage, when none became a training example."""
    yield f"data={data}: the mixture is empty, there is nothing to train on:"
    for name, source in sources.items():
        splits = _counts(source["splits"]) or "no record"
        lost = _counts(source["dropped"])
        yield f"{name}: {source['read']:,} rows read, {source['kept']:,} kept" + (
            f" (left out: {lost})" if lost else ""
        )
        yield f"{name}: records by split: {splits}"
    offered, made = (sum(task[key] for task in tasks) for key in ("offered", "made"))
    dropped = sum((Counter(task["dropped"]) for task in tasks), Counter[str]())
    left = f" ({_counts(dropped)})" if dropped else ""
    yield f"{len(tasks)} tasks: {offered:,} examples offered, {made:,} made, 0 left to train on{left}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in sorted(counts.items()) if count)


def _with_tokens(task: dict[str, Any], tokens: dict[str, Any]) -> dict[str, Any]:
    """A task's entry: its training split's figures, and those of the validation part in ``validation``."""
    name = task["name"]
    splits = {}
    for split in ("train", "validation"):
        found = {key: counter.get(name, 0) for key, counter in tokens[split].items()}
        later = {reason: found[key] for key, reason in TOKEN_REASONS.items() if found[key]}
        splits[split] = {
            **task[split],
            "dropped": task[split]["dropped"] | later,
            **{key: found[key] for key in ("examples", "tokens", "target_tokens", "truncated", "cut_tokens")},
            "languages": {"en": found["examples"] - found["chinese"], "zh": found["chinese"]},
        }
    common = {key: value for key, value in task.items() if key not in splits}
    return {
        **common,
        **splits["train"],
        "validation_examples": splits["validation"]["examples"],
        "validation": splits["validation"],
    }


def check(sources: dict[str, Any], tasks: Sequence[dict[str, Any]]) -> None:
    """Makes sure that every row of every stage is kept or dropped for a reason.

    Files to records, records to splits, records to instructions, instructions to chosen ones, chosen ones to examples.

    Raises:
        RuntimeError: With every sum that does not hold; it is our mistake, not the user's.
    """
    wrong = []
    for name, source in sources.items():
        if source["read"] != source["kept"] + sum(source["dropped"].values()):
            wrong.append(f"{name}: rows read {source['read']}, kept {source['kept']}, dropped {source['dropped']}")
        if sum(source["records"].values()) != sum(source["splits"].values()):
            wrong.append(f"{name}: records {source['records']}, by split {source['splits']}")
    for task in tasks:
        for split, part in (("train", task), ("validation", task["validation"])):
            unmade = sum(count for reason, count in part["dropped"].items() if reason.startswith(NOT_MADE))
            later = sum(part["dropped"].values()) - unmade
            if part["offered"] != part["made"] + unmade or part["made"] != part["examples"] + later:
                figures = {key: part[key] for key in ("offered", "made", "examples", "dropped")}
                wrong.append(f"{task['name']}, {split}: {figures}")
    if wrong:
        raise RuntimeError("rows are unaccounted for: " + "; ".join(wrong))
