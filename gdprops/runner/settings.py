"""The settings of a run: number of examples, seed, time limit and so on, and the profiles that preset them."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field, replace
from typing import Any, final

from gdprops.errors import UsageError
from gdprops.model.nearest_name import nearest
from gdprops.runner.project.terms import Terms
from gdprops.runner.shards import numbers


@final
@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that one run depends on besides its subject.

    Attributes:
        examples: The number of examples per clause about the subject.
        reference_examples: The number of examples per clause about the reference.
        seed: A seed for the examples; with None they are new in every run, and failing ones from the database are
            tried first.
        profile: The name of the profile.
        timeout: Seconds of the subject's own time per clause; measuring its traits may take three times as long.
        strict: Whether vacuous verdicts fail too.
        fail_fast: Whether the run stops at the first red verdict.
        database: The folder of failing examples, or None.
        counterexamples: The folder in which counterexamples are saved, or None.
        terms: What the project requires of the subject.
        shard: The part of the clauses to run, such as ``"2/3"``, or None for all.
        share: The address of a Redis server that shares failing examples, or None.
        fresh: Whether the reference is run even where its verdicts are kept from an earlier run.
    """

    examples: int = 100
    reference_examples: int = 20
    seed: int | None = None
    profile: str = "dev"
    timeout: float = 60.0
    strict: bool = False
    fail_fast: bool = False
    database: str | None = None
    counterexamples: str | None = None
    terms: Terms = field(default_factory=Terms)
    shard: str | None = None
    share: str | None = None
    fresh: bool = True

    def __post_init__(self) -> None:
        for name in ("examples", "reference_examples"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UsageError(f"{name}={value!r}; expected a whole number of at least 1")
        if self.seed is not None and (not isinstance(self.seed, int) or self.seed < 0):
            raise UsageError(f"seed={self.seed!r}; expected a whole number of at least 0, or None")
        if not (math.isfinite(self.timeout) and self.timeout > 0):
            raise UsageError(f"timeout={self.timeout!r}; expected a positive number of seconds")
        if self.shard is not None:
            numbers(self.shard)


FOLDER = ".gdprops"

USUAL = Settings(fresh=False, counterexamples=FOLDER)
PROFILES: dict[str, Settings] = {
    "dev": replace(USUAL, profile="dev", database=f"{FOLDER}/examples"),
    "ci": replace(USUAL, profile="ci", seed=0),
    "nightly": replace(USUAL, profile="nightly", examples=1000, database=f"{FOLDER}/examples"),
}


def profile(name: str) -> Settings:
    """Return a profile's settings. Raises `UsageError` for an unknown name, and suggests the nearest one."""
    if name not in PROFILES:
        raise UsageError(f"profile={name!r}; expected one of {', '.join(PROFILES)}{nearest(name, PROFILES)}")
    return PROFILES[name]


def chosen(name: str | None = None, /, **overrides: object) -> Settings:
    """Return a profile's settings, changed by every override that is not None.

    Without a name the profile is ``ci`` if the environment variable ``CI`` is set, else ``dev``.
    """
    base = profile(name if name is not None else "ci" if os.environ.get("CI") else "dev")
    given: dict[str, Any] = {key: value for key, value in overrides.items() if value is not None}
    return replace(base, **given)
