"""Combinations of keys that can't work, checked before any work; each rule yields sentences."""

import dataclasses
import importlib.util
import math
import os
import re
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

from hydra._internal.utils import _locate as imported

from ecomgpt.common.errors import cause_of, suggestion
from ecomgpt.common.nested import leaves
from ecomgpt.config.check import check_value
from ecomgpt.config.roots import declarations
from ecomgpt.config.schema import GROUPS, KEYS, Config

NEEDS_RUN = ("rescore", "report", "export", "predict")
# One folder below paths.output, on every file system; letters of any script.
NAME = re.compile(r"(?!\.)[\w .+,@-]{1,200}(?<! )")
HUB_ID = re.compile(r"[\w][\w.-]*/[\w][\w.-]*", re.ASCII)
SECRET = re.compile(r"(?i)(^|_)(api_?key|token|secret|password)s?$")


def problems(config: Config) -> list[str]:
    """Every combination of keys that can't work."""
    rules = (_limits, _readers, _job, _runs, _model, _names, devices, _batch, _precision, _lists, _callbacks, _folders)
    return [problem for rule in (*rules, _secrets) for problem in rule(config)]


def _limits(config: Config) -> Iterator[str]:
    """Limits hold for values that interpolation or Hydra brought in, too."""
    yield from check_value(dataclasses.asdict(config), Config, None, "", "configuration")
    yield from (f"{name} is empty; give a value or leave it out" for name in KEYS if attrgetter(name)(config) == "")


def _readers(config: Config) -> Iterator[str]:
    """Keys that the job would silently ignore, except those of groups, whose options bring keys for every job."""
    job = config.job.name
    for name, key in KEYS.items():
        value = attrgetter(name)(config)
        if job not in key.jobs and value != key.default and key.group not in (*GROUPS, "paths"):
            shown = str(value).lower() if isinstance(value, bool) else value
            yield f"{name}={shown} belongs to job={' or '.join(key.jobs)}, not to job={job}; leave it out"


def _job(config: Config) -> Iterator[str]:
    job = config.job.name
    suite_alone = job == "export" and config.format == "lm_eval"  # The suite of a run, or the one that eval= names.
    if job in NEEDS_RUN and not config.run and not suite_alone and not config.runs:
        several = ", or runs=[<directory>,<directory>] for several together" if job == "report" else ""
        yield f"job={job} works on an existing run; give run=<its directory>{several}"
    for key in ("run", "run_a", "run_b"):
        given = getattr(config, key)
        if given and not (Path(given) / "config.yaml").is_file():
            yield f"{key}: '{given}' is no run directory (it holds no config.yaml)"
    if job == "compare" and not (config.run_a and config.run_b):
        yield "job=compare needs two runs; give run_a=<a directory> run_b=<another>"
    if job == "compare" and config.overwrite:
        yield "overwrite=true: job=compare never deletes verdicts; give another name= to start afresh"
    if job == "predict" and not config.input:
        yield "job=predict needs input=<file.jsonl>, one object with `instruction` and `input` per line"
    if config.input and not Path(config.input).is_file():
        yield f"input: the file '{config.input}' does not exist"
    if config.push_to and not HUB_ID.fullmatch(config.push_to):
        yield f"push_to={config.push_to}: job=export takes a hub id <owner>/<name> there"
    if config.name and not NAME.fullmatch(config.name):
        yield f"name: '{config.name[:80]}' can't name a directory; use letters, digits, '-', '_' and '.', at most 200"
    if config.format == "lm_eval":
        given = [name for name in ("push_to", "merge", "dtype") if getattr(config, name) != KEYS[name].default]
        yield from (f"{name} is for models, and format=lm_eval writes a suite's tasks; leave it out" for name in given)
    elif not config.merge and config.dtype != "float32":
        yield f"dtype={config.dtype} is for whole models; adapters (merge=false) stay float32"


def _runs(config: Config) -> Iterator[str]:
    if config.runs and config.run:
        yield "run and runs are both given; runs takes them all"
    if config.reference is not None and not config.runs:
        yield "reference needs several runs to compare; give runs=[<directory>,<directory>]"
    for folder in config.runs:
        if not any((Path(folder).expanduser() / file).is_file() for file in ("config.yaml", "sweep.json")):
            yield f"runs: '{folder}' is neither a run directory (config.yaml) nor a sweep's (sweep.json)"


