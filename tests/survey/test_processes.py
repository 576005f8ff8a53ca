"""The fork server of a survey: what every optimizer needs is loaded before its process begins."""

from __future__ import annotations

import sys
from multiprocessing.connection import Connection

import pytest

from gdprops.survey.processes import LOADED, _context

pytestmark = pytest.mark.xdist_group("survey")


def tell_what_is_missing(channel: Connection) -> None:
    """Send the modules that this process would have to import."""
    channel.send([name for name in LOADED if name not in sys.modules])


@pytest.mark.skipif(sys.platform == "win32", reason="a platform without fork servers")
def test_no_process_of_a_survey_imports_what_all_of_them_need() -> None:
    context = _context()
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=tell_what_is_missing, args=(sending,))
    process.start()
    missing = receiving.recv()
    process.join()
    assert missing == []
