"""Names in Markdown are shown as they are: no markup of theirs is rendered, and no table gets another column."""

from killreport_assets.orchestration.markdown import markdown_list, markdown_table

EVIL = "a|b\n\x1b[2J*bold* [link](javascript:1) <img src=x> `code` \u202e"


def test_a_table_has_its_rows_and_columns_whatever_is_in_them() -> None:
    table = markdown_table([{"name": EVIL, "id": 1}, {"name": None, "id": 2}])
    lines = table.split("\n")
    assert lines[1:2] + lines[3:] == ["| --- | --- |", "|  | 2 |"]
    assert lines[2] == (r"| a\|b\\n\\x1b\[2J\*bold\* \[link\]\(javascript:1\) \<img src=x\> \`code\` \\u202e | 1 |")
    assert markdown_table([]) == ""


def test_a_list_has_a_line_for_each_value() -> None:
    assert markdown_list(["one\n# two", 3]) == "- one\\\\n\\# two\n- 3"


def test_an_address_of_ours_stays_one() -> None:
    assert "https://zkillboard.com/kill/1/" in markdown_table([{"zkillboard": "https://zkillboard.com/kill/1/"}])
