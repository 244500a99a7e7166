"""OpenCV computes without IPP in every thread and process, quietly; the libraries that decide bytes are named."""

from __future__ import annotations

import operator
import os
import subprocess
import sys
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from common.errors import UserError
from preprocess.libraries import check_libraries, difference, libraries, use_portable_code
from preprocess.workers import in_processes

OURS = {"opencv": "5.0.0", "numpy": "2.4.6", "pillow": "13.0.0"}

SCRIPT = """
import threading
from preprocess.libraries import use_portable_code
use_portable_code()
import cv2, numpy as np
used = [cv2.ipp.useIPP()]
thread = threading.Thread(target=lambda: used.append(cv2.ipp.useIPP()))
thread.start(), thread.join()
cv2.resize(np.zeros((999, 999, 3), np.uint8), (100, 100))
print(used)
"""


def test_no_thread_uses_ipp_and_opencv_logs_nothing() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OPENCV_IPP"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("[False, False]\n", "")


@pytest.mark.parametrize("workers", [1, 2])
def test_no_worker_uses_ipp(workers: int) -> None:
    assert list(in_processes(operator.call, [(cv2.ipp.useIPP,)] * 4, workers)) == [False] * 4


def test_the_log_level_is_left_as_it_was() -> None:
    log = getattr(cv2.utils, "logging", cv2)
    level = log.getLogLevel()
    use_portable_code()
    assert log.getLogLevel() == level


OPERATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "area": lambda image: cv2.resize(image, (97, 121), interpolation=cv2.INTER_AREA),
    "half": lambda image: cv2.resize(image, (180, 240), interpolation=cv2.INTER_AREA),
    "linear": lambda image: cv2.resize(image, (500, 700), interpolation=cv2.INTER_LINEAR),
    "blur": lambda image: cv2.GaussianBlur(image, (0, 0), 1.0),
    "box": lambda image: cv2.boxFilter(image, cv2.CV_16U, (9, 9), normalize=False),
    "lab": lambda image: cv2.cvtColor(image, cv2.COLOR_RGB2LAB),
    "jpeg": lambda image: cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1],
    "png": lambda image: cv2.imencode(".png", image)[1],
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_remains_does_not_depend_on_vector_instructions(operation: str) -> None:
    use_portable_code()
    noise = np.random.default_rng(7).integers(0, 256, (480, 360, 3), np.uint8)
    image = cv2.medianBlur(noise, 5)
    quick = OPERATIONS[operation](image)
    cv2.setUseOptimized(False)
    try:
        assert np.array_equal(OPERATIONS[operation](image), quick)
    finally:
        cv2.setUseOptimized(True)


def test_the_libraries_have_versions() -> None:
    found = libraries()
    assert {"opencv", "opencv jpeg", "opencv png", "opencv zlib", "numpy", "pillow", "pillow jpeg"} <= found.keys()
    assert found["opencv"] == cv2.__version__
    assert "?" not in found.values()
    assert found["opencv acceleration"] == "none" or not found["opencv acceleration"].startswith("ipp")


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        (OURS, ""),
        ({**OURS, "numpy": "1.26.4"}, "built with numpy 1.26.4, and this machine has numpy 2.4.6"),
        (
            {**OURS, "numpy": "1.26.4", "opencv": "4.12.0"},
            "built with opencv 4.12.0, numpy 1.26.4, and this machine has opencv 5.0.0, numpy 2.4.6",
        ),
        ({"opencv": "5.0.0", "numpy": "2.4.6"}, "built with pillow ?, and this machine has pillow 13.0.0"),
    ],
)
def test_both_versions_of_what_differs_are_named(theirs: dict[str, str], said: str) -> None:
    assert difference(theirs, OURS) == said
    if said:
        with pytest.raises(
            UserError, match=r"--out x: built with .*; install the same versions, or give another --out"
        ):
            check_libraries("--out x", theirs, OURS)
    else:
        check_libraries("--out x", theirs, OURS)
