"""How a stream may end that is nobody's mistake: none but Left's session is over, it is parked. What an end lets go."""

from __future__ import annotations

from shared.errors import CovspecError, OutOfStep, Unavailable


class Left(CovspecError):
    """The device said Finish before there was an answer."""


class Gone(OutOfStep):
    """The device is gone, or looks so."""


class Overdue(Unavailable):
    """The stream has gone on, or been idle, for longer than one may."""


def drop_frames(error: BaseException | None) -> None:
    """Drop the tracebacks of `error` and of what led to it.

    Their frames hold the stream and its last message, and the stream holds the error: nothing would be freed before
    Python's collector comes by, which counts objects and not bytes.
    """
    while error is not None:
        before = error.__context__
        error.__traceback__ = error.__context__ = error.__cause__ = None
        error = before
