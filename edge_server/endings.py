"""How a stream may end that is nobody's mistake. None but Left's session is over: it is parked."""

from __future__ import annotations

from shared.errors import CovspecError, OutOfStep, Unavailable


class Left(CovspecError):
    """The device said Finish before there was an answer."""


class Gone(OutOfStep):
    """The device is gone, or looks so."""


class Overdue(Unavailable):
    """The stream has gone on, or been idle, for longer than one may."""
