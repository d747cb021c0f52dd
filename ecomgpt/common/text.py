"""Normal forms of text, and what counts as a Chinese character: one definition for all rooms."""

import re
import unicodedata

HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Chinese characters for a regular expression's class: the unified ideographs with all extensions, the compatibility
ideographs, and the three that stand among them in text (々, 〆, 〇)."""

_HAN = re.compile(f"[{HAN}]")


def holds_chinese(text: str) -> bool:
    """Whether any character is Chinese."""
    return _HAN.search(text) is not None


def folded(text: str) -> str:
    """Unicode NFKC, case folded: full-width letters become plain ones, and ``ß`` equals ``ss``.

    Folding may undo the normal form (``ϓ``), so it is made twice.
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
