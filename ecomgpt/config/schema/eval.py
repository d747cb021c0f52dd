"""What is measured, and how two runs' answers are compared."""

from dataclasses import dataclass
from typing import Any

from ecomgpt.config.options import REQUIRED, option

ANSWERS: dict[str, Any] = {"jobs": ("run", "evaluate", "predict", "export"), "decides": "answers"}
SCORES: dict[str, Any] = {"jobs": ("run", "evaluate"), "decides": "scores"}


@dataclass
class EvalConfig:
    """What is measured, and how answers are decoded. Its texts stay out of the mixture."""

    name: str = option(REQUIRED, "name of the suite in reports")
    tasks: list[str] = option(list, "names from conf/eval/tasks")
    mixture: list[str] = option(
        list,
        "every task of the mixture on its test rows, in training's wordings (seen) or in others (unseen)",
        choices=("seen", "unseen"),
    )
    mixture_kinds: list[str] | None = option(
        None,
        "only these kinds of the mixture's tasks: raw is what an ablation's arms have in common; null for all",
        choices=("raw", "atomic"),
    )
    mixture_limit: int | None = option(None, "rows per task of the mixture; null for eval.limit", low=1)
    also: list[str] = option(list, "other suites of conf/eval whose tasks are added")
    backend: str = option(
        "auto",
        "what answers; auto takes what fits model.source",
        choices=("auto", "transformers", "vllm", "openai", "predictions"),
        **{**SCORES, "decides": "answers"},
    )
    limit: int | None = option(None, "rows per task; null for all", low=1, common=True)
    batch_tokens: int | None = option(
        None,
        "tokens whose keys and values decoding holds at once; null for what an eighth of the device's memory takes",
        low=32,
        jobs=("run", "evaluate", "predict"),
        decides="answers",
    )
    max_prompt_tokens: int = option(800, "longer inputs are cut and counted", low=32, **ANSWERS)
    max_new_tokens: int | None = option(None, "cap on the tasks' own limits; null for none", low=1, **ANSWERS)
    beams: int = option(1, "1 is greedy; the paper used 4", low=1, **ANSWERS, common=True)
    decoding: str = option(
        "generate",
        "write the answer, or rank the candidates",
        choices=("generate", "rank"),
        **{**SCORES, "decides": "answers"},
    )
    ranked: bool = option(
        True,
        "rank the candidates of tasks with one right label too: ability beside form; in-process decoding only",
        **{**SCORES, "decides": "answers"},
    )
    wordings: int = option(
        1,
        "ask every row in so many ways (wordings, order and sample of candidates) and report the spread",
        low=1,
        **{**SCORES, "decides": "answers"},
    )
    candidates: str = option("sample", "labels a prompt offers", choices=("sample", "all"))
    max_candidates: int = option(20, "most labels a prompt offers with candidates=sample", low=2)
    untrained: bool = option(True, "score the model before training too", jobs=("run",), decides="scores")
    baselines: bool = option(True, "score answers that need no model too: constant, random, copy", **SCORES)


@dataclass
class CompareConfig:
    """How job=compare shows the answers of two runs, and who judges them."""

    tasks: list[str] | None = option(None, "evaluation tasks to compare; null for all that both runs answered")
    limit: int | None = option(
        20, "rows per task, drawn by the seed; nested: 40 rows include the 20; null for all", low=1
    )
    page: bool = option(True, "show the page on which people judge; false for the judge and the results alone")
    port: int | None = option(None, "the page's port on 127.0.0.1; null for a free one", low=1024, high=65535)
    reference: bool = option(False, "show the right answer to people and to the judge")
    max_characters: int = option(8000, "longer texts lose their middle, and the page says so", low=100)
    judge: bool = option(False, "also ask the model of the group chat about every row, in both orders")
