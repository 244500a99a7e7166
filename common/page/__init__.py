"""The pages that both programs make for people: one look, one template engine, one way to write them.

``templates/`` holds base.css (colours and type of every page: the reports of prep and trainer, and the demo),
reports.css (tables, figures and filters of the two reports), base.html (a report's frame: one file that fetches
nothing and runs no script but its own) and macros.html. What only one page needs is with that page.
"""

from common.page.rendering import base_style, open_templates, read_part, report_style, source_hash, write_page

__all__ = ["base_style", "open_templates", "read_part", "report_style", "source_hash", "write_page"]
