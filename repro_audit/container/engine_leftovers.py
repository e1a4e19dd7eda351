"""What a build leaves behind in the engine's store when it does not come to its end: working containers, and the images
of the steps that were done. BuildKit keeps none; the classic builder and buildah do. Which images are ours is told by
the log, so that those of other builds at the same time are left alone.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from repro_audit.container import engine_names as names
from repro_audit.container.engine_error import EngineError
from repro_audit.container.process import running

if TYPE_CHECKING:
    from collections.abc import Callable

    from repro_audit.container.engine import Engine

# which store podman and buildah use, where that is told
_STORE = "CONTAINERS_STORAGE_CONF"
_PATIENCE = 10.0  # seconds
_STEP = re.compile(r"^(?:\[\d+/\d+\] )?(?:STEP|Step) \d+(?:/\d+)? ?: (\w+)")
_MADE = re.compile(r"^ ?-+> ([0-9a-f]{10,64})$")
_CACHED = " ---> Using cache"


class Leftovers:
    """Watches one build, and removes what is its own. What was in the store before is never touched: an image that is
    made anew with the same content has the same id.
    """

    def __init__(self, engine: Engine, on_line: Callable[[str], None] | None, *, layers: bool = True) -> None:
        self._engine = engine
        self._on_line = on_line
        self._kept = engine.info.builder in ("classic", "buildah")
        self._made: list[str] = []
        self._given = False
        self._containers = self._listed(_CONTAINERS)
        self._layers = layers
        self._images = self._listed(_IMAGES) if layers else set()

    def line(self, text: str) -> None:
        """Take a line of the engine's, and hand it on."""
        step = _STEP.match(text)
        if step is not None:
            # behind FROM stands the id of the base
            self._given = step[1].upper() == "FROM"
        elif text == _CACHED:
            self._given = True
        else:
            made = _MADE.match(text)
            if made is not None and not self._given:
                self._made.append(made[1])
        if self._on_line is not None:
            self._on_line(text)

    def clear(self) -> None:
        """Remove what the build left; never raises."""
        remove = ("rm", "--force") if self._engine.info.name == "podman" else ("rm",)
        if self._engine.info.builder == "buildah":
            containers = sorted(self._listed(_CONTAINERS) - self._containers)
            # nothing tells whose a working container is
            if containers and running(("podman", "buildah"), store=_STORE):
                listed = " ".join(containers)
                command = " ".join((self._engine.program, *remove, listed))
                self._engine.tell(f"not removed, since another build runs and they may be its own: `{command}`")
            else:
                for container in containers:
                    self._remove(*remove, container)
        own = self._own() if self._layers else []
        if own and self._engine.info.builder == "classic":
            self._wait(own[0])
        # children first
        for image in reversed(own):
            self._remove("rmi", image)

    def _wait(self, image: str) -> None:
        """Wait until the daemon, which notices by itself that its client is gone, has ended the step that stands on the
        image: before that no image below it can be removed.
        """
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            if not self._command("ps", "--all", "--quiet", f"--filter=ancestor={image}").strip():
                return
            time.sleep(0.1)

    def _own(self) -> list[str]:
        """The ids of the images that were made, in that order."""
        new = self._listed(_IMAGES) - self._images
        own = [full for short in self._made for full in new if full.removeprefix("sha256:").startswith(short)]
        if own and self._engine.info.name != "buildah":
            # the step that was being finished when the program ended told no id
            told = self._command("image", "inspect", "--format={{.Id}} {{.Parent}}", *sorted(new))
            parents = [line.split() for line in told.splitlines()]
            bare = {full.removeprefix("sha256:") for full in own}
            own += [
                each[0]
                for each in parents
                if len(each) == 2
                and each[1].removeprefix("sha256:") in bare
                and each[0].removeprefix("sha256:") not in bare
            ]
        return own

    def _listed(self, which: dict[str, tuple[str, ...]]) -> set[str]:
        if not self._kept:
            return set()
        return {each for each in self._command(*which[self._engine.info.name]).split() if names.is_image(each)}

    def _remove(self, *words: str) -> None:
        if names.is_image(words[-1]):
            self._engine.discard(*words)

    def _command(self, *words: str) -> str:
        try:
            return self._engine.command(*words).stdout
        except EngineError:
            return ""


_CONTAINERS: dict[str, tuple[str, ...]] = {
    "docker": ("ps", "--all", "--quiet", "--no-trunc"),
    "podman": ("ps", "--all", "--external", "--quiet", "--no-trunc"),
    "buildah": ("containers", "--all", "--quiet", "--notruncate"),
}
_IMAGES: dict[str, tuple[str, ...]] = dict.fromkeys(_CONTAINERS, ("images", "--all", "--quiet", "--no-trunc"))
