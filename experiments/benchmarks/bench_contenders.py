"""The contenders of `bench_train.py`: one training in a process of its own, timed step by step.

Each function trains `model` on the same steps of examples (step 0 warms up) and returns seconds and mean loss of each
step.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import BloomConfig, BloomForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from ecomgpt.data.store import Examples
from ecomgpt.plan.configuration import configured

PAD = 3
LEARNING_RATE, DECAY, BETAS, CLIP = 1e-5, 0.01, (0.9, 0.95), 1.0
Measured = list[dict[str, float]]


def build(shape: str) -> PreTrainedModel:
    """A model of the true shape with random weights, the same in every process; dropout off, as in the released
    BLOOM."""
    torch.manual_seed(0)
    if shape == "bloomz_560m":
        return BloomForCausalLM(
            BloomConfig(
                vocab_size=250880, hidden_size=1024, n_layer=24, n_head=16, hidden_dropout=0.0, attention_dropout=0.0
            )
        )
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=49152,
            hidden_size=576,
            intermediate_size=1536,
            num_hidden_layers=30,
            num_attention_heads=9,
            num_key_value_heads=3,
            tie_word_embeddings=True,
            max_position_embeddings=2048,
        )
    )


def ours(
    model: PreTrainedModel, examples: Examples, steps: list[list[int]], dtype: str, folder: Path, *callbacks: Any
) -> Measured:
    """ecomgpt: the module, loader, optimizer, steps and Lightning trainer of `job=fit`."""
    from ecomgpt.data.batches import Plan
    from ecomgpt.data.datamodule import Mixture
    from ecomgpt.trainer.assemble import lightning_trainer, prepare_process
    from ecomgpt.trainer.history import StepTimes
    from ecomgpt.trainer.module import InstructionTuner
    from ecomgpt.trainer.steps import Steps

    settings = {
        "precision": {"float32": "fp32", "bfloat16": "bf16-mixed"}[dtype],
        "accelerator": "cpu",
        "schedule": "constant",
        "warmup": 0,
        "learning_rate": LEARNING_RATE,
        "weight_decay": DECAY,
        "betas": "[0.9,0.95]",
        "clip_norm": CLIP,
        "row_tokens": 8192,
        "batch_tokens": 8192,
        "threads": torch.get_num_threads(),
    }
    overrides = [
        "job=fit",
        "model=bloom_tiny",
        "trainer=finetune",
        *(f"trainer.{key}={value}" for key, value in settings.items()),
    ]
    config = configured(overrides)
    prepare_process(config)
    data = Mixture(config, examples, examples, PAD)
    data.val_dataloader = lambda: []  # type: ignore[method-assign]
    data.plan, data.accumulate = Plan([np.array(step) for step in steps], 1, len(steps), 8192), 1
    module = InstructionTuner(config, lambda: model, 1, len(steps))
    times = StepTimes()
    lightning_trainer(config, data, [*callbacks, Steps(config.seed, times)], folder).fit(module, data)
    return times.rows


def hugging_face(kind: str, micro: int) -> Callable[..., Measured]:
    """`transformers.Trainer` or `trl.SFTTrainer`; both take the same arguments and the same padded batches.

    trl 1.x multiplies the head with answer tokens only, by default. Llama runs padding-free there, a whole step in one
    row, which transformers' mask keeps exact; for BLOOM, which ignores position ids, that would mix examples, so it is
    padded.
    """

    def train(model: PreTrainedModel, examples: Examples, steps: list[list[int]], dtype: str, folder: Path) -> Measured:
        from datasets import Dataset
        from transformers import TrainerCallback

        rows = [labelled(examples, index) for step in steps for index in step]
        settings: dict[str, Any] = {
            "output_dir": str(folder),
            "per_device_train_batch_size": micro,
            "gradient_accumulation_steps": len(steps[0]) // micro,
            "max_steps": len(steps),
            "learning_rate": LEARNING_RATE,
            "weight_decay": DECAY,
            "adam_beta1": BETAS[0],
            "adam_beta2": BETAS[1],
            "max_grad_norm": CLIP,
            "lr_scheduler_type": "constant",
            "optim": "adamw_torch_fused",
            "logging_steps": 1,
            "report_to": "none",
            "save_strategy": "no",
            "use_cpu": True,
            "bf16": dtype == "bfloat16",
            "train_sampling_strategy": "sequential",
            "disable_tqdm": True,
            "gradient_checkpointing": False,
        }
        seconds: list[float] = []

        class Clock(TrainerCallback):
            def on_step_begin(self, *arguments: Any, **more: Any) -> None:
                self.started = time.perf_counter()

            def on_step_end(self, *arguments: Any, **more: Any) -> None:
                seconds.append(time.perf_counter() - self.started)

        trainer: Any
        if kind == "transformers":
            from transformers import Trainer, TrainingArguments

            trainer = Trainer(
                model, TrainingArguments(**settings, remove_unused_columns=False), collate, rows, callbacks=[Clock()]
            )
        else:
            from trl import SFTConfig, SFTTrainer

            settings["dataset_kwargs"] = {"skip_prepare_dataset": True}
            if isinstance(model, LlamaForCausalLM):
                settings |= {
                    "padding_free": True,
                    "per_device_train_batch_size": len(steps[0]),
                    "gradient_accumulation_steps": 1,
                }
            arguments = SFTConfig(**settings, max_length=None, packing=False)
            trainer = SFTTrainer(
                model,
                arguments,
                train_dataset=Dataset.from_list(rows),
                processing_class=tokenizer(),
                callbacks=[Clock()],
            )
        trainer.train()
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        return [{"seconds": second, "loss": loss} for second, loss in zip(seconds, losses, strict=True)]

    return train


def tokenizer() -> Any:
    """Any tokenizer with BLOOM's pad token: the examples are tokens already."""
    from ecomgpt.model.tokenizer import train, wrap

    return wrap(train(["text"], 300))


