"""Reports of sweeps and of any set of runs: what they say agrees with the runs' files, whatever those hold and lack."""

import csv
import gzip
import json
import re
import runpy
import shutil
import subprocess
import warnings
from pathlib import Path

import pytest
from invented_run import write_json
from invented_study import TASKS, make_member, make_sweep
from page_reader import Reader
from rich.console import Console

from ecomgpt.__main__ import main
from ecomgpt.common.errors import UserError
from ecomgpt.eval.statistics.paired import between
from ecomgpt.reporting import page as page_module
from ecomgpt.reporting import study_unchanged, write_study
from ecomgpt.reporting.text import points, probability
from ecomgpt.runtime.directory import Run

HOSTILE = "<script>alert(1)</script> | `rm` \\input{x} $x$ % & _ [red]x[/red] \x1b[31m\u202e"
FIGURES = {"overview", "groups", "differences", "verdicts", "scores", "training", "composition"}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of two arms and three seeds with its report."""
    folder = make_sweep(tmp_path_factory.mktemp("multirun") / "abl", rows=50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns where a font lacks a glyph
        write_study([folder], folder)
    return folder


def read(folder: Path) -> tuple[Reader, str, dict]:
    page, text = (folder / "report.html").read_text("utf-8"), (folder / "report.md").read_text("utf-8")
    reader = Reader(page)
    reader.words = [reader.text.replace(" :", ":").replace(" ,", ",")]
    return reader, text, json.loads((folder / "comparison.json").read_text("utf-8"))


def test_the_answer_is_one_sentence_and_agrees_with_the_numbers(sweep: Path) -> None:
    page, text, numbers = read(sweep)
    change = numbers["groups"][numbers["answer"]]["changes"]["full_cot"]
    verdicts = [
        numbers["tasks"][task]["changes"]["full_cot"]["verdict"] for task in numbers["groups"]["cross_task"]["tasks"]
    ]
    words = (
        "no_atomic by {value} points averaged over 3 cross-task tasks, 95 % interval {low} to {high}, p {p}, "
        "paired over 150 rows and 3 seeds, a true difference of {smallest} would be found in 4 of 5 such comparisons; "
    )
    shown = {key: points(change[key], key in ("low", "high")) for key in ("value", "low", "high", "smallest")}
    shown["p"] = probability(change["p"])
    answer = "full_cot beats " + words.format(**shown)
    answer += f"wins {verdicts.count('win')}, ties {verdicts.count('tie')}, loses {verdicts.count('loss')}."
    assert numbers["reference"] == "no_atomic" and numbers["answer"] == "cross_task"
    assert answer in page.text and answer.replace("_", r"\_").replace("<", "&lt;") in text
    assert page.text.index(answer) < page.text.index("Scores") < page.text.index("Figures") < page.text.index("Cost")
    headings = re.findall(r"<h2>([^<]*)", (sweep / "report.html").read_text("utf-8"))
    assert headings == [
        "Scores",
        "Figures",
        "Cost",
        "What differs between the arms",
        "How to reproduce",
        "Before you rely on this",
    ]


def test_scores_are_means_over_the_seeds_files(sweep: Path) -> None:
    page, _, numbers = read(sweep)
    for task, *_ in TASKS:
        for arm in ("no_atomic", "full_cot"):
            runs = [
                json.loads((sweep / f"data-{arm}_seed-{seed}" / "metrics.json").read_text())["tasks"][task]
                for seed in (1, 2, 3)
            ]
            values = [run["metrics"][run["primary"]]["value"] for run in runs]
            assert numbers["tasks"][task]["scores"][arm]["value"] == pytest.approx(sum(values) / 3, abs=2e-6)
        shown = numbers["tasks"][task]["scores"]["full_cot"]
        assert f"{shown['value'] * 100:.1f}" in page.text
    with (sweep / "results.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6 * 2 * sum(len({task[4], "exact_match", "invalid_rate", "released_rouge_l"}) for task in TASKS)
    one = next(
        row
        for row in rows
        if (row["job"], row["arm"], row["task"], row["metric"])
        == ("data-full_cot_seed-2", "trained", "intent_zh", "micro_f1")
    )
    assert (
        float(one["value"])
        == json.loads((sweep / one["job"] / "metrics.json").read_text())["tasks"]["intent_zh"]["metrics"]["micro_f1"][
            "value"
        ]
    )
    assert one["overrides"] == "data=full_cot seed=2" and one["relation"] == "cross_task"


def test_a_comparison_is_computed_again_from_its_counts(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = Path(__file__).parents[2] / "experiments" / "results" / "recompute.py"
    runpy.run_path(str(script))["main"](str(sweep))
    shown = capsys.readouterr().out
    assert "Furthest from comparison.json: 0.000001" in shown or "Furthest from comparison.json: 0.000000" in shown
    assert "titles: full_cot" in shown
    counts = gzip.decompress((sweep / "counts.csv.gz").read_bytes()).decode()
    assert "客户" not in counts and "Message" not in counts, "no word of the texts"


def test_what_belongs_in_a_report_is_there(sweep: Path) -> None:
    page, text, _ = read(sweep)
    for fact in (
        "python -m ecomgpt --multirun data=no_atomic,full_cot seed=1,2,3 name=abl",
        "9f2c61d07be34a55",
        "3695598d2a71",
        "1.9 GB",
        "1 min 24 s",
        "data.kinds",
        "raw, atomic",
        "constant",
        "66 / 32 / 2",
        "read off a figure",
        "1, 2, 3",
        "untrained",
    ):
        assert fact in page.text, fact
    source = (sweep / "report.html").read_text("utf-8")
    assert not page.tags & {"script", "link", "iframe", "img", "object", "foreignobject"}
    assert set(re.findall(r"https?://[^\"\s]+", source)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    identifiers = re.findall(r'\bid="([^"]*)"', source)
    assert len(identifiers) == len(set(identifiers)) and source.count("<svg") == len(FIGURES)
    for name in FIGURES:
        assert (sweep / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG") and f"figures/{name}.png" in text
        assert "<svg" in (sweep / "figures" / f"{name}.svg").read_text("utf-8")


def test_nothing_is_written_again_unless_something_changed(tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "abl", seeds=(1,), rows=20)
    assert study_unchanged([folder], folder) is None
    write_study([folder], folder)
    files = [
        path for path in sorted(folder.rglob("*")) if path.is_file() and path.parent in (folder, folder / "figures")
    ]
    before = [path.read_bytes() for path in files]
    assert "no_atomic" in str(study_unchanged([folder], folder))
    write_study([folder], folder)
    assert [path.read_bytes() for path in files] == before
    metrics = folder / "data-full_cot_seed-1" / "metrics.json"
    content = json.loads(metrics.read_text())
    content["training"]["seconds"] = 1.0
    write_json(metrics, content)
    assert study_unchanged([folder], folder) is None


def test_arms_that_answer_alike_cannot_be_told_apart(tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "abl", {"no_atomic": 0.5, "full_cot": 0.5}, seeds=(1,), rows=30)
    write_study([folder], folder)
    page, _, numbers = read(folder)
    change = numbers["groups"]["cross_task"]["changes"]["full_cot"]
    assert change["low"] < 0 < change["high"] and change["verdict"] == "tie"
    assert "full_cot and no_atomic can't be told apart" in page.text and "one seed" in page.text
    assert "One seed per arm" in page.text and "beats" not in page.text


def test_two_runs_give_what_a_paired_comparison_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    make_sweep(tmp_path / "abl", seeds=(1,), rows=30)
    first, second = (tmp_path / "abl" / f"data-{arm}_seed-1" for arm in ("no_atomic", "full_cot"))
    monkeypatch.chdir(tmp_path)
    assert main(["job=report", f"runs=[{first},{second}]", "name=both"]) == 0
    shown = capsys.readouterr().out
    numbers = read(tmp_path / "outputs" / "both")[2]
    for task, known in between(Run(second), Run(first)).items():
        found = numbers["tasks"][task]["changes"]["full_cot"]
        assert {key: found[key] for key in known.change.as_json()} == known.change.as_json()
    assert "though no single task shows it" in " ".join(shown.split()) and "客户意图" in shown


def test_jobs_without_a_result_are_named_with_their_cause(tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "abl", seeds=(1,), rows=20)
    content = json.loads((folder / "sweep.json").read_text())
    content["jobs"][0] |= {"state": "failed", "error": "killed by signal 9 (SIGKILL)"}
    content["jobs"].append({"name": "data-golden_only_seed-1", "overrides": [], "state": "waiting", "error": None})
    write_json(folder / "sweep.json", content)
    write_study([folder], folder)
    page, text, numbers = read(folder)
    assert (
        "2 of 3 jobs without a result (1 failed, 1 waiting)" in page.text
        and "data-golden_only_seed-1: waiting" in page.text
    )
    assert "killed by signal 9 (SIGKILL)" in page.text and "killed by signal 9" in text
    assert "Training raised the untrained model's" in page.text and numbers["reference"] == "untrained"


def test_a_sweep_in_which_nothing_ended_still_has_a_report(tmp_path: Path) -> None:
    write_json(
        tmp_path / "sweep.json",
        {"command": "c", "jobs": [{"name": "a", "overrides": [], "state": "failed", "error": "no memory"}]},
    )
    write_study([tmp_path], tmp_path)
    page = read(tmp_path)[0].text
    assert "No evaluation task has a score." in page and "a: failed, no memory" in page


def test_the_reference_can_be_chosen(tmp_path: Path) -> None:
    arms = {"full_cot": 0.7, "no_atomic": 0.45, "golden_only": 0.6}
    folder = make_sweep(
        tmp_path / "abl",
        arms,
        seeds=(1, 2),
        rows=25,
        settings={"golden_only": {"data": {"name": "golden_only", "kinds": ["raw", "atomic"]}}},
    )
    for reference, expected in (
        (None, "no_atomic"),
        ("golden_only", "golden_only"),
        ("untrained", "untrained"),
        (str(folder / "data-full_cot_seed-2"), "data-full_cot_seed-2"),
    ):
        write_study([folder], folder, reference)
        assert read(folder)[2]["reference"] == expected
    assert len(read(folder)[2]["arms"]) == 7  # Six runs, each an arm of its own, and the models before training.
    with pytest.raises(UserError, match="did you mean 'golden_only'"):
        write_study([folder], folder, "golden_onyl")


def test_a_number_that_was_swept_becomes_a_curve(tmp_path: Path) -> None:
    settings = {f"s{n}": {"data": {"name": "full_cot", "kinds": ["raw"], "max_tasks": n}} for n in (2, 8, 32)}
    folder = make_sweep(tmp_path / "abl", {"s2": 0.4, "s8": 0.5, "s32": 0.6}, seeds=(1,), rows=20, settings=settings)
    write_study([folder], folder)
    page, _, numbers = read(folder)
    assert [name for name in numbers["arms"] if name != "untrained"] == ["max tasks 2", "max tasks 8", "max tasks 32"]
    assert (folder / "figures" / "curve.png").is_file() and "Task diversity" in page.text
    assert "The others against max tasks 2" in page.text and "Holm-corrected" in page.text


def test_runs_that_answered_other_rows_are_shown_and_not_compared(tmp_path: Path) -> None:
    one, other = (
        make_member(tmp_path / "one", "no_atomic", 1, 0.5, rows=20),
        make_member(tmp_path / "other", "full_cot", 1, 0.6, rows=25),
    )
    write_study([one, other], tmp_path / "both")
    page, _, numbers = read(tmp_path / "both")
    assert set(numbers["not_compared"]) == {task[0] for task in TASKS} and not numbers["tasks"]["titles"]["changes"]
    assert (
        "There is nothing to compare it with row by row" in page.text
        and "answered different rows (20 and 25 of them)" in page.text
    )


JOB = "data-full_cot_seed-1"


def test_a_task_that_no_arm_has_with_all_its_seeds_is_shown_and_not_compared(tmp_path: Path) -> None:
    folder, gone = make_sweep(tmp_path / "abl", rows=8), TASKS[0][0]
    for arm in ("no_atomic", "full_cot"):
        file = next(folder.glob(f"*{arm}*1")) / "metrics.json"
        content = json.loads(file.read_text("utf-8"))
        del content["tasks"][gone], content["untrained"]["tasks"][gone]
        write_json(file, content)
    write_study([folder], folder)
    _, text, numbers = read(folder)
    assert "no arm has it with all its seeds" in text and not numbers["tasks"][gone]["changes"]
    assert len(numbers["tasks"]) == len(TASKS) and numbers["answer"]
    scores = [score for task in numbers["tasks"].values() for score in task["scores"].values()]
    assert scores and all(0 <= score["low"] <= score["high"] <= 1 for score in scores)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        (f"{JOB}/metrics.json", b'{"tasks": {', "metrics.json:1: not valid JSON"),
        (
            f"{JOB}/metrics.json",
            b'{"tasks": {"titles": {"n": "x", "metrics": 3}}, "averages": {}}',
            "metrics.json: not in the format",
        ),
        (f"{JOB}/data/manifest.json", b'{"tasks": 5}', "manifest.json: not in the format"),
        (f"{JOB}/environment.json", b'{"gpus": 3, "packages": 3}', "full_cot and no_atomic"),
        (f"{JOB}/logs/metrics.csv", b"step,loss\n1," + b"9" * 200_000, "full_cot and no_atomic"),
        (f"{JOB}/overrides.json", b"{", "full_cot and no_atomic"),
        (f"{JOB}/config.yaml", b"data: {kinds: 3, name: [1]}\nmodel: 3\n", "1 and no_atomic"),
        (f"{JOB}/predictions/titles.jsonl", b'{"id":', "averaged over 2 cross-task tasks, 95 % interval"),
        ("sweep.json", b'{"jobs": [3]}', "'jobs' is no list of jobs"),
    ],
)
def test_broken_files_are_told_of_and_cost_no_more_than_they_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, content: bytes, said: str
) -> None:
    monkeypatch.setattr(page_module, "draw", lambda *_: {})
    folder = make_sweep(tmp_path / "abl", seeds=(1,), rows=8)
    (folder / file).write_bytes(content)
    try:
        write_study([folder], folder)
        text = str(json.loads((folder / "report.json").read_text())["answer"])
    except UserError as error:
        text = str(error)
    assert said.lower() in text.lower()


def test_hostile_texts_are_shown_and_never_obeyed(tmp_path: Path) -> None:
    folder = make_sweep(
        tmp_path / "abl",
        seeds=(1,),
        rows=15,
        settings={"full_cot": {"data": {"name": HOSTILE, "kinds": ["raw", "atomic"]}}},
    )
    for name in ("data-full_cot_seed-1", "data-no_atomic_seed-1"):
        content = json.loads((folder / name / "metrics.json").read_text())
        content["tasks"]["titles"]["title"] = HOSTILE
        write_json(folder / name / "metrics.json", content)
    content = json.loads((folder / "sweep.json").read_text())
    content["jobs"].append({"name": "../../etc", "overrides": [], "state": "failed", "error": HOSTILE})
    content["command"] = HOSTILE
    write_json(folder / "sweep.json", content)
    summary = write_study([folder], folder)
    page, text, _ = read(folder)
    assert "script" not in page.tags and "alert(1)" in page.text and "\\u202e" in page.text
    assert (
        "<script" not in re.sub(r"```.*?```", "", text, flags=re.DOTALL) and "\x1b" not in text
    )  # A block of code shows what it holds.
    console = Console(width=200, force_terminal=True)
    with console.capture() as shown:
        console.print(summary)
    assert "[red]x[/red]" in shown.get() and "\x1b[31m\u202e" not in shown.get() and "\x1b[31m\\u" not in shown.get()
    table = (folder / "table.tex").read_text("utf-8")
    assert r"\input{x}" not in table and r"\textbackslash{}input\{x\}" in table
    compiled(folder)


def test_the_latex_table_compiles_alone_and_inside_a_document(sweep: Path, tmp_path: Path) -> None:
    table = (sweep / "table.tex").read_text("utf-8")
    assert r"\toprule" in table and r"\textbf{" in table and r"$^{\uparrow}$" in table and "intent\\_zh" in table
    compiled(sweep)
    shutil.copy(sweep / "table.tex", tmp_path / "table.tex")
    (tmp_path / "paper.tex").write_text(
        r"\documentclass{article}\usepackage{booktabs,textcomp}\begin{document}Before.\input{table}After.\end{document}"
    )
    compiled(tmp_path, "paper.tex")


def compiled(folder: Path, name: str = "table.tex") -> None:
    """Compiles a file where there is a TeX."""
    if shutil.which("pdflatex") is None:
        return
    line = [
        "pdflatex",
        "-interaction=nonstopmode",
        "-halt-on-error",
        "-no-shell-escape",
        f"-output-directory={folder}",
        name,
    ]
    result = subprocess.run(line, cwd=folder, capture_output=True, text=True, errors="replace", timeout=120)
    assert result.returncode == 0, result.stdout[-2000:]


def test_mistakes_are_told_in_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    run = make_member(tmp_path / "one", "no_atomic", 1, 0.5, rows=5)
    for arguments, message in (
        ([f"runs=[{run},nowhere]"], "'nowhere' is neither a run directory"),
        ([f"runs=[{run}]", f"run={run}"], "run and runs are both given"),
        (["reference=no_atomic", f"run={run}"], "reference needs several runs"),
        ([], "or runs=["),
    ):
        assert main(["job=report", *arguments]) == 2
        assert message in capsys.readouterr().err
    make_member(tmp_path / "outputs" / "taken", "full_cot", 1, 0.5, rows=5)
    assert main(["job=report", f"runs=[{run},outputs/taken]", "name=taken"]) == 2
    assert "give another name=" in capsys.readouterr().err
    (run / "config.yaml").write_text("a: [")
    with pytest.raises(UserError, match=r"config\.yaml:1: not valid YAML"):
        write_study([run, tmp_path / "outputs" / "taken"], tmp_path / "x")
