"""Fixtures that all tests share."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from configurations import CONFIGURATION
from forked_programs import ForkedPrograms
from shared_folders import OncePerRun, once_per_run

from schemas import Configuration

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads slow each other down beside any busy process


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # in the background it is ignored, and so by what tests start

_COLLECTED = pytest.StashKey[set[Path]]()


@pytest.hookimpl(tryfirst=True)  # before `-m` and `-k` deselect
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    config.stash[_COLLECTED] = {item.path for item in items}


_STARTED = time.monotonic()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Start no slow test once SLOW_MINUTES are over; those that are left out are named in the summary."""
    minutes = os.environ.get("SLOW_MINUTES")
    if minutes and item.get_closest_marker("slow") and time.monotonic() - _STARTED > 60 * float(minutes):
        pytest.skip(f"not started within SLOW_MINUTES={minutes}")


@pytest.fixture(scope="session")
def collected_files(pytestconfig: pytest.Config) -> set[Path]:
    """The files of which this run collected tests; the test is skipped where it was told to collect a part only."""
    if {(pytestconfig.invocation_params.dir / one).resolve() for one in pytestconfig.args} != {Path(__file__).parent}:
        pytest.skip("only part of the tests was collected")
    return pytestconfig.stash[_COLLECTED]


@pytest.fixture(scope="session", name="once_per_run")
def _once_per_run(tmp_path_factory: pytest.TempPathFactory) -> OncePerRun:
    """Make a folder once for all workers: (name, what fills it) → the folder, which tests read or copy."""
    return once_per_run(tmp_path_factory)


@pytest.fixture(scope="session")
def programs() -> Iterator[ForkedPrograms]:
    """Run a program in a process of its own that has imported torch: `run` takes the words after `python -m`."""
    forked = ForkedPrograms()
    yield forked
    forked.close()


@pytest.fixture(scope="session")
def looks_with_truth(once_per_run: OncePerRun) -> Path:
    """A drawn dataset of fifteen looks, with the truth of swaps on two of them."""

    def draw(folder: Path) -> None:
        from preprocess.synthetic.dataset_writer import write_dataset

        write_dataset(folder / "aihub", looks=15, seed=17, truth=2, workers=1)

    return once_per_run("fifteen-looks", draw) / "aihub"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real photographs; the test is skipped where it is absent."""
    folder = Path(os.environ.get("TRYON_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real photographs in {folder}: set TRYON_REAL_DATA to a folder that holds aihub-sample/")
    return folder


@pytest.fixture(scope="session")
def estimator_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all four weights: rembg's own u2net, and networks trained on drawn people for the other three.

    The test is skipped where packages or u2net.onnx are missing. TRYON_DRAWN_WEIGHTS keeps what was trained.
    """
    for package in ("torch", "ultralytics", "rembg", "onnx"):
        pytest.importorskip(package, reason=f"{package} is not installed (extra `estimate`, torch, and onnx)")
    given = Path(os.environ.get("TRYON_WEIGHTS", "weights")) / "u2net.onnx"
    if not given.is_file():
        pytest.skip(f"no {given}: set TRYON_WEIGHTS to a folder that holds rembg's u2net.onnx")
    import torchvision_ops
    from drawn_networks import drawn_weights

    torchvision_ops.provide()
    folder = tmp_path_factory.mktemp("weights")
    for file in drawn_weights(tmp_path_factory.mktemp("drawn-weights")).glob("*.*"):
        (folder / file.name).symlink_to(file)
    (folder / given.name).symlink_to(given.resolve())
    return folder


