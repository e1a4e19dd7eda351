"""What is compared with what, and which time was in force: reports take their words from it, remedies their advice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["builds", "fresh", "images"]
# Whether the engine dated files: it did, only the image, it did by an option that RUN does not see, it cannot, or it
# was told no time.
Dating = Literal["files", "image", "option", "none", "no-time"]

_TITLES = {
    "builds": "Two builds compared",
    "fresh": "A fresh build compared with an image",
    "images": "Two images compared",
}
_DIFFERENT = {
    "builds": "different: rebuilding gives other files or another configuration",
    "fresh": "different: building it now gives other files or another configuration",
    "images": "different: their files or configurations are not the same",
}
_RESULTS = {
    "identical": "identical: both have the same digest (level 4)",
    "same-files": "same files: only times, order or the way they are stored differ (level 3)",
}


@dataclass(slots=True, frozen=True)
class Circumstances:
    """`kind` tells what is compared: two builds of the same inputs, an image and a fresh build, or two images of which
    nothing is known. `names` are what sentences call the two. `epoch` and `dating` are
    of the builds made for this, None where it is not known.
    """

    kind: Kind = "builds"
    names: tuple[str, str] = ("the first", "the second")
    dating: Dating | None = None
    epoch: int | None = None

    @property
    def title(self) -> str:
        """A headline."""
        return _TITLES[self.kind]

    def told(self, result: str) -> str:
        """A comparison's result as a sentence."""
        return _RESULTS.get(result) or _DIFFERENT[self.kind]
