"""The text of ``--help``, written from the schema and the files of ``conf/``."""

import dataclasses
import textwrap

from ecomgpt.config.files import options
from ecomgpt.config.roots import shipped
from ecomgpt.config.schema import GROUPS, Config, DataConfig, EvalConfig, PathsConfig, TrainerConfig

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

OTHER QUESTIONS
  --cfg job        the composed configuration, without running it (add overrides to see their effect)
  --hydra-help     Hydra's own flags

EXIT CODES
  0 done    1 a job failed    2 the command, the configuration or the input is wrong
"""

KEYS = (
    (Config, "", ("name", "seed", "overwrite", "run", "preview")),
    (PathsConfig, "paths.", ("data", "output", "models", "cache")),
    (DataConfig, "data.", ("max_examples_per_task", "max_tasks")),
    (TrainerConfig, "trainer.", ("max_steps", "learning_rate", "devices", "precision", "checkpoint_every")),
    (EvalConfig, "eval.", ("limit", "beams")),
)


def text() -> str:
    """The whole page."""
    return "\n".join([USAGE, _groups(), _keys(), EXAMPLES])


def _groups() -> str:
    lines = ["GROUPS"]
    for group, meaning in {**GROUPS, "+experiments": "a study, laid over everything else"}.items():
        names = ", ".join(sorted(options(group.lstrip("+"), [shipped("conf"), shipped("experiments").parent])))
        if names:
            lines.append(f"  {group:<13}{meaning}")
            lines += textwrap.wrap(names, 96, initial_indent=" " * 15, subsequent_indent=" " * 15)
    return "\n".join([*lines, ""])


def _keys() -> str:
    lines = ["KEYS (all of them, with their meaning: ecomgpt/config/schema.py)"]
    for schema, prefix, names in KEYS:
        fields = {field.name: field for field in dataclasses.fields(schema)}
        lines += [f"  {prefix + name:<29}{fields[name].metadata['help']}" for name in names]
    return "\n".join([*lines, ""])
