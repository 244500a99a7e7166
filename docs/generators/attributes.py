"""The strings below a class's attributes, which say what each attribute means."""

from __future__ import annotations

import ast
import inspect
import textwrap
from itertools import pairwise


def attribute_docs(owner: type) -> dict[str, str]:
    """Return name → the string that follows the attribute in the class's source; bases first."""
    docs: dict[str, str] = {}
    for base in reversed(owner.__mro__):
        try:
            source = textwrap.dedent(inspect.getsource(base))
        except (OSError, TypeError):
            continue
        docs.update(_of_source(source))
    return docs


def _of_source(source: str) -> dict[str, str]:
    (definition,) = ast.parse(source).body
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    return {
        target.id: inspect.cleandoc(text.value.value)
        for attribute, text in pairwise(body)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
        for target in ([attribute.target] if isinstance(attribute, ast.AnnAssign) else [])
        if isinstance(target, ast.Name)
    }
