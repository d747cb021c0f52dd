"""``--help``, ``job=<job> --help`` and docs/reference.md, written from the schema and the files of ``conf/``."""

import textwrap
import types
import typing
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from ecomgpt.common.errors import UserError, suggestion
from ecomgpt.config.files import OVERLAYS, options
from ecomgpt.config.options import JOBS, REQUIRED, Key
from ecomgpt.config.roots import shipped
from ecomgpt.config.schema import GROUPS, KEYS, Config

USAGE = """\
NAME
  ecomgpt - instruction-tune BLOOMZ on e-commerce tasks, with and without atomic (Chain-of-Task)
            tasks, and measure what it changed on tasks the model never saw

SYNOPSIS
  python -m ecomgpt [job=<job>] [<group>=<option> ...] [<key>=<value> ...]
  python -m ecomgpt --multirun <group>=<option>,<option> ...

DESCRIPTION
  Without arguments it builds a mixture from the embedded demo store, trains a tiny BLOOM on it,
  scores it before and after on held-out tasks and writes a report: no data, weights or GPU needed.
  Everything is a choice in a configuration group or a key; nothing unknown is accepted.
"""

EXAMPLES = """\
EXAMPLES
  python -m ecomgpt
      the whole way on the embedded demo store, in about two minutes on two cores
  python -m ecomgpt model=bloomz_3b data=full_cot paths.data=/data
      BLOOMZ-3B on every open dataset in /data/raw, scored on the paper's twelve held-out tasks
  python -m ecomgpt job=plan model=bloomz_7b1 strategy=deepspeed_zero3 trainer.devices=8
      what that needs in memory, and whether this machine has it
  python -m ecomgpt job=build sources=open paths.data=/data preview=2
      the mixture alone: datasets found and missing, every task with two examples
  python -m ecomgpt --multirun data=no_atomic,full_cot name=ablation
      the paper's question, as a sweep
  python -m ecomgpt +debug=overfit
      a few examples, learnt by heart: the first thing to try when a loss does not fall

OTHER QUESTIONS
  job=<job> --help what a job does, and every key that it reads
  --cfg job        the composed configuration, without running it (add overrides to see their effect)
  --version        the version
  --hydra-help     Hydra's own flags

EXIT CODES
  0 done    1 a job failed    2 the command, the configuration or the input is wrong
"""

INTRODUCTION = """\
# Every key of the configuration

<!-- Written from ecomgpt/config/schema by `just docs`; change it there. -->

`python -m ecomgpt <group>=<option> <key>=<value>` changes any of these. *Read by* names the jobs that use a key.
*Decides* says which results depend on it first: texts or tokens of the mixture, training, answers, scores, or nothing
but where files lie and what is shown. *May change* marks keys that can differ when an interrupted run goes on.
Required keys are set by the group's options.
"""


def page(arguments: list[str]) -> str:
    """The page that a command line with ``--help`` asks for.

    Raises:
        UserError: If it names a job that does not exist.
    """
    job = next((item.split("=", 1)[1] for item in arguments if item.startswith("job=")), None)
    if job is None:
        return "\n".join([USAGE, _groups(), _common_keys(), EXAMPLES])
    if job not in JOBS:
        raise UserError(f"command line: job={job}: no such option{suggestion(job, JOBS)}")
    return "\n".join(_job(job))


def reference() -> str:
    """docs/reference.md."""
    lines = [INTRODUCTION]
    for group, keys in _by_group(KEYS.values()):
        names = ", ".join(f"`{name}`" for name in sorted(options(group, _roots())))
        lines += [f"## {group or 'Keys at the top'}\n", _group_help(group) + (f": {names}" if names else "") + ".\n"]
        lines += ["| key | default | values | meaning | read by | decides | may change |", "| - |" + " - |" * 6]
        for key in keys:
            jobs = "every job" if set(key.jobs) == set(JOBS) else ", ".join(key.jobs)
            resume = "✓" if key.says("resume") else ""
            cells = (f"`{key.name}`", f"`{_default(key)}`", _values(key), key.help, jobs, key.decides, resume)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


def _roots() -> list[Any]:
    return [shipped("conf"), shipped("experiments").parent]


def _groups() -> str:
    lines = ["GROUPS"]
    overlays = {f"+{group}": meaning for group, meaning in OVERLAYS.items()}
    for group, meaning in {**{group: _group_help(group) for group in GROUPS}, **overlays}.items():
        names = ", ".join(sorted(options(group.lstrip("+"), _roots())))
        if names:
            lines.append(f"  {group:<18}{meaning}")
            lines += textwrap.wrap(names, 96, initial_indent=" " * 20, subsequent_indent=" " * 20)
    return "\n".join([*lines, ""])


def _common_keys() -> str:
    lines = ["KEYS (all of them: docs/reference.md, or job=<job> --help)"]
    for _, keys in _by_group(key for key in KEYS.values() if key.says("common")):
        lines += [f"  {key.name:<29}{key.help}" for key in keys]
    return "\n".join([*lines, ""])


def _job(job: str) -> Iterator[str]:
    """What a job does, with its examples, from the head of its file; then every key that it reads."""
    text = (shipped("conf") / "job" / f"{job}.yaml").read_text(encoding="utf-8")
    head = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("#")]
    commands = [f"  {line}" for line in head if line.startswith("python -m")]
    does = " ".join(line for line in head if not line.startswith("python -m"))
    yield from ("NAME", *textwrap.wrap(f"job={job} - {does}", 96, initial_indent="  ", subsequent_indent="    "))
    yield from ("", "EXAMPLES", *commands, "", "KEYS THAT IT READS (with their defaults)")
    for group, keys in _by_group(key for key in KEYS.values() if job in key.jobs and key.group != "job"):
        yield f"\n  {group or 'at the top'}: {_group_help(group)}"
        for key in keys:
            yield f"    {key.name}={_default(key)}  ({_values(key)})"
            yield from textwrap.wrap(key.help, 96, initial_indent=" " * 8, subsequent_indent=" " * 8)
    yield ""


def _by_group(keys: Iterable[Key]) -> Iterator[tuple[str, Iterator[Key]]]:
    """Keys at the top first, then group by group."""
    return groupby(sorted(keys, key=lambda key: key.group != ""), key=lambda key: key.group)


def _group_help(group: str) -> str:
    """What a group is for."""
    if not group:
        return "the run as a whole, and what single jobs take"
    if "/" in group:
        return KEYS[group.replace("/", ".")].help
    return Config.__dataclass_fields__[group].metadata["help"]


def _default(key: Key) -> str:
    """The default as it is written on the command line."""
    if key.default == REQUIRED:
        return "<required>"
    if isinstance(key.default, list):
        return f"[{','.join(map(str, key.default))}]"
    return "null" if key.default is None else str(key.default).lower()


def _values(key: Key) -> str:
    """Type and limits in words."""
    words = _words(key.hint)
    if "choices" in key.meaning:
        words = ("several of " if words.startswith("list") else "") + "|".join(key.meaning["choices"])
    limits = [f"{sign} {key.meaning[word]}" for sign, word in (("≥", "low"), ("≤", "high")) if word in key.meaning]
    return ", ".join([words, *limits])


def _words(hint: Any) -> str:
    arguments = [one for one in typing.get_args(hint) if one is not types.NoneType]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return _words(arguments[0])
    if typing.get_origin(hint) is list:
        return f"list of {_words(arguments[0])}"
    return {str: "text", int: "integer", float: "number", bool: "true|false"}.get(hint, "mapping")


if __name__ == "__main__":
    print(reference(), end="")
