"""Adds to the site what is made of the code: the specification, the matrix, the commands' help, and the pictures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

sys.path.insert(0, str(Path(__file__).parent))

import pictures
from matrix.pages import pages as matrix_pages
from matrix.pages import violating
from matrix.records import packages

from gdprops.clauses import catalogue
from gdprops.cli import cli
from gdprops.report.clause_pages import pages


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages and pictures to the files of the site."""
    examined = packages()
    made = {
        f"specification/{name}": text + violating(examined, name.removesuffix(".md"))
        for name, text in pages(catalogue())
    }
    around = (Path(config["docs_dir"]) / "matrix" / "index.md").read_text(encoding="utf-8")
    made |= {f"matrix/{name}": text for name, text in matrix_pages(examined, around)}
    made["reference/commands.md"] = commands()
    made["changelog.md"] = (Path(__file__).parents[1] / "CHANGELOG.md").read_text(encoding="utf-8")
    made |= {f"pictures/{name}": text for name, text in pictures.pictures()}
    for path, text in made.items():
        there = files.get_file_from_path(path)
        if there is not None:
            files.remove(there)
        files.append(File.generated(config, path, content=text))
    return files


def commands() -> str:
    """Return the help of every command as a page."""
    parts = ["# Commands\n", "What `gdprops COMMAND --help` prints.\n"]
    for name, command in sorted(cli.commands.items()):
        with command.make_context(f"gdprops {name}", [], resilient_parsing=True, max_content_width=100) as context:
            parts.append(f"## gdprops {name}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)
