"""The interface of the loopback address, through which ranks talk: no other machine hears them."""

from __future__ import annotations

import socket


def interface() -> str:
    """Return the name of the loopback interface, empty where the platform does not tell it."""
    try:
        names = [name for _, name in socket.if_nameindex()]
    except (AttributeError, OSError):
        return ""
    return next((name for name in ("lo", "lo0") if name in names), "")
