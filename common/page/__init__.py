"""HTML pages of both programs: shared style, template engine and writer.

``templates/`` holds base.css (colours and type of every page: the reports of prep and trainer, and the demo),
reports.css (tables, figures and filters of the two reports), base.html (a report's frame: one file that loads
no external resources and runs only its own script) and macros.html. A page's own parts are in its own package.
"""

from common.page.rendering import base_style, open_templates, read_part, report_style, source_hash, write_page

__all__ = ["base_style", "open_templates", "read_part", "report_style", "source_hash", "write_page"]
