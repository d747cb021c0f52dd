"""How fast exact fine-tuning is: ecomgpt, `transformers.Trainer` and `trl.SFTTrainer` on the same examples, in turns.

    pip install -e '.[bench]' && just bench-train

Every contender trains in a process of its own (memory is measured there), one after the other and ours again behind
them, so that a slow minute of the machine is seen. Each process warms up with one step and then takes measured steps,
all of eight examples with real lengths: those of the released evaluation sets where `ECOMGPT_DATA` has them, else of
the demo store. Writes `train.md` and `train.json` beside this file; what `train.md` says below its table stays.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from bench_contenders import configured

from ecomgpt.data.store import Examples, TokenWriter

HERE = Path(__file__).resolve().parent
EIGHT = 8
MICRO = 4
"""Examples that the padded contenders take at once; steps are typical by it whatever ``--micro`` says, so that they
stay the same."""
VOCABULARY = 4000
"""Of the tokenizer that is trained on the examples: small, so that they have as many tokens as BLOOM's would give
(about 180)."""
CONTENDERS = ("ecomgpt", "transformers", "trl")
RUNS = [("bloomz_560m", "float32"), ("bloomz_560m", "bfloat16"), ("smollm2_135m", "float32")]
NOTES = "## What the figures say"
"""The heading below which `train.md` is written by hand."""
PACKAGES = ("torch", "transformers", "trl", "lightning", "accelerate", "numpy")


def main() -> None:
    """Measures and writes the results."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=1, help="how often each contender starts; ours once more")
    arguments.add_argument("--steps", type=int, default=2, help="measured steps a start")
    arguments.add_argument("--contenders", nargs="*", default=CONTENDERS[1:], help="whom to measure beside ours")
    arguments.add_argument("--micro", type=int, default=MICRO, help="examples that the padded contenders take at once")
    arguments.add_argument("--only", nargs="*", default=None, help="shape:dtype pairs, such as bloomz_560m:float32")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = write_examples(Path(folder))
        examples = Examples(Path(folder))
        steps = choose_steps(examples, options.steps, MICRO)
        results = list(measure(examples, steps, Path(folder), options))
    document = {
        "machine": machine(),
        "source": source,
        "examples": describe(examples, steps, options.micro),
        "command": " ".join(sys.argv),
        "results": results,
    }
    (HERE / "train.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    text = HERE / "train.md"
    _, mark, notes = text.read_text(encoding="utf-8").partition(NOTES) if text.exists() else ("", "", "")
    text.write_text(page(document) + (f"\n{mark}{notes}" if mark else ""), encoding="utf-8")
    print(page(document))


def write_examples(folder: Path) -> str:
    """Tokenises examples into a folder; returns where they are from."""
    from ecomgpt.model.tokenizer import train, wrap

    data = os.environ.get("ECOMGPT_DATA", "./data")
    real = (Path(data) / "ecom_instruct_v1").is_dir()
    pairs = list(released(data) if real else demo())
    tokenizer = wrap(train((text for pair in pairs for text in pair), VOCABULARY))
    with TokenWriter(folder) as writer:
        for number, (prompt, answer) in enumerate(pairs):
            start, end = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (prompt, answer))
            writer.add([*start[:1000], *end[:200], tokenizer.eos_token_id], min(len(start), 1000), 0, number)
    return "the released evaluation sets" if real else "the demo store"


def released(data: str) -> Iterator[tuple[str, str]]:
    """Prompts and answers of the twelve held-out tasks, a hundred each."""
    from ecomgpt.eval.suite import load_rows
    from ecomgpt.eval.task import load_eval_tasks

    config = configured(["job=evaluate", "model=bloom_560m", "eval=held_out", "eval.limit=100", f"paths.data={data}"])
    for task in load_eval_tasks(config.eval.tasks, None):
        yield from ((row.prompt.text, row.target) for row in load_rows(task, config))


def demo() -> Iterator[tuple[str, str]]:
    """Prompts and answers of the embedded shop."""
    from ecomgpt.data.pipeline import prepare
    from ecomgpt.data.store import read_batches
    from ecomgpt.eval.protection import protection
    from ecomgpt.model.tokenizer import tokenizer_of

    config = configured(["job=build"])
    mixture = prepare(config, protection(config), tokenizer_of(config))
    for batch in read_batches(mixture.instructions / "train.arrow"):
        for row in batch.to_pylist():
            yield row["before"] + row["input"] + row["after"], row["target"]


def choose_steps(examples: Examples, count: int, micro: int) -> list[list[int]]:
    """The most typical of random steps, and one more to warm up: what a process does first, its memory's pages among
    it, costs more.

    Typical means nearest to the epoch's mean step in real tokens, in tokens padded to the longest of `micro` examples,
    and in answer tokens, each in its own standard deviations: then rates over the chosen steps are those of an epoch,
    and neither side gains from luck.
    """
    drawn = random_steps(examples)
    sums = (
        examples.lengths[drawn].sum(axis=1),
        padded_tokens(examples, drawn, micro),
        examples.num_targets[drawn].sum(axis=1),
    )
    facts = np.stack(sums, axis=1).astype(float)
    away = np.square((facts - facts.mean(axis=0)) / facts.std(axis=0)).sum(axis=1)
    ranked = drawn[np.argsort(away, kind="stable")]
    return [*ranked[count : count + 1].tolist(), *ranked[:count].tolist()]


