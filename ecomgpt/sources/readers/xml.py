"""XML read element by element, with line numbers and in bounded memory."""

from collections.abc import Iterator
from typing import Any

from lxml import etree

from ecomgpt.common.errors import UserError
from ecomgpt.sources.readers.item import SourceFile
from ecomgpt.sources.readers.lines import MAX_LINE, open_bytes

CHUNK = 2**16
_TYPES = etree.ErrorTypes
CUT_OFF = {_TYPES.ERR_DOCUMENT_EMPTY, _TYPES.ERR_DOCUMENT_END, _TYPES.ERR_TAG_NOT_FINISHED}


def elements(source: SourceFile, tag: str) -> Iterator[Any]:
    """Yields the file's elements of a tag (`lxml.etree._Element`), in order; each is emptied when the next is taken.

    Entities are not resolved and nothing is fetched: a data file can't read other files.

    Raises:
        UserError: If the XML is broken or cut off (what follows can't be known, so this is no bad row to tolerate), if
            an element is absurdly long, or if there is none of the tag.
    """
    parser = etree.XMLPullParser(("start", "end"), tag=tag, resolve_entities=False, no_network=True, huge_tree=True)
    found, size, line = 0, 0, 1
    with open_bytes(source.path) as file:
        try:
            while raw := file.read(CHUNK):
                parser.feed(raw)
                size += len(raw)
                for event, element in parser.read_events():
                    size, line = 0, element.sourceline
                    if event == "end":
                        found += 1
                        yield element
                        element.clear()
                if size > MAX_LINE:
                    raise UserError(f"{source.path}:{line}: <{tag}> is longer than {MAX_LINE / 2**20:g} MB")
            parser.close()
        except etree.XMLSyntaxError as error:
            cut_off = error.code in CUT_OFF or "no element found" in str(error)
            what = "is empty or cut off" if cut_off else f"broken XML: {error.msg}"
            raise UserError(f"{source.path}:{error.lineno or 1}: {what}") from error
    if not found:
        raise UserError(f"{source.path}: holds no <{tag}> element; is this the right file and reader?")


def own_text(element: Any) -> str:
    """An element's text without that of its children."""
    return "".join([element.text or "", *(child.tail or "" for child in element)])
