"""mkdocs hooks: generated reference pages, the repository's own documents as pages, links between both."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

from generators.api import api_pages  # noqa: E402
from generators.commands import command_reference  # noqa: E402
from generators.fault_table import fault_reference  # noqa: E402
from generators.links import ON_THE_SITE, site_links  # noqa: E402
from generators.settings import settings_reference  # noqa: E402
from generators.shard_files import shard_reference  # noqa: E402

GENERATED: dict[str, Callable[[], str]] = {
    "commands": command_reference,
    "settings": settings_reference,
    "faults": fault_reference,
    "shards": lambda: shard_reference(ROOT),
}
MARK = re.compile(r"<!-- generated: (\w+) -->(?:\n_.*_)?")
"""A mark, and the line behind it that is for readers of the file itself."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the API pages in the navigation."""
    pages = [{package: f"reference/api/{package}.md"} for package in api_pages(ROOT)]
    for section in config.nav or []:
        entries = section.get("Reference") if isinstance(section, dict) else None
        if entries is not None:
            entries.append({"API": pages})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the API pages and the repository's own documents."""
    for package, text in api_pages(ROOT).items():
        files.append(File.generated(config, f"reference/api/{package}.md", content=text))
    for name, place in ON_THE_SITE.items():
        if place.startswith("project/"):
            text = site_links((ROOT / name).read_text("utf-8"), ROOT / name, place, ROOT)
            files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put generated text in the place of its mark, and turn links into the site's."""
    source = ROOT / "docs" / page.file.src_uri
    if not source.exists():
        return markdown
    markdown = site_links(markdown, source, page.file.src_uri, ROOT)
    return MARK.sub(lambda match: _generated(match[1], page.file.src_uri), markdown)


def _generated(name: str, page: str) -> str:
    text = GENERATED[name]()
    return site_links(text, ROOT / "shards/README.md", page, ROOT) if name == "shards" else text
