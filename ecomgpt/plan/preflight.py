"""What a run needs before it starts: weights, data, evaluation files, devices, memory; one message for all."""

import dataclasses
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import yaml

from ecomgpt.common.errors import UserError
from ecomgpt.common.units import size
from ecomgpt.config.roots import shipped
from ecomgpt.config.rules import missing_data
from ecomgpt.config.schema import Config, ModelConfig
from ecomgpt.model.locate import locate, with_shape_from_config
from ecomgpt.model.size import parameters
from ecomgpt.plan.memory import Memory, Workload, estimate
from ecomgpt.runtime.directory import trained_run
from ecomgpt.runtime.machine import Machine, machine
from ecomgpt.strategy.precision import uses_16bit

SPREAD = 1.1
"""A run that needs this much more than there is, by estimate, is refused; below it, it may just fit."""


def require(config: Config) -> None:
    """Refuses a run whose weights or data are absent, whose devices are not there, or which can't fit.

    Raises:
        UserError: With what is missing and, as advice, what would work; together one screen.
    """
    config = dataclasses.replace(config, model=with_shape_from_config(config.model, config.paths.models))
    problems = [*_weights(config), *_data(config), *_suite(config), *_chat(config)]
    here = machine(config) if config.job.name in ("run", "fit") else None
    lacks_memory = here is not None and not fits(config, here)
    if here:
        problems += _devices(config, here)
    if here and lacks_memory:
        problems.append(f"memory: {_needed(config, here)}")
    if problems:
        raise UserError(*problems, advice=list(_advice(config, here, lacks_memory)) if here else [])


def need(config: Config, here: Machine) -> Memory | None:
    """The estimate for this machine."""
    gpu = here.devices > 0
    half = uses_16bit(config.trainer, config.model.hidden_size, gpu, here.bfloat16)
    return estimate(Workload(config, half, config.trainer.precision != "bf16-true", gpu))


def fits(config: Config, here: Machine) -> bool:
    """Whether a configuration should fit; processes on a CPU share its memory."""
    wanted = need(config, here)
    if wanted is None:
        return True
    if here.devices:
        return wanted.device <= here.device_bytes * SPREAD and wanted.host <= here.host_bytes * SPREAD
    return wanted.device * config.trainer.devices + wanted.host <= here.host_bytes * SPREAD


def _weights(config: Config) -> Iterator[str]:
    model = config.model
    if config.job.name == "pseudo_label":
        return
    if config.run and config.job.name == "evaluate":
        try:
            trained_run(config.run)
        except UserError as error:
            yield from error.problems
    elif model.source == "build" and config.job.name == "evaluate":
        yield f"model={model.name} has no weights to evaluate; train it first and give run=<its directory>"
    elif model.source == "load":
        found = locate(config.model, config.paths.models)
        folder = Path(found.path or model.path or "").expanduser()
        if found.path is None and model.python_package and not model.path:
            package = model.python_package
            yield f"model={model.name}: its weights are in the Python package {package}, which is not installed"
        elif (
            found.path is None
            and not folder.is_dir()
            and str(model.path).count("/") == 1
            and str(model.path)[0] not in "/.~"
        ):
            places = "\n".join(found.looked)
            where = "give model.path=<folder in Hugging Face format>"
            yield f"model={model.name}: no weights found; {where}. Looked at:\n{places}"
        elif found.path is None or (found.local and folder.is_dir() and not _holds_weights(folder)):
            problem = _not_a_model(folder)
            yield f"model.path: {problem}; give a folder in Hugging Face format, or a hub id <owner>/<name>"


def _chat(config: Config) -> list[str]:
    """A chat endpoint needs its package and its key."""
    from ecomgpt.chat.endpoint import missing

    asks = config.job.name == "evaluate" and config.model.source == "chat"
    return missing(config.chat) if asks or config.job.name == "pseudo_label" else []


def _holds_weights(folder: Path) -> bool:
    return any(path.suffix in (".safetensors", ".gguf", ".bin", ".pt") for path in folder.iterdir())


def _not_a_model(folder: Path) -> str:
    if not folder.exists():
        return f"the folder '{folder.absolute()}' does not exist"
    if not folder.is_dir():
        return f"'{folder.absolute()}' is a file"
    return f"the folder '{folder.absolute()}' holds no config.json with weights beside it"


def _data(config: Config) -> Iterator[str]:
    from ecomgpt.data.instructions import find

    if config.job.name not in ("run", "fit"):
        return
    absent = list(missing_data(config))
    yield from absent
    if not absent:
        found = find(config.data, config.sources, config.paths, config.eval.tasks)
        # Datasets that are named must be there; of all that there are, any will do.
        if config.sources.datasets is not None:
            yield from found.missing
        elif not found.datasets:
            folder = Path(config.paths.data).expanduser().absolute() / "raw"
            datasets = f"none of the {len(found.missing)} catalogued datasets"
            yield f"paths.data: {datasets} is in '{folder}'; job=build lists how to get them"


