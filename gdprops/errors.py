"""The errors that gdprops raises on purpose; everything else that escapes is a bug of gdprops."""

from __future__ import annotations

from typing import final


class GdpropsError(Exception):
    """Base of every error that gdprops raises on purpose."""


@final
class UsageError(GdpropsError):
    """The request cannot mean anything: a wrong name, argument or file. Exit code 2, one line."""


@final
class SubjectCrash(GdpropsError):
    """The subject raised on a legitimate case: a violation, shown with the subject's own message.

    ``told`` says what came back instead, where nothing was raised.
    """

    def __init__(self, doing: str, error: BaseException, *, told: str = "") -> None:
        super().__init__(told or f"{doing} raised {type(error).__name__}: {error}")
        self.doing = doing
        self.error = error
        self.told = told


class Unsupported(GdpropsError):
    """The subject does not offer what a clause asked of it, for instance a closure."""


@final
class CannotFollow(Unsupported):
    """What the subject does with its model cannot be computed beside it: nothing is decided, and a note says so."""


@final
class Uncertified(GdpropsError):
    """A case cannot be proved exact at the precision asked for."""


class SubjectStopped(BaseException):
    """The subject used up what it may use, or spoilt it.

    Not an ``Exception``: a subject's own ``except`` must not swallow it.
    """


@final
class SubjectTimeout(SubjectStopped):
    """The subject used up its time."""


@final
class SubjectPoisons(SubjectStopped):
    """The subject has changed what the whole process computes with: what comes after it would mean nothing."""


@final
class SubjectOutOfMemory(SubjectStopped):
    """The subject asked for more memory than there is, or than it may use."""
