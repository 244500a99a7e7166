import inspect

import schemas


def test_all_is_what_can_be_imported() -> None:
    public = {name for name, value in vars(schemas).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert set(schemas.__all__) == public
    assert schemas.__all__ == sorted(schemas.__all__, key=lambda name: (not name.isupper(), name))
