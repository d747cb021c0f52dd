"""What `conf/sources/datasets/<name>.yaml` says of a dataset: where it lies, how it reads, what it may be used for."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator
from pydantic.json_schema import SkipJsonSchema

from ecomgpt.config.declarations import Declaration, OneOf
from ecomgpt.sources.families import FAMILIES


class Dataset(Declaration):
    """One dataset's declaration."""

    name: str = Field(
        description="its name in mixtures, manifests and ids; also its folder below raw/ where 'folder' names none"
    )
    title: str = Field(description="its name for people")
    language: Literal["en", "zh", "mul"] = Field(description="language of its texts")
    licence: str = Field(description="its terms, as its authors or mirrors state them")
    citation: str = Field(description="the work to cite")
    homepage: str = Field(description="where its authors describe it")
    obtain: str = Field(description="one sentence: how to get it, and whether that needs a registration")
    family: Annotated[str, OneOf(FAMILIES)] = Field(description="the task family of its own annotation")
    records: list[str] = Field(description="the kinds of records it yields, as in ecomgpt.sources.records")
    reader: str = Field(description="its format, a key of ecomgpt.sources.readers.READERS")
    files: dict[str, list[str]] = Field(
        description="split (train, validation, test, or '' where it is not cut) to glob patterns below its folder"
    )
    domain: str = Field("e-commerce", description="what its texts are about")
    folder: str | None = Field(None, description="its folder below raw/, where that is not its name")
    columns: dict[str, str] = Field(
        {}, description="field of the record to the file's column; a dotted column reaches into nested objects"
    )
    labels: dict[str, dict[str, str]] = Field(
        {}, description="axis to {label in the file: label shown}, in the order in which candidates are listed"
    )
    sides: list[str] = Field([], description="how the two texts of a pair are called, such as [Query, Product]")
    options: dict[str, Any] = Field({}, description="the reader's own settings")
    excluded: str | None = Field(None, description="why it is left out unless it is named")
    protects: list[str] = Field([], description="the held-out evaluation tasks whose training side it is")
    hub: str | None = Field(None, description="its id on the Hugging Face hub, where `datasets` can load it")
    splits_of: str | None = Field(
        None, description="the dataset whose texts these are, where records must land in its splits"
    )
    path: SkipJsonSchema[str] = Field("", description="the declaration's own file, for messages; never written in YAML")

    @field_validator("labels", mode="before")
    @classmethod
    def _text(cls, labels: Any) -> Any:
        """YAML reads an unquoted 1 or true as a number or a truth value; files hold text."""
        if not isinstance(labels, dict):
            return labels
        return {
            axis: {str(raw): shown for raw, shown in names.items()} if isinstance(names, dict) else names
            for axis, names in labels.items()
        }

    def names(self, axis: str, language: str) -> dict[str, str]:
        """{label in the file: label shown} of an axis: that of the language (``axis.zh``) before the common one."""
        return self.labels.get(f"{axis}.{language}") or self.labels.get(axis, {})

    def candidates(self, axis: str, language: str) -> list[str]:
        """The labels shown for an axis, each once, in the declared order; empty where the set is open."""
        return list(dict.fromkeys(self.names(axis, language).values()))