def labelled(examples: Examples, index: int) -> dict[str, list[int]]:
    """An example as Hugging Face's trainers take it: prompt tokens labelled -100."""
    ids, answer = examples.ids(index).tolist(), int(examples.num_targets[index])
    return {"input_ids": ids, "labels": [-100] * (len(ids) - answer) + ids[-answer:]}


def collate(rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    """Padded on the right to the longest of the batch."""
    width = max(len(row["input_ids"]) for row in rows)

    def padded(name: str, value: int) -> torch.Tensor:
        return torch.tensor([row[name] + [value] * (width - len(row[name])) for row in rows])

    mask = torch.tensor([[1] * len(row["input_ids"]) + [0] * (width - len(row["input_ids"])) for row in rows])
    return {"input_ids": padded("input_ids", PAD), "labels": padded("labels", -100), "attention_mask": mask}


def memory(field: str) -> int:
    """``VmRSS`` (now) or ``VmHWM`` (highest so far) of this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def main(task: dict[str, Any]) -> dict[str, Any]:
    """Trains as told and returns what was measured; see `bench_train.measure`."""
    from speed import UsefulWork, matrix_peak

    train = ours if task["contender"] == "ecomgpt" else hugging_face(task["contender"], task["micro"])
    examples = Examples(Path(task["examples"]))
    dtype = getattr(torch, task["dtype"])
    peaks = [matrix_peak(torch.device("cpu"), dtype)]
    libraries = memory("VmRSS")
    model = build(task["shape"])
    parameters = sum(weight.numel() for weight in model.parameters())
    work = UsefulWork(model)
    useful = [
        work.operations(examples.lengths[step].tolist(), int(examples.num_targets[step].sum()))
        for step in task["steps"][1:]
    ]
    Path("/proc/self/clear_refs").write_text("5")  # the highest mark starts anew, so that it does not hold the building
    measured = train(model, examples, task["steps"], task["dtype"], Path(task["folder"]))
    peak = memory("VmHWM")
    peaks.append(matrix_peak(torch.device("cpu"), dtype))
    # Weights, gradients and AdamW's two moments, in float32, are the same for every contender.
    extra = peak - libraries - 16 * parameters
    return {
        "steps": measured,
        "extra_bytes": extra,
        "peak_bytes": peak,
        "useful": sum(useful),
        "matrix_peak": max(peaks),
    }


if __name__ == "__main__":
    order = json.loads(Path(sys.argv[1]).read_text())
    Path(order["result"]).write_text(json.dumps(main(order)))
