"""Dialogues whose turns stand in one row, as a list."""

from ecomgpt.sources.readers.cells import AXES, Cells, reach
from ecomgpt.sources.readers.item import Malformed, clean
from ecomgpt.sources.records import Dialogue, Record, Turn


def dialogue(cells: Cells, kind: str) -> Record | str:
    """A dialogue whose row holds a list of turns; ``turn.*`` columns reach into each turn."""
    listed = cells.raw("turns")
    if not isinstance(listed, list):
        raise Malformed(f"'{cells.columns['turns']}' is not a list of turns")
    source, turns = cells.source, []
    text = " ".join(str(reach(one, cells.columns["turn.text"])) for one in listed)
    head = cells.head(kind, text)
    for one in listed:
        said = clean(str(reach(one, cells.columns["turn.text"])))
        if not said:
            cells.note("turns without text")
            continue
        speaker = source.label("speaker", reach(one, cells.columns["turn.speaker"]), head["language"])
        labels = tuple(
            (axis, cells.labels(axis, reach(one, cells.columns[f"turn.{axis}"]), head["language"]))
            for axis in AXES
            if cells.has(f"turn.{axis}")
        )
        turns.append(Turn(speaker, said, labels))
    if not turns:
        return "dialogue without turns"
    return Dialogue(**head, turns=tuple(turns), labels=cells.axes(head["language"]))
