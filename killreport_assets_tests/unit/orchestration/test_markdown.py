"""Names in Markdown are shown as they are: no markup of theirs is rendered, and no table gets another column."""

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from killreport_assets.base.text import printable
from killreport_assets.orchestration.markdown import markdown_list, markdown_table

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])  # with HTML, as it comes
MARKUP = [
    "<script>",
    "</td>",
    "|",
    "`",
    "```",
    "\n",
    "\r\n",
    "[x](javascript:alert(1))",
    "![x](//e.com)",
    "&lt;",
    "&#60;",
]
MARKUP += [
    "\\",
    "\\|",
    "**",
    "_",
    "~~",
    "# ",
    "> ",
    "- ",
    "+ ",
    "1. ",
    "1) ",
    "===",
    "---",
    "    ",
    "\t",
    "<http://e.com>",
    "a",
    " ",
]
NAMES = st.lists(st.sampled_from(MARKUP) | st.text(max_size=3), max_size=8).map("".join)

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


def _shown(markdown: str) -> list[list[tuple[str, str]]]:
    """What a reader sees, as the pieces of each piece of text: their kind and content."""
    inline = [token for token in MARKDOWN.parse(markdown) if token.type == "inline"]
    assert not [
        token.type for token in MARKDOWN.parse(markdown) if token.type in {"html_block", "fence", "code_block", "hr"}
    ]
    return [[(piece.type, piece.content) for piece in token.children or []] for token in inline]


def _as_they_are(names: list[str]) -> list[list[tuple[str, str]]]:
    shown = [printable(name).strip() for name in names]
    return [[("text", name)] if name else [] for name in shown]


@given(NAMES, NAMES)
def test_no_name_is_markup_in_a_table(one: str, other: str) -> None:
    table = markdown_table([{"name": one, "other": other}, {"name": other, "other": one}])
    assert _shown(table) == _as_they_are(["name", "other", one, other, other, one])


@given(NAMES, NAMES)
def test_no_name_is_markup_in_a_list(one: str, other: str) -> None:
    tokens = [token.type for token in MARKDOWN.parse(markdown_list([f"x {one}", f"x {other}"]))]
    assert tokens.count("list_item_open") == 2
    assert _shown(markdown_list([f"x {one}", f"x {other}"])) == _as_they_are([f"x {one}", f"x {other}"])


@given(NAMES)
def test_no_name_begins_another_list(name: str) -> None:
    tokens = [token.type for token in MARKDOWN.parse(markdown_list([name, "x"]))]
    assert tokens.count("list_item_open") == 2
    assert not {"heading_open", "blockquote_open"} & set(tokens)
