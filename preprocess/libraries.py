"""The libraries that decide the bytes of shards: OpenCV is limited to code that every processor has, and all are named.

OpenCV comes with Intel's IPP on x86 only, and its results differ from OpenCV's own by up to 10 levels. What is left
gives the same 8-bit results with every set of vector instructions.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from common.errors import UserError

_ERRORS_ONLY: Final = 2
"""OpenCV's LOG_LEVEL_ERROR."""


def use_portable_code() -> None:
    """Turn IPP off in this thread, and in all others of this process if OpenCV has computed nothing yet."""
    import cv2  # not at the top: the command imports its workers early, to start the fork server meanwhile

    os.environ["OPENCV_IPP"] = "disabled"  # read once, by whichever thread first asks whether to use IPP
    log: Any = getattr(cv2.utils, "logging", cv2)  # OpenCV 5 moved the functions
    level = log.getLogLevel()
    log.setLogLevel(_ERRORS_ONLY)  # else OpenCV warns of the variable, in every process
    try:
        cv2.ipp.setUseIPP(False)
    finally:
        log.setLogLevel(level)


@cache
def _libraries() -> tuple[tuple[str, str], ...]:
    import cv2
    import numpy as np
    import PIL
    from PIL import features

    build = cv2.getBuildInformation()
    codecs = {name: _version_in(build, name) for name in ("JPEG", "PNG", "ZLib")}
    found = {
        "opencv": cv2.__version__,
        **{f"opencv {name.lower()}": version for name, version in codecs.items()},
        "opencv acceleration": _acceleration(build),
        "numpy": np.__version__,
        "pillow": PIL.__version__,
        "pillow jpeg": str(features.version("libjpeg_turbo") or features.version("jpg")),
        "pillow zlib": str(features.version("zlib")),
    }
    return tuple(found.items())


def libraries() -> dict[str, str]:
    """Return the name and version of every library that decides the bytes of shards."""
    return dict(_libraries())


def _version_in(build: str, name: str) -> str:
    """Return the version of a library of OpenCV's build, "?" if it is not stated."""
    found = re.search(rf"^\s*{name}:.*?\(ver ([^)]*)\)", build, re.MULTILINE)
    return found[1] if found else "?"


def _acceleration(build: str) -> str:
    """Return the name of the processor's own routines that OpenCV uses, "none" without; IPP is turned off."""
    found = re.search(r"^\s*Custom HAL:\s*YES \((.*)\)\s*$", build, re.MULTILINE)
    used = [one for one in re.findall(r"([\w-]+) \(ver [^)]*\)", found[1]) if one != "ipp"] if found else []
    return ", ".join(used) or "none"


def difference(theirs: Mapping[str, str], ours: Mapping[str, str]) -> str:
    """Return which libraries differ, with both versions, for a message; "" if none does."""
    if not theirs and ours:
        return "built by an earlier release, which did not note the versions of its libraries"
    names = [name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name)]
    if not names:
        return ""
    built, here = (", ".join(f"{name} {side.get(name, '?')}" for name in names) for side in (theirs, ours))
    return f"built with {built}, and this machine has {here}"


def check_libraries(where: str, theirs: Mapping[str, str], ours: Mapping[str, str] | None = None) -> None:
    """Raise UserError if the shards ``where`` (`--out shards`) are of other libraries than this process has."""
    if unlike := difference(theirs, libraries() if ours is None else ours):
        raise UserError(
            f"{where}: {unlike}, which can give other bytes; install the same versions, or give another --out"
        )
