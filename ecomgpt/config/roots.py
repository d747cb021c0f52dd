"""Where configuration files lie: beside the package in a checkout, inside it in a wheel, and the user's own."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent


def shipped(name: str) -> Path:
    """The folder ``conf`` or ``experiments`` that came with this package."""
    inside = PACKAGE / name
    return inside if inside.is_dir() else PACKAGE.parent / name


def declarations(group: str, own: str | None = None) -> list[Path]:
    """All YAML files of a group's declarations, sorted by name; the user's own come last.

    Args:
        group: A folder below ``conf``, such as ``sources/datasets``.
        own: The user's own configuration folder (``paths.conf``), with the same layout as ``conf``.
    """
    folders = [shipped("conf") / group] + ([Path(own) / group] if own else [])
    return [path for folder in folders for path in sorted(folder.rglob("*.yaml"))]
