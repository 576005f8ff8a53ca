"""The databases of failing examples: a folder, and optionally a Redis server that several machines share."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, final

from hypothesis.database import DirectoryBasedExampleDatabase, ExampleDatabase

from gdprops.errors import UsageError

SCHEMES = ("redis://", "rediss://", "unix://")
SECONDS = 2.0
"""A server that does not answer within this time counts as down."""


@cache
def database_at(folder: str, server: str | None = None) -> ExampleDatabase:
    """Return the database in a folder, combined with a Redis server if one is named.

    Each combination is created once per process.
    """
    local = DirectoryBasedExampleDatabase(folder)
    return local if server is None else Shared(local, server)


def require_server(server: str) -> None:
    """Raise `UsageError` if this is not the address of a Redis server, or if the package ``redis`` is missing."""
    from importlib.util import find_spec

    if not server.startswith(SCHEMES):
        raise UsageError(f"share={_public(server)!r}; expected the address of a Redis server, redis://HOST:PORT")
    if find_spec("redis") is None:
        raise UsageError("share needs redis: pip install 'gdprops[redis]'")


def _public(server: str) -> str:
    """Return an address without its password."""
    scheme, found, rest = server.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if found else server


@final
class Shared(ExampleDatabase):
    """A database in a folder and on a server: both are written and read.

    If the server is down, one warning is printed, and the server is not used again.
    """

    def __init__(self, local: ExampleDatabase, server: str) -> None:
        super().__init__()
        self._local, self._name = local, _public(server)
        self._remote: ExampleDatabase | None = None
        with self._tolerating():
            self._remote = _connected(server)

    def fetch(self, key: bytes) -> Iterable[bytes]:
        """Return the values of a key that the folder or the server holds."""
        return {*self._local.fetch(key), *self._asked(lambda remote: set(remote.fetch(key)))}

    def save(self, key: bytes, value: bytes) -> None:
        """Save a value under a key in the folder and on the server."""
        self._local.save(key, value)
        self._asked(lambda remote: remote.save(key, value))

    def delete(self, key: bytes, value: bytes) -> None:
        """Delete a value of a key from the folder and from the server."""
        self._local.delete(key, value)
        self._asked(lambda remote: remote.delete(key, value))

    def _asked(self, ask: Callable[[ExampleDatabase], Any]) -> Any:
        remote, answer = self._remote, None
        if remote is not None:
            with self._tolerating():
                answer = ask(remote)
        return answer or ()

    @contextlib.contextmanager
    def _tolerating(self) -> Iterator[None]:
        from redis.exceptions import RedisError

        try:
            yield
        except (RedisError, OSError, ValueError) as error:
            self._remote = None
            why = f"{type(error).__name__}: {' '.join(str(error).split())}"
            told = f"{self._name} is not used ({why}); failing examples are kept on this machine"
            print(f"gdprops: warning: {told}", file=sys.stderr)


def _connected(server: str) -> ExampleDatabase:
    import redis
    from hypothesis.extra.redis import RedisExampleDatabase

    client = redis.Redis.from_url(server, socket_timeout=SECONDS, socket_connect_timeout=SECONDS)
    client.ping()
    return RedisExampleDatabase(client, key_prefix=b"gdprops:")
