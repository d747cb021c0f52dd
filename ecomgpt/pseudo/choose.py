"""Which texts are labelled: a seeded, nested choice from the training side of a dataset."""

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ecomgpt.common.hashing import digest, fraction
from ecomgpt.common.progress import track
from ecomgpt.config.schema import Config
from ecomgpt.data.instructions import data_root, official_test
from ecomgpt.data.split import split_of
from ecomgpt.pseudo.declaration import Labelling
from ecomgpt.pseudo.forms import Text
from ecomgpt.sources.catalog import read
from ecomgpt.sources.dataset import Dataset
from ecomgpt.sources.keep import ReadCounts


@dataclass
class LabellingWork:
    """One labelling of one dataset.

    Attributes:
        dataset: Whose texts.
        labelling: What is asked.
        texts: Chosen, in their seeded order: a larger choice begins with a smaller one.
        offered: Texts that the dataset holds for it; ``offered == len(texts) + sum(left_out.values())``.
        left_out: By reason.
    """

    dataset: Dataset
    labelling: Labelling
    texts: list[Text] = field(default_factory=list)
    offered: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def name(self) -> str:
        return f"{self.dataset.name} {self.labelling.name}"


def choose(config: Config, dataset: Dataset, labellings: Sequence[Labelling]) -> list[LabellingWork]:
    """Chooses in one pass over the dataset; test and validation texts are never labelled, because nothing trains on
    them."""
    choices = [
        _Choice(config, LabellingWork(dataset, labelling)) for labelling in labellings if labelling.applies(dataset)
    ]
    if not choices:
        return []
    official = official_test(dataset, data_root(config.paths))
    records = read(dataset, data_root(config.paths), ReadCounts(), config.sources.max_bad_rows)
    for record in track(records, f"reading {dataset.name}"):
        reason = ""
        if record.language not in config.data.languages:
            reason = "another language"
        elif split_of(record, dataset.name, config.data, official) != "train":
            reason = "not in the training split"
        for choice in choices:
            text = choice.work.labelling.text_of(record, dataset)
            if text is not None:
                choice.add(Text(record, text.strip()), reason)
    return [choice.done() for choice in choices if choice.work.offered]


class _Choice:
    """Keeps the texts of one labelling that come first in the seeded order."""

    def __init__(self, config: Config, work: LabellingWork) -> None:
        self.work, self.seed, self.settings = work, config.seed, config.pseudo
        self._heap: list[tuple[float, int, Text]] = []
        self._seen: set[str] = set()

    def add(self, text: Text, reason: str) -> None:
        self.work.offered += 1
        reason = reason or self._unfit(text.text)
        if reason:
            self.work.left_out[reason] += 1
            return
        place = fraction(f"{self.seed}/{self.work.labelling.name}/{self.work.dataset.name}/{text.record.id}")
        entry = (-place, self.work.offered, text)
        if self.settings.limit is None or len(self._heap) < self.settings.limit:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)
            self.work.left_out["over pseudo.limit"] += 1

    def _unfit(self, text: str) -> str:
        if not text:
            return "no text"
        if len(text) > self.settings.max_characters:
            return "longer than pseudo.max_characters"
        name = digest(text)
        if name in self._seen:
            return "the same text as another record's"
        self._seen.add(name)
        return ""

    def done(self) -> LabellingWork:
        self.work.texts = [text for _, _, text in sorted(self._heap, key=lambda entry: (-entry[0], entry[1]))]
        return self.work