def _model(config: Config) -> Iterator[str]:
    model = config.model
    if model.source in ("chat", "predictions") and config.job.name not in ("evaluate", "plan"):
        yield f"model={model.name} can only be evaluated: job=evaluate model={model.name}"
    if model.source == "build":
        for key in ("hidden_size", "layers", "heads", "vocabulary"):
            if getattr(model, key) is None:
                yield f"model.{key} is not set, and model.source=build needs it"
        if model.family != "bloom":
            yield f"model.family={model.family}: only BLOOM can be built from its config; use model.source=load"
        if model.hidden_size and model.heads and model.hidden_size % model.heads:
            yield f"model.hidden_size={model.hidden_size} is no multiple of model.heads={model.heads}"
    elif model.path is None and model.python_package is None:
        wants = {
            "chat": "the endpoint's name of the model",
            "predictions": "a folder with <task>.jsonl, or a run directory",
        }
        want = wants.get(model.source, "a folder in Hugging Face format, or a hub id")
        yield f"model.path is not set; give model.path=<{want}>"


def _names(config: Config) -> Iterator[str]:
    own = config.paths.conf
    for key, group, wanted in (
        ("sources.datasets", "sources/datasets", config.sources.datasets or []),
        ("sources.include_excluded", "sources/datasets", config.sources.include_excluded),
        ("pseudo.tasks", "pseudo", config.pseudo.tasks or []),
    ):
        known = [path.stem for path in declarations(group, own)]
        for name in wanted:
            if name not in known:
                yield f"{key}: no '{name}' in conf/{group}{suggestion(name, known)}"
    yield from _task_names(config)


def _task_names(config: Config) -> Iterator[str]:
    data = config.data
    if not (data.tasks or data.exclude or data.families or data.weights):
        return
    paths = declarations("tasks", config.paths.conf)
    tasks, families = [path.stem for path in paths], sorted({path.parent.name for path in paths})
    for key, wanted, what, known in (
        ("tasks", data.tasks or [], "task", tasks),
        ("exclude", data.exclude, "task", tasks),
        ("families", data.families or [], "family", families),
        ("weights", data.weights, "task or family", [*tasks, *families]),
    ):
        for name in wanted:
            if name.rsplit(".", 1)[-1] not in known:
                yield f"data.{key}: no {what} '{name}' in conf/tasks{suggestion(name, known)}"
    for name, weight in data.weights.items():
        if not 0 <= weight < math.inf:
            yield f"data.weights: {name} has the weight {weight}; give a number from 0"


def devices(config: Config) -> Iterator[str]:
    """Strategies that don't exist in this form, or that the installed packages can't carry out."""
    strategy, trainer = config.strategy, config.trainer
    processes = trainer.devices * trainer.nodes
    # Evaluation spreads rows, not a model.
    if strategy.kind == "single" and processes > 1 and config.job.name != "evaluate":
        yield (
            f"strategy={strategy.name} uses one device, but trainer.devices x trainer.nodes is {processes}; "
            "choose strategy=ddp, fsdp or deepspeed_zero2"
        )
    if strategy.kind == "deepspeed" and importlib.util.find_spec("deepspeed") is None:
        yield f"strategy={strategy.name} needs deepspeed, which is not installed (Linux only): pip install deepspeed"
    if strategy.kind == "deepspeed" and strategy.stage == 0:
        yield "strategy.stage is 0, but DeepSpeed shards from stage 1 on"
    if strategy.offload_optimizer and strategy.kind != "deepspeed":
        fsdp = "; strategy.offload_parameters=true moves the optimizer's states too"
        instead = fsdp if strategy.kind == "fsdp" else ""
        yield f"strategy.offload_optimizer is DeepSpeed's, and strategy={strategy.name} is not{instead}"
    if strategy.offload_parameters and not (
        strategy.kind == "fsdp" or (strategy.kind == "deepspeed" and strategy.stage == 3)
    ):
        yield f"strategy.offload_parameters needs strategy=fsdp or deepspeed_zero3, not {strategy.name}"
    if config.tuning.name == "lora" and importlib.util.find_spec("peft") is None:
        yield "tuning=lora needs peft: pip install peft"


