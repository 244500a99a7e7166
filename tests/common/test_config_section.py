"""Settings by their names."""

from common.config_section import by_name


def test_nested_settings_have_the_names_that_set_takes() -> None:
    nested = {"steps": 3, "optim": {"lr": 0.1, "betas": [0.9, 0.99], "more": {"deep": None}}, "empty": {}}
    named = {"steps": 3, "optim.lr": 0.1, "optim.betas": [0.9, 0.99], "optim.more.deep": None}
    assert by_name(nested) == named
    assert list(by_name({"seed": 1}, "shards.")) == ["shards.seed"]
