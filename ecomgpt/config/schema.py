"""The configuration's one schema: every key with its type, default, limits and meaning.

Hydra merges the files of ``conf/`` and the command line into it; `ecomgpt.config.check` reports what does not fit.
"""

from dataclasses import dataclass
from typing import Any

from omegaconf import MISSING

from ecomgpt.config.options import option

JOBS = ("run", "build", "fit", "evaluate", "rescore", "compare", "predict", "report", "plan", "export", "pseudo_label")


@dataclass
class JobConfig:
    """What to do."""

    name: str = option(MISSING, "the job", choices=JOBS)


@dataclass
class ModelConfig:
    """A backbone and where it comes from."""

    name: str = option(MISSING, "how the model is called in reports")
    source: str = option(
        "load",
        "build from a config, load weights, ask an endpoint, or read finished predictions",
        choices=("build", "load", "chat", "predictions"),
    )
    path: str | None = option(None, "a local folder in Hugging Face format, or a hub id")
    gguf_file: str | None = option(None, "the .gguf file inside `path`, where the weights are stored so")
    python_package: str | None = option(None, "an installed Python package that carries the weights")
    revision: str | None = option(None, "branch, tag or commit on the hub")
    trust_remote_code: bool = option(False, "run Python code that comes with the weights")
    family: str = option(
        "bloom", "architecture, as far as memory and speed depend on it", choices=("bloom", "llama", "other")
    )
    hidden_size: int | None = option(None, "width; for planning, and for models built from their config", low=1)
    layers: int | None = option(None, "number of blocks", low=1)
    heads: int | None = option(None, "number of attention heads", low=1)
    vocabulary: int | None = option(None, "rows of the embedding; for built models the tokenizer's size", low=300)
    initializer_range: float = option(0.02, "spread of the random weights of a built model", low=0)
    intermediate_size: int | None = option(None, "width of the MLP; null for 4 x hidden_size", low=1)
    attention: str = option(
        "auto", "attention kernel in training; auto is flex on recent GPUs, else sdpa", choices=("auto", "sdpa", "flex")
    )


@dataclass
class BudgetConfig:
    """Makes two mixtures comparable by size; a mixture that is smaller than its budget is refused.

    The validation part shrinks in proportion.
    """

    examples: int | None = option(None, "train on exactly this many examples of the mixture", low=1)
    target_tokens: int | None = option(None, "train on this many answer tokens, to within one example", low=1)


@dataclass
class LeakConfig:
    """Keeps evaluation texts out of the training data."""

    enabled: bool = option(True, "remove training examples that hold a text of the evaluation suite")
    ngram: int = option(13, "texts that share a run of this many tokens (characters for Chinese) count as one", low=3)
    overlap: float = option(
        0.6, "share of an evaluation text's n-grams found in a training input to call it a leak", low=0.05, high=1
    )


@dataclass
class DataConfig:
    """The mixture: which tasks, how many examples of each."""

    name: str = option(MISSING, "how the mixture is called in reports")
    kinds: list[str] = option(factory=lambda: ["raw", "atomic"], help="kinds of tasks: raw, atomic")
    labels: list[str] = option(
        factory=lambda: ["golden", "pseudo"], help="whose labels atomic tasks may use: golden, pseudo"
    )
    languages: list[str] = option(factory=lambda: ["en", "zh"], help="languages of the texts")
    families: list[str] | None = option(None, "task families to keep; null for all")
    tasks: list[str] | None = option(None, "tasks to keep, as <task> or <dataset>.<task>; null for all")
    exclude: list[str] = option(factory=list, help="tasks to leave out, as <task> or <dataset>.<task>")
    max_tasks: int | None = option(None, "number of tasks; nested: 16 tasks hold the 8", low=1)
    max_examples_per_task: int | None = option(800, "cap on training examples of a task; null for none", low=1)
    temperature: float = option(1.0, "tasks are drawn in proportion to (capped size) ** (1 / temperature)", low=0.01)
    weights: dict[str, float] = option(
        factory=dict, help="multiplies the cap of a task or family; without a cap, at most all its examples are taken"
    )
    validation: float = option(0.02, "share of record groups kept for validation loss", low=0, high=0.5)
    test: float = option(
        0.1,
        "share of record groups, of datasets without a test split, kept from training for evaluation",
        low=0,
        high=0.5,
    )
    max_length: int = option(1024, "tokens of prompt and answer; longer inputs are cut and counted", low=32)
    budget: BudgetConfig = option(factory=BudgetConfig, help="equal size for fair ablations")
    leaks: LeakConfig = option(factory=LeakConfig, help="guard against contamination")
    processes: int | None = option(
        None, "processes that prepare the mixture, which does not depend on it; null for one a core, at most 8", low=1
    )


