"""Where the documentation stands: the one place that knows its address, and the address of each clause.

The name is reserved for examples and leads nowhere: who publishes the site puts its address here, into
``[project.urls]`` of pyproject.toml and into ``site_url`` of docs/mkdocs.yml. A test holds the three together.
"""

from __future__ import annotations

SITE = "https://gdprops.example/"


def clause_page(clause_id: str) -> str:
    """Return the path of a clause's page inside the documentation; it never changes."""
    return f"specification/{clause_id}"


def clause_address(clause_id: str) -> str:
    """Return the address of a clause's page."""
    return f"{SITE}{clause_page(clause_id)}/"
