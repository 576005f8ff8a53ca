"""Say which packages a survey examined, and in which versions: a verdict is about one version of a package."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import packages_distributions, version


def versions_of(modules: Iterable[str]) -> dict[str, str]:
    """Return the installed version of torch and of every distribution that one of these modules belongs to.

    A file of the user's, a module of the standard library and a package that is not installed have no version, and are
    left out. The keys are the names under which packages are installed, sorted.
    """
    tops = {where.partition(":")[0].partition(".")[0] for where in ("torch", *modules) if ".py" not in where}
    known = packages_distributions()
    found = {distribution for top in tops for distribution in known.get(top, ())}
    return {name: version(name) for name in sorted(found)}
