from common.text import clip, counted, grouped, one_line


def test_messages_stay_on_one_line() -> None:
    assert one_line(ValueError("first\n  second\t third ")) == "first second third"


def test_long_text_is_cut_off_within_its_bound() -> None:
    assert clip("a" * 200) == "a" * 200
    assert clip("a" * 201) == "a" * 199 + "…"
    assert clip("abcdef", 4) == "abc…"


def test_thousands_are_grouped_by_a_no_break_space() -> None:
    assert [grouped(number) for number in (999, 1000, 1234567.4)] == ["999", "1\u202f000", "1\u202f234\u202f567"]


def test_one_of_a_kind_has_no_plural() -> None:
    assert [counted(number, "shard") for number in (0, 1, 2)] == ["0 shards", "1 shard", "2 shards"]
    assert [counted(number, "person", "people") for number in (1, 3)] == ["1 person", "3 people"]
