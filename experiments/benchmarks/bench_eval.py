"""Rows a second of the evaluation's decoding against a plain loop over `generate`, with outputs that must be identical.

    python experiments/benchmarks/bench_eval.py model=smollm2_135m rows=16 beams=1,4 limits=paper \\
        tasks=NER-NER,title_generate

The plain loop is what the paper's script does: rows in the file's order, two at a time, padded on the left to the
longer one, through transformers' own `generate`. Both sides get the same model in float32, the same token ids, beams
and limits. The model is any ``model=<option>`` of the configuration, or ``model=bloom:<layers>`` for BLOOM-560M's shape
with random weights and that many of its 24 layers; ``tasks`` are ends of names, all twelve without it. Appends to
``bench_eval.json`` beside this file and writes ``bench_eval.md`` from it.
"""

import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ecomgpt.plan.configuration import configured

HERE = Path(__file__).resolve().parent
SMALL_BATCH = 2
PAPER_PROMPT, PAPER_ANSWER = 800, 164


def main(arguments: Sequence[str]) -> None:
    options = {
        "model": "smollm2_135m",
        "data": os.environ.get("ECOMGPT_DATA", "./data"),
        "rows": "16",
        "beams": "1,4",
        "limits": "paper",
        "batch_tokens": "",
        "tasks": "",
    }
    for argument in arguments:
        name, _, value = argument.partition("=")
        if name not in options:
            raise SystemExit(f"unknown option '{name}'; there are {', '.join(options)}")
        options[name] = value
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    suite = read_suite(options)
    model, tokenizer = read_model(options, suite)
    results = [
        measure(
            model,
            tokenizer,
            suite,
            beams,
            options["limits"],
            int(options["batch_tokens"]) if options["batch_tokens"] else default_tokens(options),
        )
        for beams in map(int, options["beams"].split(","))
    ]
    write(options, arguments, results)


def read_suite(options: dict[str, str]) -> list[tuple[Any, list[Any]]]:
    """The twelve held-out tasks with the rows that ``eval.limit`` chooses."""
    from ecomgpt.eval.suite import load_suite

    overrides = ["job=evaluate", "eval=held_out", f"eval.limit={options['rows']}", f"paths.data={options['data']}"]
    suite = load_suite(configured(overrides), {})
    return [(task, rows) for task, rows in suite if task.name.endswith(tuple(options["tasks"].split(",")))]


def read_model(options: dict[str, str], suite: list[tuple[Any, list[Any]]]) -> tuple[Any, Any]:
    import torch

    name, _, layers = options["model"].partition(":")
    if name == "bloom":
        from transformers import BloomConfig, BloomForCausalLM

        from ecomgpt.model.tokenizer import train, wrap

        tokenizer: Any = wrap(train((row.prompt.text for _, rows in suite for row in rows), 4096))
        torch.manual_seed(1)
        shape = BloomConfig(
            hidden_size=1024,
            n_layer=int(layers or 24),
            n_head=16,
            vocab_size=250880,
            initializer_range=0.1,
            eos_token_id=2,
            pad_token_id=3,
        )
        return BloomForCausalLM(shape).eval(), tokenizer
    from ecomgpt.eval.backends import ModelSpec
    from ecomgpt.eval.backends.transformers import make

    config = configured(["job=evaluate", f"model={name}", "trainer.precision=fp32", "trainer.accelerator=cpu"])
    return make(ModelSpec(config)).loaded


def default_tokens(options: dict[str, str]) -> int:
    """What an evaluation of this model holds at once on this machine."""
    from ecomgpt.eval.backends.transformers import batch_tokens

    name = "bloomz_560m" if options["model"].startswith("bloom:") else options["model"]
    return batch_tokens(
        configured(["job=evaluate", f"model={name}", "trainer.precision=fp32", "trainer.accelerator=cpu"])
    )