@dataclass
class SourcesConfig:
    """Which datasets to read."""

    name: str = option(MISSING, "how the selection is called in reports")
    datasets: list[str] | None = option(None, "names from conf/sources/datasets; null for all that are found")
    include_excluded: list[str] = option(
        factory=list, help="datasets that are left out by default, to use all the same"
    )
    options: dict[str, dict[str, Any]] = option(
        factory=dict, help="changes a dataset's own reader options: {dataset: {option: value}}"
    )
    fetch: bool = option(
        False, "job=build downloads what is missing from the Hugging Face hub, where that needs no registration"
    )
    max_bad_rows: int = option(0, "malformed rows a dataset may hold before the build stops", low=0)


@dataclass
class TuningConfig:
    """Which weights are trained."""

    name: str = option(MISSING, "full or lora", choices=("full", "lora"))
    rank: int = option(16, "LoRA rank", low=1)
    alpha: int = option(32, "LoRA scale", low=1)
    dropout: float = option(0.05, "LoRA dropout", low=0, high=1)
    targets: list[str] | None = option(None, "module names that get LoRA; null for all linear layers of the blocks")
    freeze_embeddings: bool = option(False, "keep the token embeddings as they are")


@dataclass
class StrategyConfig:
    """How training is spread over devices."""

    name: str = option(MISSING, "the strategy")
    kind: str = option("single", "implementation", choices=("single", "ddp", "fsdp", "deepspeed"))
    stage: int = option(0, "ZeRO stage", low=0, high=3)
    offload_optimizer: bool = option(False, "keep optimiser states in main memory")
    offload_parameters: bool = option(False, "keep parameters in main memory")


@dataclass
class TrainerConfig:
    """Optimisation, precision, hardware and checkpoints."""

    name: str = option(MISSING, "the recipe")
    devices: int = option(1, "processes on this machine: one a GPU, or CPU processes for a rehearsal", low=1)
    nodes: int = option(1, "machines", low=1)
    accelerator: str = option("auto", "hardware", choices=("auto", "cpu", "gpu"))
    precision: str = option("auto", "number format", choices=("auto", "fp32", "bf16-mixed", "bf16-true", "fp16-mixed"))
    epochs: float = option(1.0, "passes over the mixture; the whole number of steps is rounded up", low=0.001)
    max_steps: int | None = option(None, "optimiser steps; null for as many as the epochs give", low=1)
    max_minutes: float | None = option(None, "stop training after this many minutes", low=0)
    batch_tokens: int = option(16384, "tokens of one optimiser step, over all devices", low=32)
    row_tokens: int | None = option(None, "length of a packed row; null for data.max_length", low=32)
    micro_rows: int | None = option(
        None, "packed rows a device takes at once; null for 1, or for what batch=auto finds", low=1
    )
    batch: str = option(
        "given",
        "auto chooses micro_rows and gradient_checkpointing to fill the memory; the step's tokens stay",
        choices=("given", "auto"),
    )
    learning_rate: float = option(2.0e-5, "peak learning rate", low=0)
    warmup: float = option(0.03, "share of the steps that warm up", low=0, high=1)
    schedule: str = option("cosine", "after the warm-up", choices=("cosine", "linear", "constant"))
    final_learning_rate: float = option(0.1, "where the schedule ends, as a share of the peak", low=0, high=1)
    weight_decay: float = option(0.01, "on matrices; norms and biases have none", low=0)
    betas: list[float] = option(factory=lambda: [0.9, 0.95], help="AdamW's two betas")
    clip_norm: float | None = option(1.0, "clip the gradient's norm; null for never", low=0)
    loss_weighting: str = option("token", "what counts equally in the loss", choices=("token", "example", "task"))
    gradient_checkpointing: bool = option(False, "recompute activations to save memory")
    checkpoint_every: int = option(200, "optimiser steps between checkpoints", low=1)
    keep_checkpoints: int = option(2, "how many to keep", low=1)
    validate_every: int | None = option(None, "optimiser steps between validations; null for the end only", low=1)
    loggers: list[str] = option(
        factory=lambda: ["csv", "tensorboard"],
        help="where figures go: csv (always written), tensorboard, wandb, mlflow",
    )
    callbacks: dict[str, dict[str, Any]] = option(
        factory=dict, help="Lightning callbacks of your own, by any name: {<name>: {_target_: <package.module.Class>}}"
    )
    on_anomaly: str = option(
        "stop", "when a step's loss or gradient is no finite number, or spikes", choices=("stop", "skip")
    )
    spike: float | None = option(
        None, "a loss this many times the median of the last 50 steps is a spike; null for none", low=1
    )
    log_every: int = option(5, "optimiser steps between log lines", low=1)
    compile: bool = option(False, "torch.compile for the blocks; a minute's start, then faster on GPUs")
    profile: bool = option(False, "write where the time went: logs/profile.csv, logs/profile.md, figures/profile.png")
    threads: int | None = option(None, "CPU threads a process; null for all cores shared between processes", low=1)


