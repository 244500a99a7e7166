import pytest
from pydantic import BaseModel

from schemas.__main__ import DOCUMENTS, FOLDER, json_schema


@pytest.mark.parametrize(("name", "model"), DOCUMENTS.items(), ids=DOCUMENTS)
def test_json_schema_and_model_agree(name: str, model: type[BaseModel]) -> None:
    held = (FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")
    assert held == json_schema(model), "run `make schemas`"


def test_no_schema_is_left_over() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.schema.json" for name in DOCUMENTS}
