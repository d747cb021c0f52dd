"""The backbone, which of its weights are trained, and how devices share the work."""

from dataclasses import dataclass

from ecomgpt.config.options import FREE, REQUIRED, option


@dataclass
class ModelConfig:
    """A backbone and where it comes from."""

    name: str = option(REQUIRED, "name of the model in reports")
    source: str = option(
        "load",
        "build from a config, load weights, query an endpoint, or read finished predictions",
        choices=("build", "load", "chat", "predictions"),
    )
    path: str | None = option(None, "a local folder in Hugging Face format, or a hub id")
    licence: str | None = option(None, "terms of its weights, as the hub names them, for the model card", **FREE)
    gguf_file: str | None = option(None, "the .gguf file inside `path`, where the weights are stored in one")
    python_package: str | None = option(None, "an installed Python package that carries the weights")
    revision: str | None = option(None, "branch, tag or commit on the hub")
    trust_remote_code: bool = option(False, "run Python code that comes with the weights")
    family: str = option(
        "bloom", "architecture, as far as memory and speed depend on it", choices=("bloom", "llama", "other")
    )
    hidden_size: int | None = option(None, "width; for planning, and for models built from their config", low=1)
    layers: int | None = option(None, "number of blocks", low=1)
    heads: int | None = option(None, "number of attention heads", low=1)
    vocabulary: int | None = option(None, "rows of the embedding; the tokenizer's size for built models", low=300)
    initializer_range: float = option(0.02, "standard deviation of a built model's random weights", low=0)
    intermediate_size: int | None = option(None, "width of the MLP; null for 4 x hidden_size", low=1)
    attention: str = option(
        "auto",
        "attention kernel in training; auto is flex on recent GPUs, else sdpa",
        choices=("auto", "sdpa", "flex"),
        jobs=("run", "fit", "plan"),
        decides="training",
    )


@dataclass
class TuningConfig:
    """Which weights are trained."""

    name: str = option(REQUIRED, "full or lora", choices=("full", "lora"))
    rank: int = option(16, "LoRA rank", low=1)
    alpha: int = option(32, "LoRA scale", low=1)
    dropout: float = option(0.05, "LoRA dropout", low=0, high=1)
    targets: list[str] | None = option(None, "module names that get LoRA; null for all linear layers of the blocks")
    freeze_embeddings: bool = option(False, "keep the token embeddings as they are")


@dataclass
class StrategyConfig:
    """How training is spread over devices."""

    name: str = option(REQUIRED, "name of the strategy")
    kind: str = option("single", "implementation", choices=("single", "ddp", "fsdp", "deepspeed"))
    stage: int = option(0, "ZeRO stage", low=0, high=3)
    offload_optimizer: bool = option(False, "keep optimizer states in main memory")
    offload_parameters: bool = option(False, "keep parameters in main memory")
