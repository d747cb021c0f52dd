"""XML read element by element, with line numbers (ElementTree gives none) and in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from ecomgpt.common.errors import UserError
from ecomgpt.sources.readers.item import Source
from ecomgpt.sources.readers.lines import MAX_LINE, open_bytes

CHUNK = 2**16


@dataclass(slots=True)
class Element:
    """An element with what it holds; ``text`` is its own text without that of its children."""

    tag: str
    attributes: dict[str, str]
    line: int
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def all(self, tag: str) -> Iterator["Element"]:
        """The elements of this tag below this one, at any depth."""
        for child in self.children:
            if child.tag == tag:
                yield child
            yield from child.all(tag)


class _Trees:
    """Builds a small tree for each element of the wanted tag and forgets everything around it.

    Outside entities are not loaded (expat asks for a handler, and there is none): a data file can't read other files.
    """

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.open: list[Element] = []
        self.done: list[Element] = []
        self.size = 0
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def taken(self) -> list[Element]:
        """The elements that are complete, each handed out once."""
        done, self.done = self.done, []
        return done

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if self.open or name == self.tag:
            self.open.append(Element(name, attributes, self.parser.CurrentLineNumber))

    def _end(self, name: str) -> None:
        if not self.open:
            return
        element = self.open.pop()
        if self.open:
            self.open[-1].children.append(element)
        else:
            self.done.append(element)
            self.size = 0

    def _text(self, text: str) -> None:
        if self.open:
            self.open[-1].text += text
            self.size += len(text)


def elements(source: Source, tag: str) -> Iterator[Element]:
    """The file's elements of a tag, in order.

    Raises:
        UserError: If the XML is broken or cut off (what follows can't be known, so this is no bad row to tolerate), if
            an element is absurdly long, or if there is none of the tag.
    """
    trees, found = _Trees(tag), 0
    with open_bytes(source.path) as file:
        try:
            while raw := file.read(CHUNK):
                trees.parser.Parse(raw, False)
                for element in trees.taken():
                    found += 1
                    yield element
                if trees.size > MAX_LINE:
                    raise UserError(
                        f"{source.path}:{trees.open[0].line}: <{tag}> is longer than {MAX_LINE / 2**20:g} MB"
                    )
            trees.parser.Parse(b"", True)
        except expat.ExpatError as error:
            message = expat.ErrorString(error.code)
            what = "is empty or cut off" if message == "no element found" else f"broken XML: {message}"
            raise UserError(f"{source.path}:{error.lineno}: {what}") from error
    if not found:
        raise UserError(f"{source.path}: holds no <{tag}> element; is this the right file and reader?")
