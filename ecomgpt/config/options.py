"""What the keys of the configuration mean: their limits, who reads them and what depends on them.

Resuming, comparing, caching, sweeps, runs on several machines, ``--help`` and the refusal of keys that a job does not
read all ask here and keep no lists of their own.
"""

import dataclasses
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, Unpack

REQUIRED: Any = "???"
"""The default of a key that must be given; OmegaConf's ``MISSING``, without importing OmegaConf into ``--help``."""
JOBS = ("run", "build", "fit", "evaluate", "rescore", "compare", "predict", "report", "plan", "export", "pseudo_label")
INHERITED = ("jobs", "decides", "resume", "per_machine")

Stage = Literal["texts", "tokens", "training", "answers", "scores", "nothing"]


class Meaning(TypedDict, total=False):
    """What a field says about its key. The keys of a group take what they leave out from the group.

    Attributes:
        choices: Valid values.
        low: The least valid value.
        high: The greatest valid value.
        jobs: The jobs that read the key.
        decides: The first stage whose results depend on it; those of all later stages then do too. Keys that decide
            nothing (the default) say where files lie or how much is shown, and never tell two runs apart.
        resume: Whether it may change when an interrupted run goes on.
        per_machine: Whether it may differ among the machines of one run.
        of_sweep: Whether it belongs to a sweep as a whole and not to its jobs.
        common: Whether ``--help`` lists it.
    """

    choices: Sequence[str]
    low: float
    high: float
    jobs: Sequence[str]
    decides: Stage
    resume: bool
    per_machine: bool
    of_sweep: bool
    common: bool


FREE: dict[str, Any] = {"decides": "nothing", "resume": True}
"""Of keys that say how fast something is done, or how much is shown, but change no result."""


def option(default: Any, help: str, **meaning: Unpack[Meaning]) -> Any:
    """A dataclass field with its description and meaning.

    Args:
        default: The default value, or a function that makes it where it is mutable.
        help: One sentence for people; the single source of every help text.
        **meaning: See `Meaning`.
    """
    made: dict[str, Any] = {"default_factory": default} if callable(default) else {"default": default}
    return dataclasses.field(**made, metadata={"help": help, **meaning})


@dataclass(frozen=True)
class Key:
    """One key of the configuration that holds a value.

    Attributes:
        name: Dotted, as on the command line.
        hint: Its type.
        default: Its default value.
        meaning: Its `Meaning` and help, with what its groups say.
    """

    name: str
    hint: Any
    default: Any
    meaning: Mapping[str, Any]

    @property
    def group(self) -> str:
        """The first part of a dotted name; empty for keys at the top."""
        return self.name.rpartition(".")[0].split(".")[0]

    @property
    def help(self) -> str:
        return self.meaning["help"]

    @property
    def jobs(self) -> Sequence[str]:
        return self.meaning["jobs"]

    @property
    def decides(self) -> Stage:
        return self.meaning.get("decides", "nothing")

    def says(self, word: Literal["resume", "per_machine", "of_sweep", "common"]) -> bool:
        """One of the meanings that are true or false."""
        return self.meaning.get(word, False)


def keys(cls: Any, prefix: str = "", **above: Any) -> Iterator[Key]:
    """Every key of a configuration dataclass, nested ones included, in the order of the schema.

    Args:
        cls: The dataclass.
        prefix: What stands before the names of its fields.
        **above: What the groups that hold it say.
    """
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        name, hint, meaning = prefix + field.name, hints[field.name], {**above, **field.metadata}
        if dataclasses.is_dataclass(hint):
            yield from keys(hint, f"{name}.", **{word: meaning[word] for word in INHERITED if word in meaning})
        else:
            made = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
            yield Key(name, hint, made, meaning)
