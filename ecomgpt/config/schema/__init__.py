"""The configuration's one schema: every key with its type, default, limits and meaning; docs/reference.md shows it.

Hydra merges the files of ``conf/`` and the command line into it; `ecomgpt.config.compose` reports what does not fit.
"""

from dataclasses import dataclass

from ecomgpt.config.options import JOBS, REQUIRED, keys, option
from ecomgpt.config.schema.chat import ChatConfig, PseudoConfig
from ecomgpt.config.schema.data import BUILDS, DataConfig, SourcesConfig
from ecomgpt.config.schema.eval import CompareConfig, EvalConfig
from ecomgpt.config.schema.model import ModelConfig, StrategyConfig, TuningConfig
from ecomgpt.config.schema.trainer import TrainerConfig

TRAINS = ("run", "fit", "plan")
READS_DATA = (*BUILDS, "evaluate", "pseudo_label")


@dataclass
class JobConfig:
    """What to do."""

    name: str = option(REQUIRED, "the job", choices=JOBS)


@dataclass
class PathsConfig:
    """Folders. Relative ones start from the working directory."""

    data: str = option(
        "./data",
        "contains raw/<dataset>/ and ecom_instruct_v1/; environment variable ECOMGPT_DATA",
        jobs=(*READS_DATA, "export"),
        common=True,
    )
    pseudo: str | None = option(
        None, "pseudo-labelled records of job=pseudo_label; null for <paths.data>/pseudo", jobs=READS_DATA
    )
    output: str | None = option(
        None, "run directories; null for ./outputs, for sweeps ./multirun", of_sweep=True, common=True
    )
    cache: str = option(
        "~/.cache/ecomgpt", "prepared data, keyed by content; environment variable ECOMGPT_CACHE", common=True
    )
    models: str = option(
        "./models", "searched for weights; environment variable ECOMGPT_MODELS", jobs=(*BUILDS, "evaluate"), common=True
    )
    conf: str | None = option(None, "your own configuration folder, laid out like conf/")


@dataclass
class Config:
    """One experiment."""

    job: JobConfig = option(JobConfig, "what to do", jobs=JOBS)
    model: ModelConfig = option(ModelConfig, "the backbone, 560M to 7B1", jobs=(*BUILDS, "evaluate"), decides="tokens")
    data: DataConfig = option(DataConfig, "the mixture, with or without atomic tasks", jobs=READS_DATA, decides="texts")
    sources: SourcesConfig = option(SourcesConfig, "the datasets it is made of", jobs=READS_DATA, decides="texts")
    tuning: TuningConfig = option(TuningConfig, "which weights are trained", jobs=TRAINS, decides="training")
    strategy: StrategyConfig = option(
        StrategyConfig, "how devices share the work", jobs=TRAINS, decides="training", resume=True
    )
    trainer: TrainerConfig = option(TrainerConfig, "the optimization recipe", jobs=TRAINS, decides="training")
    eval: EvalConfig = option(EvalConfig, "the evaluation suite", jobs=(*BUILDS, "evaluate", "export"), decides="texts")
    chat: ChatConfig = option(
        ChatConfig,
        "a chat endpoint: labels data, judges answers, or is a baseline",
        jobs=("evaluate", "compare", "pseudo_label"),
        decides="answers",
    )
    pseudo: PseudoConfig = option(PseudoConfig, "what job=pseudo_label labels", jobs=("pseudo_label",), decides="texts")
    compare: CompareConfig = option(
        CompareConfig, "how job=compare shows answers, and who judges them", jobs=("compare",), decides="scores"
    )
    paths: PathsConfig = option(PathsConfig, "folders", jobs=JOBS, resume=True, per_machine=True)
    name: str | None = option(
        None,
        "names the run directory; null for the time of the start",
        jobs=JOBS,
        resume=True,
        per_machine=True,
        of_sweep=True,
        common=True,
    )
    seed: int = option(1, "decides every random choice", low=0, jobs=JOBS, decides="texts", common=True)
    overwrite: bool = option(
        False,
        "delete a finished run of the same name and start again",
        jobs=(*BUILDS, "evaluate", "pseudo_label"),
        resume=True,
        common=True,
    )
    run: str | None = option(
        None, "an existing run directory", jobs=("evaluate", "rescore", "predict", "report", "export"), common=True
    )
    run_a: str | None = option(None, "a run directory; wins and losses are counted from its side", jobs=("compare",))
    run_b: str | None = option(None, "the run directory that run_a is compared with", jobs=("compare",))
    runs: list[str] = option(
        list, "run directories, and sweep directories for all their runs, to report together", jobs=("report",)
    )
    reference: str | None = option(
        None,
        "with runs=, the arm to compare the others with: its label, a run directory or `untrained`; "
        "null for the first without atomic tasks, else the first",
        jobs=("report",),
    )
    preview: int = option(
        0,
        "print this many examples of each task; with --multirun, preview=true shows the jobs and starts none",
        low=0,
        jobs=("build",),
        resume=True,
        of_sweep=True,
        common=True,
    )
    input: str | None = option(None, "a JSON Lines file with `instruction` and `input`", jobs=("predict",))
    measure: bool | None = option(
        None,
        "train a few steps to measure speed and memory, in job=plan and in the preview of a sweep; "
        "null where the memory for it is free",
        jobs=TRAINS,
        resume=True,
    )
    push_to: str | None = option(
        None, "also upload to this hub id, <owner>/<name>, as a private repository", jobs=("export",)
    )
    merge: bool = option(
        True, "merge LoRA weights into the backbone; false writes them as a peft folder", jobs=("export",)
    )
    format: str = option(
        "model",
        "write the run's model, or its suite as tasks of lm-evaluation-harness",
        choices=("model", "lm_eval"),
        jobs=("export",),
    )
    dtype: str = option(
        "float32", "number format of the weights written", choices=("float32", "bfloat16"), jobs=("export",)
    )


GROUPS = ("job", "model", "data", "sources", "tuning", "strategy", "trainer", "trainer/callbacks", "eval", "chat")
"""The groups that the command line selects from."""
KEYS = {key.name: key for key in keys(Config)}
"""Every key by its dotted name."""
