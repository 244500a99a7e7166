"""The plots of a stage as plotly figures; the page's script draws them in the colours of the reader's theme."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from common.extras import needs
from common.text import clip
from train.reporting.run_series import Curve, Run, curve
from train.runs.metrics_file import Series

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# At least 3 : 1 on white and on the dark page.
_COLOURS: Final = (
    "#2f74b8", "#c25a00", "#2a8540", "#8a5cc2", "#cc3d3d", "#1f8a94", "#9a6b3f", "#c2528b", "#7d7f1d", "#75797f",
)  # fmt: skip
_DASHES: Final = ("solid", "dash", "dot", "dashdot")
_EARLY: Final = (31, 138, 148)
_LATE: Final = (204, 61, 61)
_MAX_CHARACTERS: Final = 60
_GIB: Final = 2**30


@dataclass(frozen=True)
class Plot:
    """One plot: its id on the page, title and note, and the figure as plotly's JSON."""

    id: str
    title: str
    note: str
    figure: dict[str, Any]


def plotly_script() -> str:
    """Return plotly's JavaScript. Raise UserError if it is not installed."""
    with needs("report"):
        from plotly.offline import get_plotlyjs
    script: str = get_plotlyjs()
    return script


def stage_plots(prefix: str, runs: Sequence[Run], numbers: dict[str, int]) -> list[Plot]:
    """Return the plots of a stage that are not empty, with ids that begin with ``prefix``.

    ``numbers`` are the runs' numbers on the page, by name.
    """
    from plotly.graph_objects import Figure, Scatter

    def lines(name: str, title: str, note: str, of_run: Callable[[Run], tuple[Any, Any] | None], **axes: Any) -> Plot:
        figure = Figure()
        for place, run in enumerate(runs):
            if points := of_run(run):
                figure.add_trace(
                    Scatter(
                        x=points[0], y=points[1], name=_label(run.name), meta=numbers[run.name],
                        mode="lines" if len(points[0]) > 1 and not axes.get("markers") else "lines+markers",
                        line={"color": _COLOURS[place % len(_COLOURS)], "dash": _dash(place), "width": 2},
                    )
                )  # fmt: skip
        return _plot(f"{prefix}-{name}", title, note, figure, axes)

    strides = sorted({curve(run.steps, run.losses).stride for run in runs if len(run.steps)})
    plots = [
        lines("loss", "Training loss", _stride_note(strides), _over_steps(lambda run: run.losses), log=True),
        lines("validation", "Validation loss", "EMA weights, fixed samples and noise",
              _validation, markers=True, log=True),
        lines("by-time", "Validation loss by noise level", "at the last validation; t = 0 is an image, t = 1 noise",
              _by_time, markers=True, log=True, x="t"),
        *(_over_time(prefix, run, numbers[run.name], Figure, Scatter) for run in runs if len(run.validations) > 1),
        lines("norm", "Gradient norm", "before clipping", _over_steps(lambda run: run.norms), log=True),
        lines("rate", "Learning rate", "of each step", _over_steps(lambda run: run.rates), zero=True),
        lines("scale", "Loss scale", "fp16", _over_steps(lambda run: run.scales), log=True),
        lines("speed", "Throughput", "images per second, averaged since the run was last started",
              _over_steps(lambda run: run.speed), zero=True),
        lines("tflops", "Arithmetic", "TFLOP/s of the forward and backward passes, recomputation not counted",
              _over_steps(lambda run: run.tflops), zero=True),
        lines("mfu", "Utilisation (MFU)", "share of the GPUs' dense peak (data sheet), %",
              _over_steps(lambda run: 100 * run.mfu), zero=True),
        lines("memory", "Memory", "peak, GiB: of the GPU, or of the process if there is none",
              _over_steps(lambda run: run.memory / _GIB), zero=True),
        lines("waits", "Waiting for data", "share of the time since the run was last started, %",
              _over_steps(lambda run: 100 * run.waits), zero=True),
    ]  # fmt: skip
    return [plot for plot in plots if plot.figure["data"]]


def _over_steps(values: Callable[[Run], Series]) -> Callable[[Run], tuple[Series, Series] | None]:
    def points(run: Run) -> tuple[Series, Series] | None:
        means = curve(run.steps, values(run))
        return (means.x, means.y) if np.isfinite(means.y).any() else None

    return points


def _validation(run: Run) -> tuple[Series, Series] | None:
    losses = _curve_of(run, [point.loss for point in run.validations])
    return (losses.x, losses.y) if run.validations else None


def _curve_of(run: Run, values: Sequence[float]) -> Curve:
    """Return the curve of one value per validation."""
    return curve(np.array([point.step for point in run.validations], np.float64), np.array(values, np.float64))


def _by_time(run: Run) -> tuple[list[float], list[float]] | None:
    if not run.validations or not run.validations[-1].by_time:
        return None
    last = run.validations[-1].by_time
    return [(place + 0.5) / len(last) for place in range(len(last))], list(last)


def _over_time(prefix: str, run: Run, number: int, figure_type: Any, scatter: Any) -> Plot:
    """Plot the loss of each range of t over the steps of one run."""
    figure = figure_type()
    for name, colour, losses in _ranges(run):
        figure.add_trace(
            scatter(
                x=losses.x, y=losses.y, name=name, meta=number, mode="lines+markers",
                line={"color": colour, "width": 2},
            )
        )  # fmt: skip
    title = f"Validation loss by noise level: {clip(run.name, _MAX_CHARACTERS)}"
    return _plot(f"{prefix}-over-time-{number}", title, "over the steps; t = 0 is an image, t = 1 noise", figure,
                 {"log": True})  # fmt: skip


def _ranges(run: Run) -> Iterator[tuple[str, str, Curve]]:
    count = max(len(point.by_time) for point in run.validations)
    for place in range(count):
        share = place / max(1, count - 1)
        colour = ", ".join(str(round(a + (b - a) * share)) for a, b in zip(_EARLY, _LATE, strict=True))
        values = [point.by_time[place] if place < len(point.by_time) else math.nan for point in run.validations]
        yield f"t {place / count:.1f}–{(place + 1) / count:.1f}", f"rgb({colour})", _curve_of(run, values)


def _plot(name: str, title: str, note: str, figure: Figure, axes: dict[str, Any]) -> Plot:
    figure.update_layout(
        template="none",
        margin={"l": 48, "r": 12, "t": 8, "b": 40},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        showlegend=len(figure.data) > 1,
        xaxis={"title": {"text": axes.get("x", "step"), "standoff": 4}},
        yaxis={
            "type": "log" if axes.get("log") else "linear",
            **({"rangemode": "tozero"} if axes.get("zero") else {}),
        },
    )
    return Plot(name, title, note, json.loads(figure.to_json()))


def _stride_note(strides: Sequence[int]) -> str:
    if not strides or strides == [1]:
        return "of every step"
    many = f"{strides[0]}" if len(strides) == 1 else f"{strides[0]} to {strides[-1]}"
    return f"each point is the mean of {many} steps"


def _dash(place: int) -> str:
    return _DASHES[place // len(_COLOURS) % len(_DASHES)]


def _label(name: str) -> str:
    """Return the name escaped for plotly, which interprets some tags, links among them, as markup."""
    return html.escape(clip(name, _MAX_CHARACTERS), quote=False)
