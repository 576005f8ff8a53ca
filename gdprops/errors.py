"""The exceptions that gdprops raises on purpose; any other exception that escapes from gdprops is a bug of gdprops."""

from __future__ import annotations

from typing import final

LONGEST_TEXT = 2000
"""How many characters of a text that is not ours are shown."""


def text_of(told: object) -> str:
    """Return the text of an error or another value of the user's, so that it can be written anywhere.

    Nothing is certain about it: ``__str__`` may raise, the text may have millions of characters, or surrogates that no
    encoding has.
    """
    try:
        text = str(told)
    except Exception as error:
        return f"(its text cannot be shown: __str__ raised {type(error).__name__})"
    if len(text) > LONGEST_TEXT:
        text = f"{text[:LONGEST_TEXT]}… ({len(text):,} characters)"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


class GdpropsError(Exception):
    """The base class of the errors that gdprops raises on purpose."""


@final
class UsageError(GdpropsError):
    """The request is wrong: a name, an argument or a file. The command prints one line and exits with code 2."""


@final
class SubjectCrash(GdpropsError):
    """The subject raised an exception on a legitimate case. It counts as a violation and shows the exception's message.

    ``told`` is the message for a subject that raised nothing but returned something unusable.
    """

    def __init__(self, doing: str, error: BaseException, *, told: str = "") -> None:
        super().__init__(told or f"{doing} raised {type(error).__name__}: {text_of(error)}")
        self.doing = doing
        self.error = error
        self.told = told


class Unsupported(GdpropsError):
    """The subject does not support what a clause needs, for instance a closure."""


@final
class CannotFollow(Unsupported):
    """What the subject does with its model cannot be computed beside it: nothing is decided, and a note says so."""


@final
class Uncertified(GdpropsError):
    """A case cannot be proved to be computed exactly at the requested precision."""


class SubjectStopped(BaseException):
    """The subject had to be stopped: it used up its time or memory, or changed the state of the process.

    It is not an ``Exception``, so that the subject's own ``except Exception`` does not catch it.
    """


@final
class SubjectTimeout(SubjectStopped):
    """The subject used up the time that it may take."""


@final
class SubjectPoisons(SubjectStopped):
    """The subject has changed a state on which all computations of the process depend; further results mean nothing."""


@final
class SubjectOutOfMemory(SubjectStopped):
    """The subject asked for more memory than there is, or for more than it may use."""
