"""Sources with links: papers by arXiv number, DOI or ISBN, and issues of GitHub as ``owner/repository#number``."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SOURCES = re.compile(
    r"(?P<arxiv>arXiv:(?P<paper>\d{4}\.\d{4,5}))"
    r"|(?P<doi>doi:(?P<number>10\.\d{4,}/[\w.()/:-]*\w))"
    r"|(?P<issue>\b(?P<repository>[\w.-]+/[\w.-]+)#(?P<which>\d+))"
    r"|(?P<page>\b(?:openreview\.net|kellerjordan\.github\.io)/[\w/.?=-]*\w)"
)


def linked(text: str) -> str:
    """Return a source as Markdown in which everything that has an address is a link."""
    return _SOURCES.sub(lambda found: f"[{found[0]}]({_address(found)})", text)


def links(text: str) -> Iterator[tuple[str, str]]:
    """Yield what has an address in a source, and that address."""
    for found in _SOURCES.finditer(text):
        yield found[0], _address(found)


def _address(found: re.Match[str]) -> str:
    if found["arxiv"]:
        return f"https://arxiv.org/abs/{found['paper']}"
    if found["doi"]:
        return f"https://doi.org/{found['number']}"
    if found["issue"]:
        return f"https://github.com/{found['repository']}/issues/{found['which']}"
    return f"https://{found['page']}"