def random_steps(examples: Examples) -> np.ndarray:
    """All examples in steps of eight, shape (steps, 8)."""
    order = np.random.default_rng(0).permutation(len(examples))
    return order[: len(order) // EIGHT * EIGHT].reshape(-1, EIGHT)


def padded_tokens(examples: Examples, steps: np.ndarray, micro: int) -> np.ndarray:
    """Tokens of each step where `micro` examples at a time are padded to the longest of them, shape (steps,)."""
    return examples.lengths[steps].reshape(len(steps), -1, micro).max(axis=2).sum(axis=1) * micro


def measure(
    examples: Examples, steps: list[list[int]], folder: Path, options: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """Runs every contender in turns."""
    wanted = options.only or [":".join(run) for run in RUNS]
    for shape, dtype in (run for run in RUNS if ":".join(run) in wanted):
        others = tuple(options.contenders) if dtype == "float32" else ()
        for contender in ("ecomgpt", *others) * options.rounds + ("ecomgpt",):
            order = {
                "contender": contender,
                "shape": shape,
                "dtype": dtype,
                "micro": options.micro,
                "steps": steps,
                "examples": str(folder),
                "folder": str(folder / "out"),
                "result": str(folder / "result.json"),
            }
            (folder / "order.json").write_text(json.dumps(order))
            command = [sys.executable, str(HERE / "bench_contenders.py"), str(folder / "order.json")]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"{contender} failed with exit code {done.returncode}:\n{done.stderr[-3000:]}")
            result = {
                **json.loads((folder / "result.json").read_text()),
                "contender": contender,
                "shape": shape,
                "dtype": dtype,
            }
            result["tokens"] = int(examples.lengths[np.concatenate(steps[1:])].sum())
            result["tokens_per_second"] = result["tokens"] / sum(step["seconds"] for step in result["steps"][1:])
            print(f"{shape} {dtype} {contender}: {result['tokens_per_second']:.1f} tokens/s", flush=True)
            yield result


def machine() -> dict[str, Any]:
    """Hardware and versions."""
    cpu = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "",
    )
    packages = {name: importlib.metadata.version(name) for name in PACKAGES}
    threads = os.environ.get("OMP_NUM_THREADS", str(os.cpu_count()))
    return {
        "cpu": cpu,
        "threads": threads,
        "system": platform.platform(),
        "python": platform.python_version(),
        **packages,
    }


def describe(examples: Examples, steps: list[list[int]], micro: int) -> dict[str, float]:
    """Lengths of the measured examples and of all."""
    chosen, measured, everything = np.concatenate(steps[1:]), np.array(steps[1:]), random_steps(examples)
    return {
        "measured": len(chosen),
        "tokens": int(examples.lengths[chosen].sum()),
        "answer_tokens": int(examples.num_targets[chosen].sum()),
        "padded_to_real": float(padded_tokens(examples, measured, micro).sum() / examples.lengths[measured].sum()),
        "padded_to_real_of_all": float(
            padded_tokens(examples, everything, micro).sum() / examples.lengths[everything].sum()
        ),
        "longest": int(examples.lengths[chosen].max()),
        "mean_length_of_all": float(examples.lengths.mean()),
        "mean_answer_of_all": float(examples.num_targets.mean()),
    }


def page(document: dict[str, Any]) -> str:
    """The results as Markdown."""
    lines = [
        "# Training speed",
        "",
        f"`{document['command']}`, examples from {document['source']}: "
        + ", ".join(f"{key.replace('_', ' ')} {value:.6g}" for key, value in document["examples"].items())
        + ".",
        "",
        ", ".join(f"{key} {value}" for key, value in document["machine"].items()) + ".",
        "",
        "Rates count real tokens, padding excluded. Extra memory is the process's peak beyond its libraries, "
        "weights, gradients and",
        "AdamW's moments. MFU counts useful operations (no padding, no masked head rows, causal attention) "
        "against the peak: the best",
        "matrix product in that number format, measured in the same process before and after. Means of all "
        "starts; each is in `train.json`.",
        "",
        "| model | format | trainer | tokens/s | ours is faster by | extra memory | ours to theirs | peak GFLOP/s "
        "| MFU | loss of the first steps |",
        "| - | - | - | -: | -: | -: | -: | -: | -: | - |",
    ]
    for group in grouped(document["results"]):
        mine = group["ecomgpt"]
        for name, best in group.items():
            losses = ", ".join(f"{step['loss']:.5f}" for step in best["steps"])
            faster = "" if name == "ecomgpt" else f"{mine['tokens_per_second'] / best['tokens_per_second']:.2f} x"
            memory = "" if name == "ecomgpt" else f"{mine['extra_bytes'] / best['extra_bytes']:.2f}"
            share = f"{best['useful'] / best['measured_seconds'] / best['matrix_peak']:.0%}"
            lines.append(
                f"| {best['shape']} | {best['dtype']} | {name} | {best['tokens_per_second']:.1f} | {faster} "
                f"| {best['extra_bytes'] / 1e9:.2f} GB | {memory} | {best['matrix_peak'] / 1e9:.0f} | {share} | "
                f"{losses} |"
            )
    return "\n".join(lines) + "\n"


def grouped(results: list[dict[str, Any]]) -> Iterator[dict[str, dict[str, Any]]]:
    """For each shape and number format the mean of each contender's starts; of memory and the machine's peak the
    highest."""
    for shape, dtype in dict.fromkeys((result["shape"], result["dtype"]) for result in results):
        rows = [result for result in results if (result["shape"], result["dtype"]) == (shape, dtype)]
        group: dict[str, dict[str, Any]] = {}
        for name in CONTENDERS:
            own = [result for result in rows if result["contender"] == name]
            if own:
                seconds = float(np.mean([sum(step["seconds"] for step in result["steps"][1:]) for result in own]))
                highest = {key: max(result[key] for result in own) for key in ("extra_bytes", "matrix_peak")}
                group[name] = {
                    **own[0],
                    **highest,
                    "measured_seconds": seconds,
                    "tokens_per_second": own[0]["tokens"] / seconds,
                }
        yield group


if __name__ == "__main__":
    main()
