"""Several threads that train at once: none looks at another one's gradients, and a fork waits for none of them."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import pytest

import gdprops
from gdprops.faults.watched_runs.materials import batches, mse, plain, sgd
from gdprops.model.ledger import BackwardBegins, Ledger


def train(begins: threading.Event, ends: threading.Event) -> None:
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches(2):
        optimizer.zero_grad()
        loss: Any = mse(model(inputs), targets)
        loss.backward()
        optimizer.step()
        begins.set()
        ends.wait(10)


def looked_at(ledger: Ledger) -> set[int]:
    calls = (event for event in ledger.events if isinstance(event, BackwardBegins))
    return {number for call in calls for number in call.gradients}


def test_no_thread_looks_at_the_gradients_of_another_one() -> None:
    """Where a backward call is at them, reading them crashes the process."""
    begins, ends, over = threading.Event(), threading.Event(), threading.Event()
    over.set()
    other = threading.Thread(target=train, args=(begins, ends))
    with gdprops.watch() as live:
        other.start()
        assert begins.wait(10)
        train(threading.Event(), over)
        ends.set()
        other.join()
    held = [looked_at(ledger) for ledger in live.ledgers]
    assert [ledger.steps for ledger in live.ledgers] == [2, 2]
    assert not held[0] & held[1]
    assert live.findings == ()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_does_not_wait_for_a_thread_that_it_has_not() -> None:
    live = gdprops.watch()
    turn, model = live._session._recorder.turn, plain()
    taken, ends = threading.Event(), threading.Event()

    def holds() -> None:
        with turn:
            taken.set()
            ends.wait(10)

    thread = threading.Thread(target=holds)
    with live:
        thread.start()
        taken.wait(10)
        child = os.fork()
        if not child:
            try:
                model(batches(1)[0][0])
            finally:
                os._exit(0)
        ends.set()
        thread.join()
        until = time.monotonic() + 20
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            if time.monotonic() > until:
                os.kill(child, 9)
                pytest.fail("the fork waits")
            time.sleep(0.01)
