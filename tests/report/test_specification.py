"""The specification as a list, one clause at a time, and as Markdown; its glossary."""

from __future__ import annotations

import pytest

from gdprops.clauses import COMMON_DECISIONS, catalogue
from gdprops.model.glossary import ENTRIES, used_in
from gdprops.model.verdict import SPECIFICATION
from gdprops.numerics.published.table import PUBLISHED
from gdprops.report.consoles import to_text
from gdprops.report.specification import markdown, markdown_table, print_clause, print_glossary, print_list
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
        "gdprops show CLAUSE explains a clause: how it is decided,",
        "where it comes from.",
        "gdprops show glossary defines the words and symbols.",
    ]


def test_one_clause_is_explained() -> None:
    text = to_text(lambda console: print_clause(console, some_clauses()[0]))
    assert text == (
        "gradient.pure\n"
        "Looking moves nothing | not even [b]buffers[/b].\n\n"
        "Level\n  required: a violation is always a bug\n\n"
        "Decided\n  Bytes are compared.\n\n"
        "Source\n  A real bug.\n\n"
        "Claim\n  ◆ made in the source documents (a forum answer and an article)\n\n"
        "Refuted by\n  writes-through-data, moves-buffers\n\n"
        "Since\n  specification 1, revision 1\n\n"
        "Page\n  https://gdprops.example/specification/gradient.pure/\n\n"
        "Words\n  source documents: gdprops show glossary defines them"
    )


def test_a_recommendation_says_what_it_means() -> None:
    text = to_text(lambda console: print_clause(console, some_clauses()[1]))
    assert "recommended: fails only with --strict" in text
    assert "no fault yet" in text


def test_markdown_has_everything() -> None:
    text = markdown(some_clauses())
    assert text.startswith(f"# The specification of gradient descent, version {SPECIFICATION}\n")
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


def test_a_clause_names_the_words_and_symbols_that_it_uses() -> None:
    text = to_text(lambda console: print_clause(console, catalogue()["step.once"]))
    assert text.endswith("Words\n  w, g, s, U, clock, decisive: gdprops show glossary defines them")


def test_a_published_clause_is_printed_with_what_all_of_its_chapter_share() -> None:
    text = to_text(lambda console: print_clause(console, catalogue()["published.adam"]), width=2000)
    decided = (
        "Decided\n  Like all clauses of the chapter published, over 3 to 5 steps. Switched on: weight_decay, eps.\n"
    )
    shared = f"All clauses of the chapter published are decided like this\n  {COMMON_DECISIONS['published']}\n"
    assert decided in text
    assert shared in text


def test_markdown_says_once_what_all_clauses_of_a_chapter_share() -> None:
    text = markdown(catalogue())
    heading = "## published: a named optimizer equals its published update rule\n\n"
    shared = f"All clauses of the chapter published are decided like this: {COMMON_DECISIONS['published']}\n"
    assert heading + shared in text
    assert text.count(COMMON_DECISIONS["published"]) == 1


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_clause_names_the_steps_and_hyperparameters_of_its_cases(name: str) -> None:
    rule, decision = PUBLISHED[name], catalogue()[f"published.{name}"].decision
    few, many = rule.steps
    assert f"over {few} {'or' if many == few + 1 else 'to'} {many} steps" in decision
    assert decision.endswith(f"Switched on: {', '.join(rule.options) or 'nothing'}.")


def test_the_glossary_defines_every_symbol_and_word_once() -> None:
    names = [entry.name.partition(" (")[0] for entry in ENTRIES]
    assert len(set(names)) == len(names)
    assert {"U", "w", "s", "g", "J", "lower(H)", "η", "μ", "τ", "δ", "ψ"} <= set(names)
    assert {"block", "sweep", "clock", "exact case", "running bound", "noise floor"} <= set(names)
    assert {"decisive", "vacuous", "reference", "kind"} <= set(names)
    assert all(entry.meaning.endswith(".") for entry in ENTRIES)


def test_the_glossary_is_printed_and_opens_the_markdown() -> None:
    page, document = to_text(print_glossary, width=400), markdown(some_clauses())
    assert document.index("## Words and symbols\n") < document.index("## gradient")
    for entry in ENTRIES:
        assert f"  {entry.name}\n      {entry.meaning}" in page
        assert f"- **{entry.name}**: {entry.meaning}\n" in document


def test_markdown_links_the_words_of_a_clause_to_the_glossary() -> None:
    assert "- **Words**: source documents ([words and symbols](#words-and-symbols))\n" in markdown(some_clauses())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("One step equals U(w, g(w), s).", ["w", "g", "s", "U"]),
        ("v_b - w'_b = -η g_b", ["w", "g", "η (eta)"]),
        ("η² lower(H) g", ["g", "η (eta)", "lower(H)"]),
        ("Δ ← η₊Δ where the sign stays", []),
        ("Clocks of two blocks, within the running bound", ["block", "clock", "running bound"]),
        ("A smaller rate lowers the loss of pytorch/pytorch#1 and apex#766.", []),
        ("a noise floor, an exact case: decisive", ["exact case", "noise floor", "decisive"]),
    ],
)
def test_words_are_found_in_a_text(text: str, names: list[str]) -> None:
    assert [entry.name for entry in used_in(text)] == names
