"""A mixture that is ready for training, and how one process hands it to another."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecomgpt.common.files import read_json, write_json
from ecomgpt.data.store import Examples

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SPLITS = ("train", "validation")


@dataclass
class Prepared:
    """A mixture that is ready for training.

    Attributes:
        folder: Its token files.
        instructions: The folder with its texts.
        load_tokenizer: Loads the tokenizer that made the tokens.
        manifest: What is in it and what became of every row.
    """

    folder: Path
    instructions: Path
    load_tokenizer: Callable[[], "PreTrainedTokenizerFast"]
    manifest: dict[str, Any]

    @cached_property
    def tokenizer(self) -> "PreTrainedTokenizerFast":
        """The tokenizer, loaded on first use."""
        return self.load_tokenizer()

    def examples(self, split: str) -> Examples:
        """The tokenised examples of ``train`` or ``validation``."""
        return Examples(self.folder / split)

    def hand_over(self, folder: Path) -> None:
        """Leaves in a folder what another process of this machine needs to continue with this very mixture."""
        self.tokenizer.save_pretrained(folder / "tokenizer")
        places = {"folder": str(self.folder.absolute()), "instructions": str(self.instructions.absolute())}
        write_json(folder / "prepared.json", {**places, "manifest": self.manifest})

    @classmethod
    def handed_over(cls, folder: Path, load: Callable[[Path], "PreTrainedTokenizerFast"]) -> "Prepared":
        """The mixture that another process has left here with `hand_over`; ``load`` takes the tokenizer's folder."""
        facts = read_json(folder / "prepared.json")
        places = Path(facts["folder"]), Path(facts["instructions"])
        return cls(*places, lambda: load(folder / "tokenizer"), facts["manifest"])
