"""A file of one image, told from its header and rid of all that makes no pixel: what a decoder is given.

Each kind has a module that makes one (`jpeg`, `png`, ...); what those share is here.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.errors import ImageError
from shared.excerpts import Shown
from shared.media.kinds import Kind


@dataclass(frozen=True)
class PlainFile:
    """`data`: the file without metadata and further images. `width`, `height`: as its header says, before any turn.

    `orientation`: EXIF's, 1 to 8. `decoding`: bytes that a decoder takes for each pixel beyond the decoded image
    itself. `extra`: further bytes that it takes, whatever the pixels. `whole`: False if the end of the image is not
    marked, so that it may be cut short.
    """

    kind: Kind
    data: bytes
    width: int
    height: int
    orientation: int = 1
    decoding: float = 0.0
    extra: int = 0
    whole: bool = True

    @property
    def pixels(self) -> int:
        """As the header says."""
        return self.width * self.height


def broken(name: str, kind: Kind) -> ImageError:
    """The one refusal of a file that no decoder can make sense of."""
    return ImageError(name, _a(kind), "it is cut short or broken")


def excessive(name: str, kind: Kind, what: str) -> ImageError:
    """The refusal of a file that would cost more than any image is worth."""
    return ImageError(name, _a(kind), f"with {what}, it is not read")


def _a(kind: Kind) -> Shown:
    return Shown(f"{'an' if kind is Kind.AVIF else 'a'} {kind.value}")
