"""`trainer fit --profile N`: trace N steps on the host and the GPU, for viewing in a browser."""

from __future__ import annotations

import torch
from torch.profiler import ProfilerActivity

from common.errors import UserError
from train.hardware.world import World
from train.runs.run_folder import RunFolder

WARM = 3
"""Steps before the first traced one, in which memory is allocated and kernels are selected and compiled."""


class Profiler:
    """Traces ``count`` steps of rank 0 after the warm-up; does nothing if ``count`` is 0.

    RUN/profile/step-00000013.json is in Chrome's trace format: open it at https://ui.perfetto.dev or chrome://tracing.
    """

    def __init__(self, run: RunFolder, count: int, step: int, world: World) -> None:
        self._folder, self._last = run.profiles, step + WARM + count
        self._profile: torch.profiler.profile | None = None
        self._first = step + WARM if count and world.is_main else None
        if self._first == step:
            self._start()

    def stepped(self, step: int) -> None:
        """Call after every step: starts the trace before the first traced step, and writes it after the last."""
        if step == self._first:
            self._start()
        elif self._profile is not None and step == self._last:
            self._write(step)

    def close(self) -> None:
        """Write the trace if the run ended before its last traced step."""
        if self._profile is not None:
            self._write(self._last)

    def _start(self) -> None:
        activities = [ProfilerActivity.CPU]
        if torch.cuda.is_available():
            activities.append(ProfilerActivity.CUDA)
        self._profile = torch.profiler.profile(activities=activities, record_shapes=True)
        self._profile.start()

    def _write(self, step: int) -> None:
        assert self._profile is not None
        profile, self._profile = self._profile, None
        profile.stop()
        try:
            self._folder.mkdir(exist_ok=True)
            profile.export_chrome_trace(str(self._folder / f"step-{step:08d}.json"))
        except OSError as error:
            raise UserError(f"{self._folder}: {error.strerror}; omit --profile, or free some disk space") from error
