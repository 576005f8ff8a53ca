"""Print the kill matrix: which clause caught which fault, after how many examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich import box
from rich.table import Table
from rich.text import Text

from gdprops.model.wording import plural
from gdprops.report import consoles
from gdprops.report.progress_display import displaying

if TYPE_CHECKING:
    from rich.console import Console


class Row(Protocol):
    """A fault under a clause at every seed; a row of the printed table."""

    @property
    def fault(self) -> str:
        """The fault's name."""

    @property
    def clause(self) -> str:
        """The clause that should catch the fault."""

    @property
    def killed_after(self) -> Sequence[int | None]:
        """After how many examples the fault was caught, per seed; None where it survived."""


def survived(rows: Sequence[Row]) -> list[Row]:
    """Return the rows whose fault survived at any seed."""
    return [row for row in rows if None in row.killed_after]


def matrix_table(rows: Sequence[Row], *, width: int) -> Table:
    """Return the table of faults, clauses and numbers of examples, for a terminal of this width."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, width=min(width, 120))
    table.add_column("fault", overflow="fold", ratio=1)
    table.add_column("caught by", overflow="fold", ratio=1)
    table.add_column("after examples, by seed", justify="right")
    for row in rows:
        table.add_row(Text(row.fault), Text(row.clause), _counts(row))
    return table


def _counts(row: Row) -> Text:
    cells = [Text("alive", "bold red") if n is None else Text(str(n), "green") for n in row.killed_after]
    return Text(" ").join(cells)


def print_matrix(console: Console, rows: Sequence[Row]) -> None:
    """Print the table of the kill matrix and its summary."""
    console.print(matrix_table(rows, width=console.width))
    console.print()
    console.print(Text(matrix_summary(rows), style="bold"))


@contextmanager
def watching(*, quiet: bool) -> Iterator[Callable[[Row], None]]:
    """Show on standard error how many rows are done; yield the function to call with each finished row."""
    done: list[Row] = []
    with displaying(consoles.console(stderr=True), quiet=quiet) as display:

        def on_row(row: Row) -> None:
            done.append(row)
            display.tell(f"{plural(len(done), 'cell')} done, now {row.fault}")

        yield on_row


def matrix_summary(rows: Sequence[Row]) -> str:
    """Return one sentence: how many faults were caught, and which survived which clause."""
    faults = {row.fault for row in rows}
    alive = survived(rows)
    line = f"{plural(len(faults), 'fault')}, {plural(len(rows), 'cell')}: "
    if not alive:
        return line + "every fault was caught at every seed."
    return line + "survived " + ", ".join(f"{row.fault} under {row.clause}" for row in alive) + "."
