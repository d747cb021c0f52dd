"""Every shipped file composes, and models choose their own defaults unless the command line says otherwise."""

import itertools
import json
import subprocess
import sys
from operator import attrgetter
from pathlib import Path

import pytest

from ecomgpt.config import compose, files
from ecomgpt.config.files import options
from ecomgpt.config.roots import shipped
from ecomgpt.config.schema import GROUPS, Config

ROOTS = files.search_roots([])
NEEDS = {"hf": ["model.path=somewhere"], "local": ["chat.model=mine"], "predictions": ["model.path=somewhere"]}
OPTIONS = [(group, name) for group in GROUPS for name in options(group, [shipped("conf")])]


def composed(*overrides: str) -> Config:
    from omegaconf import OmegaConf

    raw = compose.composed(list(overrides), ROOTS)
    return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), raw))  # type: ignore[return-value]


@pytest.mark.parametrize(("group", "name"), OPTIONS, ids="/".join)
def test_every_option_composes_and_holds_only_known_keys(group: str, name: str) -> None:
    chosen = attrgetter(group.replace("/", "."))(composed(f"{group}={name}", *NEEDS.get(name, [])))
    assert chosen if "/" in group else chosen.name


def test_groups_that_docs_promise_are_there() -> None:
    wanted = {
        "job": "run build fit evaluate predict report plan export",
        "model": "bloom_tiny smollm2_135m hf openai "
        + " ".join(f"{a}_{b}" for a, b in itertools.product(("bloom", "bloomz"), ("560m", "1b1", "1b7", "3b", "7b1"))),
        "data": "full_cot no_atomic atomic_only golden_only pseudo_only",
        "sources": "demo open",
        "tuning": "full lora",
        "strategy": "auto ddp fsdp deepspeed_zero1 deepspeed_zero2 deepspeed_zero3 deepspeed_zero3_offload",
        "eval": "demo held_out none",
    }
    for group, names in wanted.items():
        assert set(names.split()) <= set(options(group, ROOTS)), group


def test_models_choose_sources_and_suite_and_the_command_line_wins() -> None:
    tiny, large = composed(), composed("model=bloomz_3b")
    assert (tiny.model.name, tiny.data.name, tiny.sources.name, tiny.eval.name) == (
        "bloom_tiny",
        "full_cot",
        "demo",
        "demo",
    )
    assert (large.sources.name, large.eval.name, large.trainer.name) == ("open", "held_out", "finetune")
    assert composed("model=bloomz_3b", "sources=demo", "eval=none").sources.name == "demo"
    assert composed("sources=open", "eval=held_out").trainer.name == "from_scratch"


def test_data_options_differ_by_kind_and_label_alone() -> None:
    assert composed("data=no_atomic").data.kinds == ["raw"]
    assert composed("data=atomic_only").data.kinds == ["atomic"]
    assert composed("data=golden_only").data.labels == ["golden"]
    assert composed("data=pseudo_only").data.labels == ["pseudo"]


def test_defaults_that_docs_promise() -> None:
    config = composed("model=bloomz_560m")
    assert config.data.max_examples_per_task == 800
    assert config.data.max_tasks is None and config.eval.limit is None


@pytest.mark.parametrize("arguments", [["--help"], ["--cfg", "job"], ["modle=x"]], ids=" ".join)
def test_questions_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys, json, runpy\n"
        f"sys.argv = ['ecomgpt', *{arguments!r}]\n"
        "try: runpy.run_module('ecomgpt', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "heavy = ('torch', 'transformers', 'lightning', 'datasets', 'matplotlib', 'numpy')\n"
        "print(json.dumps(sorted(name for name in heavy if name in sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout.rstrip().split("\n")[-1]) == []


def test_help_names_every_group_option_and_example() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ecomgpt", "--help"], capture_output=True, text=True, timeout=60, check=True
    )
    for group, name in OPTIONS:
        assert group in done.stdout and name in done.stdout
    assert done.stdout.count("\n  python -m ecomgpt") >= 6


def test_own_configuration_folder_adds_options(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.yaml").write_text("name: mine\nkinds: [raw]\n")
    overrides = [f"paths.conf={tmp_path}", "data=mine"]
    assert compose.composed(overrides, files.search_roots(overrides)).data.name == "mine"


def test_free_mappings_take_new_names() -> None:
    config = composed("data.weights.product_matching=2", "sources.options.demo_store.products=7")
    assert config.data.weights == {"product_matching": 2.0}
    assert config.sources.options["demo_store"]["products"] == 7


def test_every_model_goes_with_every_mixture() -> None:
    for (_, model), (_, data) in itertools.product(
        *([item for item in OPTIONS if item[0] == group] for group in ("model", "data"))
    ):
        extra = NEEDS.get(model, [])
        config = composed(f"model={model}", f"data={data}", *extra)
        tiny = model == "bloom_tiny"
        assert (config.model.name, config.data.name) == (model, data)
        assert (config.sources.name, config.eval.name) == (("demo", "demo") if tiny else ("open", "held_out"))