@pytest.fixture(scope="session")
def with_torchvision_ops(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a program that is started and that needs torchvision's operators."""
    helpers = Path(__file__).parent / "helpers"
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(
        f"import sys\nsys.path.append({str(helpers)!r})\nimport torchvision_ops\ntorchvision_ops.provide()\n"
    )
    paths = os.pathsep.join([str(folder), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def configuration() -> Configuration:
    """What `prep build-shards` is set to where the command line says nothing; a test changes what it is about."""
    return CONFIGURATION


@dataclass
class Page(HTMLParser):
    """What a browser would make of the page: tags with their attributes, text, and tables."""

    source: str
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    tables: list[list[list[str]]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    in_cell: bool = False

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self.in_cell = True
        elif tag == "br" and self.in_cell:
            self.tables[-1][-1][-1] += "\n"

    def handle_endtag(self, tag: str) -> None:
        self.in_cell = self.in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self.in_cell:
            self.tables[-1][-1][-1] += data.replace("\N{NARROW NO-BREAK SPACE}", "")

    @property
    def text(self) -> str:
        """All that is read, and no markup."""
        return "".join(self.words)

    def all(self, tag: str, of_class: str = "") -> list[dict[str, str | None]]:
        """The attributes of every such tag."""
        found = [attributes for name, attributes in self.tags if name == tag]
        return [one for one in found if not of_class or of_class in (one.get("class") or "").split()]

    def table(self, title: str) -> dict[str, list[int]]:
        """The counts of a table by the name of their row: each split's, then all."""
        rows = next(table for table in self.tables if table[0][0] == title)
        return {row[0].split("\n")[0]: [int(cell) for cell in row[1:-1]] for row in rows[1:]}

    def assert_nothing_is_fetched(self) -> None:
        """No attribute and no style leads out of the page, and the browser is told to refuse what would."""
        links = [
            (tag, value)
            for tag, attributes in self.tags
            for name, value in attributes.items()
            if name in ("src", "href", "srcset", "action", "data", "poster", "xlink:href", "formaction")
        ]
        assert links
        assert not [link for link in links if not (link[1] or "").startswith(("#", "data:"))]
        styles = "".join(re.findall(r"<style>(.*?)</style>", self.source, flags=re.DOTALL))
        assert styles
        assert not re.search(r"url\(|@import", styles)
        policies = [one["content"] for one in self.all("meta") if one.get("http-equiv") == "Content-Security-Policy"]
        assert [policy for policy in policies if policy and policy.startswith("default-src 'none'")]


@pytest.fixture(scope="session")
def take_apart() -> Callable[[Path], Page]:
    """Read a page as a browser would, without running its scripts."""
    return lambda path: Page(path.read_text("utf-8"))


_PATIENCE = 300_000
"""Milliseconds that a browser is given for a step, on a machine that has other things to do."""
_FAKE_CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@dataclass
class Tab:
    """A page as a browser has loaded it; what it complains of and asks for is written down from the first moment."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def load(self, path: Path | str) -> None:
        self.page.set_default_timeout(_PATIENCE)
        self.page.on("console", lambda said: self.complaints.append(f"{said.type}: {said.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path if isinstance(path, str) else path.as_uri())

    def assert_quiet(self, path: Path) -> None:
        """Nothing was complained of, and nothing was asked for but the file itself and what it holds."""
        assert not self.complaints
        asked = {url for url in self.requests if not url.startswith(("data:", "blob:"))}
        assert asked == {path.as_uri()}

    def assert_accessible(self) -> None:
        """axe-core finds nothing against WCAG 2.2 AA (contrast among it), nor against its own best practice."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page, options={"runOnly": _RULES}).response["violations"]
        assert not [(one["id"], one["nodes"][0]["html"], one["nodes"][0]["failureSummary"]) for one in found]

    def assert_no_wider_than_the_screen(self) -> None:
        wide, screen = self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= screen

    def tab_to(self, selector: str) -> None:
        """Press Tab until the element is reached."""
        for _ in range(200):
            self.page.keyboard.press("Tab")
            if self.page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        raise AssertionError(f"{selector} cannot be reached by Tab")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A browser; the test is skipped where there is none: pip install 'tryon-cascade[browser]', and a chromium."""
    api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install 'tryon-cascade[browser]'")
    with api.sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
        program = own if own.exists() else shutil.which("chromium") or shutil.which("google-chrome")
        if program is None:
            pytest.skip("no chromium: playwright install chromium, or the system's package")
        browser = playwright.chromium.launch(executable_path=program, timeout=_PATIENCE, args=_FAKE_CAMERA)
        yield browser
        browser.close()


@pytest.fixture
def open_tab(chromium: Any) -> Iterator[Callable[..., Tab]]:
    """Load a page in a tab of its own: (path or URL, width in pixels, light or dark)."""
    contexts = []

    def load(path: Path | str, width: int = 1280, scheme: str = "light") -> Tab:
        contexts.append(chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme))
        tab = Tab(contexts[-1].new_page())
        tab.load(path)
        return tab

    yield load
    for context in contexts:
        context.close()
