"""The specification as a list, one clause at a time, and as Markdown."""

from __future__ import annotations

from gdprops.report.consoles import to_text
from gdprops.report.specification import markdown, markdown_table, print_clause, print_list
from tests.report.clauses import some_clauses


def test_the_list_has_chapters_ids_and_statements() -> None:
    text = to_text(lambda console: print_list(console, some_clauses()), width=60)
    assert text.splitlines() == [
        "gradient: looking around from one point",
        "  gradient.pure",
        "      Looking moves nothing | not even [b]buffers[/b].",
        "",
        "step: moving in all dimensions at once",
        "  step.cost (recommended)",
        "      A step costs one look.",
        "",
        "gdprops show CLAUSE explains one: how it is decided, where",
        "it comes from.",
    ]


def test_one_clause_is_explained() -> None:
    text = to_text(lambda console: print_clause(console, some_clauses()[0]))
    assert text == (
        "gradient.pure\n"
        "Looking moves nothing | not even [b]buffers[/b].\n\n"
        "Level\n  required: a violation is always a bug\n\n"
        "Decided\n  Bytes are compared.\n\n"
        "Source\n  A real bug.\n\n"
        "Claim\n  ◆ made by the source documents themselves\n\n"
        "Refuted by\n  writes-through-data, moves-buffers\n\n"
        "Since\n  specification 1, revision 1"
    )


def test_a_recommendation_says_what_it_means() -> None:
    text = to_text(lambda console: print_clause(console, some_clauses()[1]))
    assert "recommended: fails only with --strict" in text
    assert "no fault yet" in text


def test_markdown_has_everything() -> None:
    text = markdown(some_clauses())
    assert text.startswith("# The specification of gradient descent, version 1\n")
    assert "## gradient: looking around from one point\n" in text
    assert "### `gradient.pure`\n\nLooking moves nothing" in text
    assert "- **Decided**: Bytes are compared.\n" in text
    assert "- **Level**: recommended: fails only with --strict\n" in text


def test_the_table_of_the_readme() -> None:
    assert markdown_table(some_clauses()).splitlines() == [
        "| clause | statement | level |",
        "| --- | --- | --- |",
        "| `gradient.pure` ◆ | Looking moves nothing \\| not even [b]buffers[/b]. | required |",
        "| `step.cost` | A step costs one look. | recommended |",
    ]