@dataclass
class EvalConfig:
    """What is measured, and how answers are decoded."""

    name: str = option(MISSING, "how the suite is called in reports")
    tasks: list[str] = option(factory=list, help="names from conf/eval/tasks")
    mixture: list[str] = option(
        factory=list,
        choices=("seen", "unseen"),
        help="every task of the training mixture on its test rows: in the wordings of training (seen), in others (unseen)",
    )
    mixture_kinds: list[str] | None = option(
        None,
        choices=("raw", "atomic"),
        help="of the mixture's tasks, only these kinds: raw alone is what an ablation's arms have in common; null for all",
    )
    mixture_limit: int | None = option(None, "rows a task of the mixture; null for eval.limit", low=1)
    also: list[str] = option(factory=list, help="other suites of conf/eval whose tasks are taken as well")
    backend: str = option(
        "auto",
        "what answers; auto: what fits model.source",
        choices=("auto", "transformers", "vllm", "openai", "predictions"),
    )
    limit: int | None = option(None, "rows a task; null for all", low=1)
    batch_tokens: int | None = option(
        None, "tokens whose keys decoding holds at once; null for what an eighth of the device's memory takes", low=32
    )
    max_prompt_tokens: int = option(800, "longer inputs are cut and counted", low=32)
    max_new_tokens: int | None = option(None, "cap on the tasks' own limits; null for none", low=1)
    beams: int = option(1, "1 is greedy; the paper used 4", low=1)
    decoding: str = option("generate", "write the answer, or rank the candidates", choices=("generate", "rank"))
    candidates: str = option("sample", "labels a prompt offers", choices=("sample", "all"))
    max_candidates: int = option(20, "labels a prompt offers at most with candidates=sample", low=2)
    untrained: bool = option(True, "score the model before training too")
    baselines: bool = option(True, "score majority, random and copy answers too")
    bootstrap: int = option(1000, "resamples for the 95 % intervals", low=100)


@dataclass
class ChatConfig:
    """A chat model behind an OpenAI-compatible endpoint: it labels data (job=pseudo_label), or is a baseline (model=openai)."""

    name: str = option(MISSING, "how the endpoint is called in reports")
    base_url: str = option("https://api.openai.com/v1", "the endpoint, up to and with /v1")
    model: str = option(MISSING, "the endpoint's name of the model")
    key_variable: str | None = option(
        "OPENAI_API_KEY", "NAME of the environment variable that holds the key; null for no key"
    )
    temperature: float | None = option(0.0, "null leaves it to the endpoint", low=0, high=2)
    seed: int | None = option(1, "sent with every request; null for endpoints that know none")
    max_tokens: int = option(1024, "the longest answer, where the task does not say", low=1)
    limit_parameter: str = option(
        "max_tokens", "how the endpoint calls it", choices=("max_tokens", "max_completion_tokens")
    )
    structured: str = option(
        "schema",
        "how JSON is asked for: by schema, as any object, or in words alone",
        choices=("schema", "object", "none"),
    )
    extra: dict[str, Any] = option(factory=dict, help="more fields of the request, as the endpoint defines them")
    timeout: float = option(60.0, "seconds to wait for an answer", low=0.01)
    concurrency: int = option(8, "requests at the same time", low=1, high=256)
    requests_per_minute: float | None = option(None, "null for as many as come", low=0.01)
    tokens_per_minute: float | None = option(None, "prompt and longest answer; null for as many as come", low=1)
    retries: int = option(6, "after overload (429), server errors, timeouts and broken connections", low=0, high=100)
    backoff: float = option(1.0, "seconds before the first retry; doubled each time, with jitter", low=0)
    backoff_most: float = option(
        60.0, "seconds between retries at most; what the endpoint asks for (Retry-After) comes first", low=0
    )
    give_up: int = option(10, "failed requests in a row, retries included, that stop everything", low=1)
    prices_for: str | None = option(None, "the model that the prices hold for; null for any")
    price_input: float | None = option(None, "USD a million prompt tokens; null for unknown", low=0)
    price_output: float | None = option(None, "USD a million answer tokens; null for unknown", low=0)
    budget: float | None = option(None, "USD that one start of a command may spend; null for no limit", low=0)


@dataclass
class PseudoConfig:
    """What job=pseudo_label labels; which datasets, the group sources says."""

    tasks: list[str] | None = option(None, "names from conf/pseudo; null for all that fit")
    limit: int | None = option(200, "texts of a dataset and task; nested: 400 texts hold the 200; null for all", low=1)
    max_characters: int = option(2000, "longer texts are left out and counted", low=1)


