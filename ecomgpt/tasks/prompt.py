"""The instruction format: Alpaca-like, as the released EcomInstruct evaluation data spell it (paper, figure 1).

A prompt is kept in three parts, because only the middle one, the input text, may ever be cut to fit a length limit.
"""

from dataclasses import dataclass

HEAD = (
    "Below is an instruction that describes the {definition} task. "
    "Write a response that appropriately completes the request.\n"
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """``before + input + after`` is what the model reads; the answer follows directly, then the end of sequence."""

    before: str
    input: str
    after: str

    @property
    def text(self) -> str:
        return self.before + self.input + self.after


def from_template(definition: str, template: str, input_text: str, slots: dict[str, str] | None = None) -> Prompt:
    """Fills a template such as ``### Instruction:\\n{sentences}\\nPick one of {label_set}. \\n### Response:``.

    Args:
        definition: The task's name for the head line; an empty one leaves the head line out.
        template: Holds ``{sentences}`` exactly once. Other slots are replaced literally, so that braces in data are
            safe.
        input_text: What stands for ``{sentences}``.
        slots: Values of the other slots, by name.

    Raises:
        ValueError: If ``{sentences}`` does not occur exactly once.
    """
    parts = template.split("{sentences}")
    if len(parts) != 2:
        raise ValueError(f"the template holds {{sentences}} {len(parts) - 1} times, not once: {template!r}")
    for name, value in (slots or {}).items():
        # A value that itself looks like a slot must not be filled again, so each part is split, never rescanned.
        parts = [value.join(part.split("{" + name + "}")) for part in parts]
    head = HEAD.format(definition=definition) if definition else ""
    return Prompt(head + parts[0], input_text, parts[1])


def instruction_prompt(definition: str, wording: str, input_text: str) -> Prompt:
    """The layout of our own tasks: input first, then the filled wording, as in the released data."""
    head = HEAD.format(definition=definition)
    return Prompt(f"{head}### Instruction:\n", input_text, f"\n{wording}\n### Response:")
