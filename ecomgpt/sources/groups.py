"""Groups that belong together because their records share something: a union of sets, named by their least member."""

from ecomgpt.common.hashing import digest


class Groups:
    """Ties names together. Memory grows with the names, so only datasets that ask for it use it.

    >>> groups = Groups()
    >>> groups.tie("a", "x"), groups.tie("b", "x")
    (None, None)
    >>> groups.name("a") == groups.name("b")
    True
    """

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._parent)

    def tie(self, *names: str) -> None:
        """Says that all these names belong to one group."""
        roots = {self._root(name) for name in names}
        least = min(roots)
        for root in roots:
            self._parent[root] = least

    def name(self, name: str) -> str:
        """The group's name: it depends on its members alone, not on their order."""
        return digest(self._root(name))

    def _root(self, name: str) -> str:
        parent = self._parent
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name
