"""The site has one address, the release one version, and the pictures are those that the code draws."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path

from gdprops.model.site import SITE, clause_address
from gdprops.version import __version__

ROOT = Path(__file__).parents[2]


def test_the_address_is_the_same_everywhere() -> None:
    assert f"site_url: {SITE}\n" in (ROOT / "docs" / "mkdocs.yml").read_text(encoding="utf-8")
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    assert urls["Documentation"] == SITE
    assert all(url.startswith(SITE) for url in urls.values())
    citation = (ROOT / ".github" / "CITATION.cff").read_text(encoding="utf-8")
    assert f'url: "{SITE}"' in citation
    assert f"version: {__version__}\n" in citation
    assert clause_address("step.once") == f"{SITE}specification/step.once/"


def test_the_pictures_are_those_that_the_code_draws() -> None:
    path = ROOT / "docs" / "pictures.py"
    spec = importlib.util.spec_from_file_location("gdprops_docs_pictures", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, text in module.pictures():
        there = (ROOT / "docs" / "pages" / "pictures" / name).read_text(encoding="utf-8")
        assert there == text, "run: python docs/pictures.py"
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