@dataclass
class CompareConfig:
    """How job=compare shows two runs' answers, and who judges them."""

    tasks: list[str] | None = option(None, "evaluation tasks to compare; null for all that both runs answered")
    limit: int | None = option(20, "rows a task, drawn by the seed; nested: 40 rows hold the 20; null for all", low=1)
    page: bool = option(True, "show the page on which people judge; false: the judge and the results alone")
    port: int | None = option(None, "the page's port on 127.0.0.1; null for a free one", low=1024, high=65535)
    reference: bool = option(False, "show the right answer to people and to the judge")
    max_characters: int = option(8000, "of longer texts the middle is left out, and the page says so", low=100)
    judge: bool = option(False, "ask the chat model of the group chat about every row too, in both orders")


@dataclass
class PathsConfig:
    """Folders. Relative ones start from the working directory."""

    data: str = option("./data", "holds raw/<dataset>/ and ecom_instruct_v1/; environment variable ECOMGPT_DATA")
    pseudo: str | None = option(
        None, "pseudo-labelled records, written by job=pseudo_label; null for <paths.data>/pseudo"
    )
    output: str | None = option(None, "run directories; null for ./outputs, for sweeps ./multirun")
    cache: str = option("~/.cache/ecomgpt", "prepared data, keyed by content; environment variable ECOMGPT_CACHE")
    models: str = option("./models", "searched for weights; environment variable ECOMGPT_MODELS")
    conf: str | None = option(None, "your own configuration folder, laid out as conf/")


@dataclass
class Config:
    """One experiment."""

    job: JobConfig = option(factory=JobConfig, help="what to do")
    model: ModelConfig = option(factory=ModelConfig, help="the backbone")
    data: DataConfig = option(factory=DataConfig, help="the training mixture")
    sources: SourcesConfig = option(factory=SourcesConfig, help="the datasets it is made of")
    tuning: TuningConfig = option(factory=TuningConfig, help="which weights are trained")
    strategy: StrategyConfig = option(factory=StrategyConfig, help="how devices share the work")
    trainer: TrainerConfig = option(factory=TrainerConfig, help="optimisation, precision, hardware, checkpoints")
    eval: EvalConfig = option(factory=EvalConfig, help="the evaluation suite")
    chat: ChatConfig = option(factory=ChatConfig, help="the chat endpoint")
    pseudo: PseudoConfig = option(factory=PseudoConfig, help="what job=pseudo_label labels")
    compare: CompareConfig = option(factory=CompareConfig, help="how job=compare shows answers, and who judges")
    paths: PathsConfig = option(factory=PathsConfig, help="folders")
    name: str | None = option(None, "names the run directory; null for the time of the start")
    seed: int = option(1, "decides every random choice", low=0)
    overwrite: bool = option(False, "delete a finished run of the same name and start again")
    run: str | None = option(None, "an existing run directory, for evaluate, rescore, predict, report and export")
    run_a: str | None = option(None, "job=compare: a run directory; wins and losses are its")
    run_b: str | None = option(None, "job=compare: the run directory that it is compared with")
    runs: list[str] = option(
        factory=list, help="job=report: run directories, and sweep directories for all their runs, to report together"
    )
    reference: str | None = option(
        None,
        "job=report runs=: the arm to hold the others against: its label, a run directory or `untrained`; null for the first without atomic tasks, else the first",
    )
    preview: int = option(0, "job=build prints this many examples of each task", low=0)
    input: str | None = option(None, "job=predict: a JSON Lines file with `instruction` and `input`")
    measure: bool | None = option(
        None, "job=plan trains a few steps to measure speed and memory; null where the memory for it is free"
    )
    push_to: str | None = option(
        None, "job=export also uploads to this hub id, <owner>/<name>, as a private repository"
    )
    merge: bool = option(True, "job=export merges LoRA weights into the backbone; false writes them as a peft folder")
    format: str = option(
        "model",
        "job=export writes the run's model, or its suite as tasks of lm-evaluation-harness",
        choices=("model", "lm_eval"),
    )
    dtype: str = option("float32", "job=export writes weights so", choices=("float32", "bfloat16"))


GROUPS = {
    "job": "what to do",
    "model": "the backbone, 560M to 7B1",
    "data": "the mixture, with or without atomic tasks",
    "sources": "the datasets it is made of",
    "tuning": "which weights are trained",
    "strategy": "how devices share the work",
    "trainer": "the optimisation recipe",
    "trainer/callbacks": "Lightning callbacks that join ours",
    "eval": "the evaluation suite",
    "chat": "a chat endpoint: labels data, or is a baseline",
}
"""The groups that the command line selects from, with the line of help that ``--help`` shows."""
