"""Links of a document that is read both in the repository and on the site."""

from __future__ import annotations

import os
import re
from pathlib import Path

LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s#]*)(#[^)\s]*)?\)")

ON_THE_SITE = {
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "README.md": "index.md",
    "shards/README.md": "reference/shards.md",
}
"""Files of the repository outside of docs/ → their pages."""


def site_links(markdown: str, source: Path, page: str, root: Path) -> str:
    """Return a document's text with its links as the site has them.

    ``source`` is the file whose text it is, ``page`` the page's place below docs/. A link to a file of the repository
    that is no page becomes its text; one to nothing stays, and the strict build names it.
    """

    def site_link(match: re.Match[str]) -> str:
        text, target, anchor = match[1], match[2], match[3] or ""
        if not target or "://" in target or target.startswith("mailto:"):
            return match[0]
        file = Path(os.path.normpath(source.parent / target))
        if not file.exists() or not file.is_relative_to(root):
            return match[0]
        place = _place(file.relative_to(root).as_posix())
        return f"[{text}]({os.path.relpath(place, Path(page).parent)}{anchor})" if place else text

    return LINK.sub(site_link, markdown)


def _place(file: str) -> str | None:
    return ON_THE_SITE.get(file, file.removeprefix("docs/") if file.startswith("docs/") else None)
