"""What `conf/sources/datasets/<name>.yaml` says of a dataset: where it lies, how it reads, what it may be used for."""

from dataclasses import dataclass, field
from typing import Any

from ecomgpt.config.declare import option


@dataclass
class Dataset:
    """One dataset's declaration; the fields' descriptions are the reference."""

    name: str = option(
        help="its name in mixtures, manifests and ids; also its folder below raw/, unless 'folder' says otherwise"
    )
    title: str = option(help="its name for people")
    language: str = option(help="language of its texts", choices=["en", "zh", "mul"])
    licence: str = option(help="its terms, as its authors or mirrors state them")
    citation: str = option(help="the work to cite")
    homepage: str = option(help="where its authors describe it")
    obtain: str = option(help="one sentence: how to get it, and whether that needs a registration")
    family: str = option(help="the task family of its own annotation")
    records: list[str] = option(help="the kinds of records it yields, as in ecomgpt.sources.records")
    reader: str = option(help="its format, a key of ecomgpt.sources.readers.READERS")
    files: dict[str, list[str]] = option(
        help="split (train, validation, test, or '' where it is not cut) to glob patterns below its folder"
    )
    domain: str = option("e-commerce", "what its texts are about")
    folder: str | None = option(None, "its folder below raw/, where that is not its name")
    columns: dict[str, str] = option(
        factory=dict, help="field of the record to the file's column; a dotted column reaches into nested objects"
    )
    labels: dict[str, dict[str, str]] = option(
        factory=dict, help="axis to {label in the file: label shown}, in the order in which candidates are listed"
    )
    sides: list[str] = option(factory=list, help="how the two texts of a pair are called, such as [Query, Product]")
    options: dict[str, Any] = option(factory=dict, help="the reader's own settings")
    excluded: str | None = option(None, "why it is left out unless it is named")
    protects: list[str] = option(factory=list, help="the held-out evaluation tasks whose training side it is")
    hub: str | None = option(None, "its id on the Hugging Face hub, where `datasets` can load it")
    splits_of: str | None = option(None, "the dataset whose texts these are, where records must land in its splits")
    path: str = field(default="", metadata={"help": "the declaration's own file, for messages; never written in YAML"})

    def __post_init__(self) -> None:
        # YAML reads an unquoted 1 or true as a number or a truth value; files hold text.
        self.labels = {axis: {str(raw): shown for raw, shown in names.items()} for axis, names in self.labels.items()}

    def names(self, axis: str, language: str) -> dict[str, str]:
        """{label in the file: label shown} of an axis: that of the language (``axis.zh``) before the common one."""
        return self.labels.get(f"{axis}.{language}") or self.labels.get(axis, {})

    def candidates(self, axis: str, language: str) -> list[str]:
        """The labels shown for an axis, each once, in the declared order; empty where the set is open."""
        return list(dict.fromkeys(self.names(axis, language).values()))