def _suite(config: Config) -> Iterator[str]:
    """Broken or absent evaluation files cost a second now, or a whole training later."""
    from ecomgpt.eval.released import read_released
    from ecomgpt.eval.task import load_eval_tasks

    if config.job.name not in ("run", "evaluate"):
        return
    root = Path(config.paths.data).expanduser().absolute()
    tasks = [task for task in load_eval_tasks(config.eval.tasks, config.paths.conf) if task.format == "released"]
    absent = [task.name for task in tasks if not (root / (task.folder or "")).is_dir()]
    if absent:
        names = ", ".join(absent[:2]) + (", ..." if len(absent) > 2 else "")
        yield (
            f"eval={config.eval.name}: {len(absent)} of {len(config.eval.tasks)} tasks are not in '{root}' ({names}); "
            "give paths.data=<folder with ecom_instruct_v1/>, or eval=none"
        )
    for task in tasks:
        if task.name not in absent:
            try:
                read_released(task, root, seed=0)
            except UserError as error:
                yield from error.problems


def _devices(config: Config, here: Machine) -> Iterator[str]:
    if here.devices and config.trainer.devices > here.devices:
        wanted = f"trainer.devices={config.trainer.devices}"
        yield f"{wanted}, but this machine has {here.devices} CUDA devices ({here.name})"
    if here.devices and config.strategy.offload_optimizer:
        # DeepSpeed compiles its AdamW for main memory at its first use.
        tools = {"a C++ compiler (g++)": os.environ.get("CXX", "g++"), "ninja": "ninja"}
        lacking = [name for name, program in tools.items() if not shutil.which(program)]
        if lacking:
            yield f"strategy={config.strategy.name} needs {' and '.join(lacking)}: apt install g++, pip install ninja"


def _needed(config: Config, here: Machine) -> str:
    wanted = need(config, here)
    assert wanted is not None
    return (
        f"training {config.model.name} with tuning={config.tuning.name} strategy={config.strategy.name} needs "
        f"{size(wanted.device)} per device,\nthis machine has {size(here.device_bytes)} ({here.name}): {_parts(wanted)}"
    )


def _advice(config: Config, here: Machine, lacks_memory: bool) -> Iterator[str]:
    if lacks_memory:
        options = list(_variants(config, here))
        yield f"What this machine ({here.name}, {size(here.device_bytes)}) could train:"
        yield from (f"  {text}" for text in options[:4] or ["model=bloom_tiny (no size of BLOOM(Z) fits)"])
    elif need(config, here) is not None:
        yield f"Memory: {_needed(config, here)}"
    yield "job=plan shows all sizes and strategies; model=bloom_tiny sources=demo eval=demo needs nothing."


def _variants(config: Config, here: Machine) -> Iterator[str]:
    """What fits, the largest model first: as it is, with checkpointing, with adapters, with both."""
    family = config.model.name.split("_")[0] if config.model.name.startswith(("bloom_", "bloomz_")) else "bloomz"
    sizes = [(f"{family}_{label}", of_size(config.model, *shape)) for label, *shape in reversed(bloom_sizes())]
    total = parameters(config.model) or 0
    for name, model in [
        (config.model.name, config.model),
        *(item for item in sizes if (parameters(item[1]) or 0) < total),
    ]:
        for tuning, checkpointing in itertools.product(("full", "lora"), (False, True)):
            option = dataclasses.replace(
                config,
                model=model,
                tuning=dataclasses.replace(config.tuning, name=tuning),
                trainer=dataclasses.replace(config.trainer, gradient_checkpointing=checkpointing),
            )
            if fits(option, here):
                yield f"model={name} tuning={tuning}" + (
                    " trainer.gradient_checkpointing=true" if checkpointing else ""
                )
                break


def bloom_sizes() -> list[tuple[str, int, int, int]]:
    """Name, width, blocks and heads of BLOOM's sizes, the smallest first, as ``conf/model/base`` declares them."""
    shapes = {
        path.stem.removeprefix("bloom_"): yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in (shipped("conf") / "model" / "base").glob("bloom_*.yaml")
    }
    found = [(name, *(shape[key] for key in ("hidden_size", "layers", "heads"))) for name, shape in shapes.items()]
    return sorted(found, key=lambda size: size[1:])


def of_size(model: ModelConfig, width: int, layers: int, heads: int) -> ModelConfig:
    """A BLOOM of another size."""
    return dataclasses.replace(
        model, family="bloom", hidden_size=width, layers=layers, heads=heads, vocabulary=250880, intermediate_size=None
    )


def _parts(memory: Memory) -> str:
    names = ("weights", "gradients", "optimizer", "activations", "logits")
    return ", ".join(f"{name} {size(getattr(memory, name))}" for name in names)
