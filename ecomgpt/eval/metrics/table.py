"""Which metric stands behind a name."""

from ecomgpt.eval.metrics.base import Metric
from ecomgpt.eval.metrics.chrf import CHRF
from ecomgpt.eval.metrics.items import ACCURACY, EXACT_MATCH, INVALID_RATE, MACRO_F1, MICRO_F1, PARTIAL_F1
from ecomgpt.eval.metrics.released import RELEASED_ROUGE_L, released_f1
from ecomgpt.eval.metrics.rouge import ROUGE_1, ROUGE_2, ROUGE_L, TOKEN_F1

_METRICS: dict[str, Metric] = {
    "micro_f1": MICRO_F1,
    "macro_f1": MACRO_F1,
    "partial_f1": PARTIAL_F1,
    "accuracy": ACCURACY,
    "exact_match": EXACT_MATCH,
    "rouge_1": ROUGE_1,
    "rouge_2": ROUGE_2,
    "rouge_l": ROUGE_L,
    "token_f1": TOKEN_F1,
    "chrf": CHRF,
    "invalid_rate": INVALID_RATE,
    "released_rouge_l": RELEASED_ROUGE_L,
}


def metric(name: str, kind: str) -> Metric:
    """The metric of a name, one of `ecomgpt.eval.metrics.names.METRIC_NAMES`.

    Args:
        name: Its name.
        kind: The task type, for the released F1, which differs by type.
    """
    if name in ("released_micro_f1", "released_macro_f1"):
        return released_f1(kind, name.split("_")[1])
    return _METRICS[name]
