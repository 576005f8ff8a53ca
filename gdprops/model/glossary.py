"""The glossary: every symbol and every special word of the specification, defined once.

Statements, decisions, messages and documentation use these words in this sense only. ``gdprops show glossary`` and the
section "Words and symbols" of ``gdprops show --markdown`` print all entries; ``gdprops show CLAUSE`` names the entries
that the clause uses. Example: ``used_in("One step equals U(w, g(w), s).")`` returns the entries w, g, s and U.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """A symbol or word, its definition, and the regular expression that finds it in a text."""

    name: str
    meaning: str
    pattern: str

    def is_in(self, text: str) -> bool:
        """Say whether a text uses the entry."""
        return re.search(self.pattern, text) is not None


def _letter(letter: str) -> str:
    """Return a pattern for a symbol of one letter: alone, with an index (w_b), a prime (w') or a factor (ηg)."""
    return rf"(?<![A-Za-z0-9_.#/:-]){letter}(?![A-Za-z0-9.-])(?!_[a-z]{{2}})"


def _word(*forms: str) -> str:
    """Return a pattern for a word in any of its forms, with a capital or without."""
    return rf"(?i:\b(?:{'|'.join(forms)})\b)"


SYMBOLS: tuple[Entry, ...] = (
    Entry("J", "The loss on one batch, as a function J(w) of the weights.", r"(?<![A-Za-z])J\b"),
    Entry(
        "w",
        "The weights (parameters) before a step; w' are the weights after it. They are divided into blocks w_1 … w_B.",
        _letter("w"),
    ),
    Entry(
        "g",
        "The gradient: g(w) = ∂J/∂w at the weights w. g_b is its part for block b.",
        r"(?<![A-Za-z0-9_.])g(?![a-z])",
    ),
    Entry("s", "The state of an optimizer before a step: momentum buffers, clocks and the like.", r"(?<=, )s\)"),
    Entry(
        "U",
        "The update rule: (w', s') = U(w, g(w), s). For plain gradient descent U is w - η g, and there is no state.",
        r"\bU\b",
    ),
    Entry("η (eta)", "The learning rate.", "η(?![₊₋])"),
    Entry(
        "lower(H)",
        "H is the Hessian of J. lower(H) keeps the entries H_ba of blocks a that a sweep visits before block b: "
        "(lower(H) g)_b is the sum of H_ba g_a over these blocks.",
        r"\blower(?:\(|_)|\bH(?:_b[ab])?\b",
    ),
    Entry("π (pi)", "An order in which a sweep visits the blocks.", "π"),
    Entry("μ (mu)", "The momentum factor: how much of the velocity is kept from one step to the next.", "μ"),
    Entry("τ (tau)", "The dampening of momentum: a new gradient enters the velocity with the factor 1 - τ.", "τ"),
    Entry("δ (delta)", "The decay of Adagrad's learning rate (lr_decay): step t uses η / (1 + (t - 1) δ).", "δ"),
    Entry(
        "ψ (psi)",
        "The speed of NAdam's momentum schedule (momentum_decay): μ at step t is β₁ (1 - 0.96^(t ψ) / 2).",
        "ψ",
    ),
    Entry("λ (lambda)", "The weight decay.", "λ"),
    Entry("ε (epsilon)", "The small number that keeps a divisor away from zero (eps).", "ε"),
    Entry("β₁, β₂ (beta)", "The factors of the running means of g and of g² (betas).", "β"),
)
"""Mathematical symbols, in the order in which they build on each other."""

WORDS: tuple[Entry, ...] = (
    Entry(
        "block",
        "A part of the weights that a sweep moves at once: a layer, a tensor, a single weight, or any set of weights.",
        _word("blocks?"),
    ),
    Entry(
        "sweep",
        "A sequential update: one block after the other moves, and the gradient of each block is computed at weights "
        "that the blocks before it have already moved.",
        _word("sweeps?", "swept"),
    ),
    Entry("displacement", "How far a step moves the weights: w' - w.", _word("displacements?")),
    Entry(
        "gradient evaluation",
        "One forward pass together with the gradient that it gives. The code calls it a look.",
        _word("gradient evaluations?"),
    ),
    Entry(
        "clock",
        "A step counter in the state of an optimizer (Adam's t). A rule keeps one for each tensor, one for each "
        "parameter group, or one for the whole optimizer.",
        _word("clocks?"),
    ),
    Entry(
        "window",
        "The micro-batches whose gradients are added up to one update. The last window of an epoch may be short.",
        _word("windows?"),
    ),
    Entry(
        "ulp",
        "The unit in the last place: the distance from a floating-point number to the next one.",
        _word("ulps?"),
    ),
    Entry(
        "kink",
        "A point where J has no derivative, such as 0 for ReLU. Kink-free cases are built so that none is met.",
        _word("kinks?", "kink-free"),
    ),
    Entry(
        "exact case",
        "An example whose numbers are small multiples of a power of two, certified before it runs: every value on the "
        "way can be represented exactly, so that two correct computations agree to the last bit and == is asked for.",
        _word("exact cases?", "cases are exact", "case is exact"),
    ),
    Entry(
        "running bound",
        "A bound on the rounding of a gradient. It is computed along with gdprops' own forward and backward pass, and "
        "no two correct computations of the gradient differ by more.",
        _word("running bounds?"),
    ),
    Entry(
        "noise floor",
        "How far a correct displacement changes when weights and inputs change by one ulp, with one ulp of the largest "
        "weight added. It is measured on gdprops' own computation, never on the subject. Allowed are 16 noise floors.",
        _word("noise floors?", "floors?"),
    ),
    Entry(
        "rival",
        "A wrong result that the clause is there to find, such as the result of a sweep or of a stale gradient.",
        _word("rivals?"),
    ),
    Entry(
        "decisive",
        "An example is decisive if it could have refuted the clause: what is allowed is at most half the distance "
        "between the expected result and each rival.",
        _word("decisive", "decides nothing", "decide nothing"),
    ),
    Entry(
        "vacuous",
        "The verdict on a clause of which too few examples were decisive: of n examples max(min(5, n), n / 4 rounded "
        "up) are needed. Such a clause has neither held nor failed.",
        _word("vacuous"),
    ),
    Entry(
        "reference",
        "The system that gdprops itself stands on: its own networks, gradients and updates. Verdicts about the "
        "reference are counted apart from verdicts about the subject.",
        _word("reference"),
    ),
    Entry(
        "kind",
        "What a subject is: an optimizer, an update rule, a training step, or hand-written backprop (--as). Each kind "
        "may have its own implementation of a clause.",
        _word("kinds?"),
    ),
    Entry(
        "source documents",
        "The two texts that gdprops started from: a forum answer on parallel and sequential updates, and an article on "
        "TensorFlow's GradientDescentOptimizer. ◆ marks every clause that states one of their claims.",
        "◆",
    ),
)
"""Special words, in the order in which they build on each other."""

ENTRIES = (*SYMBOLS, *WORDS)


def used_in(text: str) -> tuple[Entry, ...]:
    """Return the entries that a text uses, in the order of the glossary."""
    return tuple(entry for entry in ENTRIES if entry.is_in(text))
