"""Write one row for each subject as CSV, for a gradebook: the file, its verdict, one sentence, the line."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO
from typing import TYPE_CHECKING

from gdprops.report.subjects_table import line_of, sentence, status_of
from gdprops.runner.written_file import write_file

if TYPE_CHECKING:
    from gdprops.model.outcome import Outcome

COLUMNS = ("file", "verdict", "sentence", "line")


def write_csv(path: str, outcomes: Sequence[Outcome]) -> None:
    """Write the rows to a file."""
    text = StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows((one.subject, status_of(one), sentence(one), line_of(one)) for one in outcomes)
    write_file(path, text.getvalue(), newline="")
