"""The table of traits."""

from __future__ import annotations

from gdprops.model.measurement import Measurement
from gdprops.model.note import Note
from gdprops.model.traits import Measured, Traits
from gdprops.report.consoles import to_text
from gdprops.report.trait_table import print_traits


def test_every_trait_has_a_row_and_conflicts_are_shown() -> None:
    traits = Traits(
        {"separability": Measured("element", "each entry answered to its own gradient")},
        plain="a near miss: parallel to g with the factor 2",
        conflicts=("inputs=closure, but a step without one moved the weights",),
    )
    measured = Measurement(traits, notes=(Note("it computes in float32", "sgd.py", 7),))
    text = to_text(lambda page: print_traits(page, measured, subject="mypkg:MySGD", rule="sgd"), width=100)
    assert text.startswith("mypkg:MySGD")
    assert "each entry answered to its own gradient" in text
    assert "not measured" in text
    assert "plain gradient descent: a near miss: parallel to g with the factor 2 (declared: sgd)" in text
    assert "note: it computes in float32 (sgd.py:7)" in text
    assert "declared otherwise than measured: inputs=closure, but a step" in text


def test_a_long_value_leaves_room_for_what_was_seen() -> None:
    dtypes = Measured("float64+float32+bfloat16+float16", "four steps on tensors of each dtype")
    measured = Measurement(Traits({"dtypes": dtypes}))
    text = to_text(lambda page: print_traits(page, measured, subject="a:B", rule=None), width=60)
    assert "four steps on tensors of" in text
