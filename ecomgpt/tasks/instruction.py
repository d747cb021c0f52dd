"""One row of a mixture: a prompt, its answer, and where both come from."""

import re
from dataclasses import dataclass

from ecomgpt.tasks.prompt import Prompt

_PLACE = re.compile(r"#\d+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """An instruction with its gold answer.

    Attributes:
        id: ``<source>.<task>/<record id>`` and ``#n`` where a record gives several; the same in every run.
        task: ``<source>.<task>``, the name that the manifest and the predictions use.
        source: The dataset's name.
        group: As in `Record.group`.
        split: As in `Record.split`.
        language: ``en`` or ``zh``: of the text, not of the wording.
        prompt: What the model reads.
        target: The gold answer as text.
        candidates: The closed set that the prompt offers, in the order shown; empty for open answers.
        form: The answer's form, a key of `ecomgpt.tasks.answers.FORMS`.
        wording: Which of the task's wordings was used, for tests on unseen wordings.
    """

    id: str
    task: str
    source: str
    group: str
    split: str
    language: str
    prompt: Prompt
    target: str
    candidates: tuple[str, ...] = ()
    form: str = "text"
    wording: int = 0

    @property
    def record(self) -> str:
        """The id of the record that it was made from."""
        return _PLACE.sub("", self.id.removeprefix(f"{self.task}/"))