def _batch(config: Config) -> Iterator[str]:
    if config.job.name not in ("run", "fit", "plan"):
        return  # Nothing is trained, and answers may be shared out over any number of processes.
    trainer = config.trainer
    row = trainer.row_tokens or config.data.max_length
    if row < config.data.max_length:
        yield (
            f"trainer.row_tokens={row} is shorter than data.max_length={config.data.max_length}; "
            "an example must fit into a row"
        )
    rows, share = divmod(trainer.batch_tokens, row)
    unit = (trainer.micro_rows or 1) * trainer.devices * trainer.nodes
    if share or not rows or rows % unit:
        step = row * unit
        near = max(step, round(trainer.batch_tokens / step) * step)
        yield (
            f"trainer.batch_tokens={trainer.batch_tokens} is no multiple of {step} "
            f"(row of {row} tokens x {unit} rows at once over all devices); the nearest is {near}"
        )


def _precision(config: Config) -> Iterator[str]:
    trainer = config.trainer
    if trainer.precision == "fp16-mixed" and trainer.accelerator == "cpu":
        yield "trainer.precision=fp16-mixed needs a GPU; on a CPU use bf16-mixed or fp32"
    if trainer.accelerator == "gpu":
        import torch

        if torch.cuda.device_count() < trainer.devices:
            yield (
                f"trainer.accelerator=gpu with trainer.devices={trainer.devices}, but this machine has "
                f"{torch.cuda.device_count()} CUDA devices"
            )
    if config.eval.decoding == "rank" and config.eval.beams > 1:
        yield "eval.decoding=rank has no beams; set eval.beams=1"


def _lists(config: Config) -> Iterator[str]:
    for key in ("data.kinds", "data.labels", "data.languages"):
        if not attrgetter(key)(config):
            yield f"{key} is empty; name at least one of {', '.join(KEYS[key].meaning['choices'])}"
    loggers = ["csv", *(path.stem for path in declarations("trainer/loggers", config.paths.conf))]
    for name in [name for name in config.trainer.loggers if name not in loggers]:
        yield f"trainer.loggers: '{name}'{suggestion(name, loggers)}"
    for name in ("wandb", "mlflow"):
        if name in config.trainer.loggers and importlib.util.find_spec(name) is None:
            yield f"trainer.loggers: {name} is not installed: pip install 'ecomgpt[{name}]', or leave it out"
    if len(config.trainer.betas) != 2 or not all(0 <= beta < 1 for beta in config.trainer.betas):
        yield f"trainer.betas: {config.trainer.betas} must be two numbers from 0 to below 1"
    if config.data.validation + config.data.test > 0.9:
        yield "data.validation and data.test together leave less than a tenth for training"


def _callbacks(config: Config) -> Iterator[str]:
    """A callback that can't be imported costs a second now, or the building of a mixture later."""
    for name, node in config.trainer.callbacks.items() if config.job.name in ("run", "fit") else ():
        key = f"trainer.callbacks.{name}"
        if "_target_" not in node:
            yield f"{key}: give {key}._target_=<package.module.Class>, a Lightning callback"
            continue
        try:
            imported(node["_target_"])
        except Exception as error:  # Whatever the module raises while it is imported.
            yield f"{key}._target_: '{node['_target_']}' can't be imported: {cause_of(error.__cause__ or error)}"


def _folders(config: Config) -> Iterator[str]:
    folder = Path(config.paths.output or ".").expanduser()
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        yield f"paths.output: '{existing}' is a file, not a folder"
    elif not os.access(existing, os.W_OK):
        yield f"paths.output: no permission to write into '{existing}'; give paths.output=<a folder of yours>"
    if config.job.name == "pseudo_label":  # job=build lists what it looked for, found or missing.
        yield from missing_data(config)


def missing_data(config: Config) -> Iterator[str]:
    """Says that there are no real datasets to read; a run's plan says it with everything else that is missing."""
    data = Path(config.paths.data).expanduser()
    if config.sources.name == "open" and not (data / "raw").is_dir():
        yield (
            f"paths.data: '{data.absolute()}' holds no raw/<dataset>/ folders; sources=open reads them from there. "
            "Give paths.data=<folder> or ECOMGPT_DATA, or use sources=demo"
        )


def _secrets(config: Config) -> Iterator[str]:
    """Refuses values that would show a secret in the run directory; jobs read secrets from the environment."""
    secrets = {value: name for name, value in os.environ.items() if SECRET.search(name) and len(value) >= 8}
    for key, value in leaves(dataclasses.asdict(config), lists=True):
        if isinstance(value, str) and value in secrets:
            yield f"{key} holds the secret of ${secrets[value]} and would write it into the run directory; leave it out"
        elif isinstance(value, str) and SECRET.search(key.rsplit(".", 1)[-1]):
            yield f"{key} would be written into the run directory; set the secret as an environment variable instead"
