"""Problems are counted, and an end is put to those without end."""

import pytest

from auxseg.datasets.problems import DatasetError, Report


def test_the_search_ends_after_ten_thousand_problems() -> None:
    report = Report()
    for number in range(9_999):
        report.problem("a kind", f"line {number}")
    with pytest.raises(DatasetError) as error:
        report.problem("another kind", "the last line")
    assert str(error.value).splitlines()[19:] == [
        "line 19",
        "and 9979 more: a kind",
        "the last line",
        "there may be more: the search ended after 10000 problems",
    ]


def test_a_name_cannot_look_like_another_line_or_move_the_cursor() -> None:
    report = Report()
    report.problem("a kind", "a\x1b[2J\nerror: b\u202egpj.é\u00a0猫\udc80")
    report.warning("image", "a\rb")
    with pytest.raises(DatasetError) as error:
        report.refuse()
    assert str(error.value) == "a\\x1b[2J\\nerror: b\\u202egpj.é\u00a0猫\\udc80"
    assert report.warnings() == ["image: 1, such as a\\rb"]
