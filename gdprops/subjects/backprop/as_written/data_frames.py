"""Code that wants its samples as a table of pandas: what it raises when it is handed arrays, in words."""

from __future__ import annotations

import re

MISSED = re.compile(
    r"'(?:numpy\.ndarray|list)' object has no attribute "
    r"'(iterrows|itertuples|iloc|loc|iat|values|to_numpy|columns|apply|sample|drop|head|index)'"
)


def frames_told(told: str) -> str:
    """Return a sentence about a table that code asks for; empty where an error tells of none."""
    match = MISSED.search(told)
    if match is None:
        return ""
    return (
        f"; .{match.group(1)} is of a table of pandas, and networks are handed arrays: let it take arrays, and hand "
        "over df.to_numpy()"
    )