def measure(
    model: Any, tokenizer: Any, suite: list[tuple[Any, list[Any]]], beams: int, limits: str, batch_tokens: int
) -> dict[str, Any]:
    """Times both sides over the whole suite, task by task as an evaluation does."""
    from ecomgpt.eval.decoding.generate import Decoding, encode, end_tokens, shared_prefix, stream
    from ecomgpt.eval.decoding.plain import generate

    ends = end_tokens(model, tokenizer)
    totals = {"plain": 0.0, "ecomgpt": 0.0}
    rows_, prompt_tokens, new_tokens, different = 0, 0, 0, []
    for task, rows in suite:
        encoded = encode(tokenizer, rows, PAPER_PROMPT)
        prompts = [one.ids for one in encoded]
        limit = PAPER_ANSWER if limits == "paper" else task.max_new_tokens
        settings = Decoding(limit, PAPER_PROMPT, batch_tokens, beams)
        pairs = [prompts[at : at + SMALL_BATCH] for at in range(0, len(prompts), SMALL_BATCH)]
        started = time.perf_counter()
        plain = [out for pair in pairs for out in generate(model, pair, limit, beams, ends, tokenizer.pad_token_id)]
        totals["plain"] += time.perf_counter() - started
        started = time.perf_counter()
        found = dict(stream(model, tokenizer, prompts, settings, shared_prefix(tokenizer, rows, encoded)))
        totals["ecomgpt"] += time.perf_counter() - started
        different += [rows[at].id for at in range(len(rows)) if found[at] != plain[at]]
        rows_ += len(rows)
        prompt_tokens += sum(map(len, prompts))
        new_tokens += sum(map(len, plain))
        print(
            f"{task.name}: {len(rows)} rows, plain {totals['plain']:.1f} s, ecomgpt {totals['ecomgpt']:.1f} s so far",
            flush=True,
        )
    if different:
        raise SystemExit(f"outputs differ in {len(different)} of {rows_} rows: {', '.join(different[:5])}")
    return {
        "beams": beams,
        "rows": rows_,
        "prompt_tokens": prompt_tokens,
        "new_tokens": new_tokens,
        "identical": True,
        "plain_rows_per_second": rows_ / totals["plain"],
        "ecomgpt_rows_per_second": rows_ / totals["ecomgpt"],
        "speedup": totals["plain"] / totals["ecomgpt"],
    }


def write(options: dict[str, str], arguments: Sequence[str], results: list[dict[str, Any]]) -> None:
    """Adds the results; an older one of the same model, limits and beams gives way."""
    import torch
    import transformers

    machine = {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    command = " ".join(["python experiments/benchmarks/bench_eval.py", *arguments])
    file = HERE / "bench_eval.json"
    old = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    new = [
        {"model": options["model"], "limits": options["limits"], **result, "machine": machine, "command": command}
        for result in results
    ]
    keys = {_key(one) for one in new}
    entries = sorted([one for one in old if _key(one) not in keys] + new, key=_key)
    file.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    (HERE / "bench_eval.md").write_text(table(entries), encoding="utf-8")
    print(table(entries))


def table(entries: list[dict[str, Any]]) -> str:
    """The results as Markdown."""
    lines = [
        "# Decoding speed",
        "",
        "Rows a second of an evaluation on the held-out tasks, against a plain loop over `generate` with batch "
        "size 2 and padding, which is",
        "what the paper's script does: same weights in float32, same token ids, beams and limits, identical "
        "outputs. `limits`: `paper` is 164",
        "new tokens for every task, `task` each task's own limit; prompts have at most 800 tokens.",
        "",
        "| model | limits | beams | rows | prompt tokens | new tokens | plain, rows/s | ecomgpt, rows/s | faster |",
        "| - | - | -: | -: | -: | -: | -: | -: | -: |",
    ]
    for one in entries:
        lines.append(
            f"| {one['model']} | {one['limits']} | {one['beams']} | {one['rows']} | {one['prompt_tokens']:,} | "
            f"{one['new_tokens']:,} "
            f"| {one['plain_rows_per_second']:.3f} | {one['ecomgpt_rows_per_second']:.3f} | {one['speedup']:.1f}x |"
        )
    lines += ["", "Measured with:", ""]
    lines += sorted(
        {
            f"- `{one['command']}` on {one['machine']['cores']} cores of {one['machine']['cpu']}, torch "
            f"{one['machine']['torch']}, transformers {one['machine']['transformers']}"
            for one in entries
        }
    )
    return "\n".join(lines) + "\n"


def _key(one: dict[str, Any]) -> tuple[str, str, int]:
    return one["model"], one["limits"], one["beams"]


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n") if Path("/proc/cpuinfo").is_file() else []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


if __name__ == "__main__":
    main(sys.argv[1:])
