"""The figures of a study, in the order in which a person would look at them."""

from ecomgpt.report.figures import Chart
from ecomgpt.report.study import charts, curves
from ecomgpt.report.study.compare import Study

CHARTS: dict[str, Chart[Study]] = {
    "overview": charts.overview,
    "curve": curves.curve,
    "groups": charts.groups,
    "differences": charts.differences,
    "verdicts": charts.verdicts,
    "scores": charts.scores,
    "training": curves.training,
    "composition": charts.composition,
    "chain": curves.chain,
}
