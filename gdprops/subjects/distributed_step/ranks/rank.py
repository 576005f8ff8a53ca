"""The life of a rank: it connects to the judging process, joins its world, and runs one case after the other."""

from __future__ import annotations

import faulthandler
import os
import random
import signal
import sys
import traceback
import warnings
from datetime import timedelta
from importlib import import_module
from multiprocessing.connection import Client
from pathlib import Path
from time import monotonic
from typing import Any, NoReturn

from gdprops.subjects.distributed_step.ranks.messages import Ask, Meet, Raised, Ran

STACK, PRINTED = "stack", "printed"
"""The files of a rank: where it stands when it is asked or crashes, and what it has printed."""
LOADED = (
    "torch.nn.parallel",
    "torch.distributed.fsdp",
    "torch.distributed.tensor",
    "torch.distributed.device_mesh",
    "torch.distributed.optim",
    "torch._dynamo",
    "torch.profiler",
    "gdprops.subjects.distributed_step.ranks.rank_run",
)
"""What the nursery imports, so that no rank has to; DistributedDataParallel imports dynamo when it is first used."""


def load() -> None:
    """Import everything that ranks need."""
    warnings.simplefilter("ignore")
    for module in LOADED:
        import_module(module)


def file_of(folder: Path, kind: str, number: int, world: int) -> Path:
    """Return the path of a file of a rank."""
    return folder / f"{kind}-{number}-of-{world}"


def live(address: str, key: bytes, folder: Path, number: int, world: int) -> NoReturn:
    """Answer what is asked until the judging process closes the connection."""
    _own_streams(file_of(folder, PRINTED, number, world))
    stack = file_of(folder, STACK, number, world).open("w")
    faulthandler.enable(stack)
    faulthandler.register(signal.SIGUSR1, stack, all_threads=True)
    random.seed(number)
    connection = Client(address, authkey=key)
    connection.send(os.getpid())
    while True:
        try:
            asked = connection.recv()
        except (EOFError, OSError):
            os._exit(0)
        connection.send(_answer(asked, number, world))


def _own_streams(printed: Path) -> None:
    """Read from nothing, and print into a file: standard output is the nursery's answers."""
    nothing, file = os.open(os.devnull, os.O_RDONLY), os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(nothing, 0)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - as long as the process lives


def _answer(asked: Any, number: int, world: int) -> Any:
    try:
        if isinstance(asked, Meet):
            _meet(asked, number, world)
            return None
        from gdprops.subjects.distributed_step.ranks.rank_run import run

        assert isinstance(asked, Ask)
        return run(asked, number, world)
    except BaseException as error:  # a bug of gdprops: what the user's code raises is told by `run`
        text = "".join(traceback.format_exception(error))
        return Ran(number, raised=Raised("gdprops", type(error).__name__, text, "", monotonic()))


def _meet(asked: Meet, number: int, world: int) -> None:
    import torch
    from torch import distributed
    from torch._C._distributed_c10d import PrefixStore, TCPStore

    from gdprops.subjects.distributed_step.ranks import sends

    torch.set_num_threads(1)
    os.environ.update(RANK=str(number), LOCAL_RANK=str(number), WORLD_SIZE=str(world), LOCAL_WORLD_SIZE=str(world))
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(asked.port))
    store = TCPStore("127.0.0.1", asked.port, is_master=False, wait_for_workers=False)
    sends.watch()
    distributed.init_process_group(
        "gloo",
        store=PrefixStore(asked.prefix, store),
        rank=number,
        world_size=world,
        timeout=timedelta(seconds=asked.seconds),
    )
