"""Chapter published: a named optimizer equals its published update rule."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from gdprops.clauses.support.lazy import lazy
from gdprops.model.clause import Clause, Level, Needs, View

if TYPE_CHECKING:
    from gdprops.clauses.support import published_forms
    from gdprops.model.domain import Domain
    from gdprops.model.evidence import Evidence
    from gdprops.model.subject import FedSubject
    from gdprops.numerics.published import table
    from gdprops.strategies import published_rule_feeds
else:
    published_forms = lazy("gdprops.clauses.support.published_forms")
    published_rule_feeds = lazy("gdprops.strategies.published_rule_feeds")
    table = lazy("gdprops.numerics.published.table")

DECISION = (
    "Several steps with the rule's own options on and gradients far above, around and far below ε; the rate halves "
    "before the last one. Each step is compared, in the subject's dtype and from the weights seen before it, with the "
    "rule written plainly in NumPy; allowed is what shaking each of its operations by one ulp may change, four times "
    "over. An example is decisive where every other known form of the rule would show."
)


def _strategy(name: str, domain: Domain) -> Any:
    return published_rule_feeds.rule_feeds(domain, table.PUBLISHED[name].steps)


def _examine(subject: FedSubject, case: Any) -> Evidence:
    return published_forms.obeys(subject, case)


def _clause(name: str, title: str, formula: str, source: str, *faults: str) -> Clause:
    return Clause(
        id=f"published.{name}",
        statement=f"{title}: {formula}.",
        source=source,
        decision=DECISION,
        level=Level.REQUIRED,
        view=View.OPTIMIZER,
        refuted_by=faults,
        cases=partial(_strategy, name),
        examine=partial(_examine),
        needs=Needs(traits=(("inputs", ("gradient",)), ("randomness", ("none",))), rule=name),
    )


_MOMENTS = "m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g²"
_CORRECTED = "m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ)"

CLAUSES = (
    _clause(
        "sgd",
        "Gradient descent",
        "w ← w − η(g + λw)",
        "Cauchy 1847; Robbins and Monro 1951.",
        "sgd-decays-after-it-moved",
    ),
    _clause(
        "momentum",
        "Momentum",
        "v ← μv + (1−τ)g, at first v ← g; w ← w − ηv",
        "Polyak 1964; torch.optim.SGD. Sutskever et al. 2013 and Keras: the rate inside the velocity.",
        "momentum-dampens-at-once",
    ),
    _clause(
        "nesterov",
        "Nesterov's momentum",
        "v ← μv + g; w ← w − η(g + μv)",
        "Nesterov 1983; torch.optim.SGD. Sutskever et al. 2013 and Keras: the rate inside the velocity.",
        "nesterov-does-not-look-ahead",
    ),
    _clause(
        "adagrad",
        "Adagrad",
        "G ← G + g²; w ← w − η/(1 + (t−1)δ) · g/(√G + ε)",
        "Duchi, Hazan and Singer 2011, figure 1.",
        "adagrad-with-epsilon-inside",
    ),
    _clause(
        "rmsprop",
        "RMSprop",
        "v ← αv + (1−α)g², centered: less the square of the mean gradient; b ← μb + g/(√v + ε); w ← w − ηb",
        "Hinton 2012, lecture 6e; Graves 2013 (centered); torch.optim.RMSprop.",
        "rmsprop-with-epsilon-inside",
    ),
    _clause(
        "adadelta",
        "Adadelta",
        "v ← ρv + (1−ρ)g²; d = √(u+ε)/√(v+ε) · g; u ← ρu + (1−ρ)d²; w ← w − ηd",
        "Zeiler 2012, algorithm 1.",
        "adadelta-remembers-gradients",
    ),
    _clause(
        "adam",
        "Adam",
        f"{_MOMENTS}; w ← w − η m̂/(√v̂ + ε), {_CORRECTED}",
        "Kingma and Ba 2015, algorithm 1; rust-autograd#16: the state is always zero.",
        "adam-without-state",
        "adam-without-correction",
        "adam-with-epsilon-inside",
        "adam-begins-with-a-synthetic-step",
    ),
    _clause(
        "adamw",
        "AdamW",
        f"w ← (1−ηλ)w, then Adam: {_MOMENTS}; w ← w − η m̂/(√v̂ + ε)",
        "Loshchilov and Hutter 2019, algorithm 2; transformers#14539 decays what has moved.",
        "adamw-couples-its-decay",
        "adamw-decays-moved-weights",
    ),
    _clause(
        "amsgrad",
        "AMSGrad",
        f"{_MOMENTS}; u ← max(u, v); w ← w − η m̂/(√(u/(1−β₂ᵗ)) + ε)",
        "Reddi, Kale and Kumar 2018, algorithm 2, with Adam's bias correction; pytorch#78807 never stored the maximum.",
        "amsgrad-never-stores-its-maximum",
    ),
    _clause(
        "adamax",
        "Adamax",
        "m ← β₁m + (1−β₁)g; u ← max(β₂u, |g| + ε); w ← w − η/(1−β₁ᵗ) · m/u",
        "Kingma and Ba 2015, algorithm 2.",
        "adamax-without-correction",
    ),
    _clause(
        "nadam",
        "NAdam",
        f"{_MOMENTS}; w ← w − η((1−μₜ)g/(1−Πμ) + μₜ₊₁m/(1−μₜ₊₁Πμ))/(√v̂ + ε), μₜ = β₁(1 − 0.96^(tψ)/2)",
        "Dozat 2016, algorithm 2; torch.optim.NAdam.",
        "nadam-does-not-look-ahead",
    ),
    _clause(
        "radam",
        "RAdam",
        "w ← w − η r m̂ √(1−β₂ᵗ)/(√v + ε) where ρ > 5, else w ← w − η m̂",
        "Liu et al. 2020, algorithm 2, and the authors' code; torch.optim.RAdam.",
        "radam-never-rectifies",
    ),
    _clause(
        "rprop",
        "Rprop",
        "Δ ← η₊Δ where the sign of g stays, Δ ← η₋Δ and g ← 0 where it turns; w ← w − sign(g)Δ",
        "Riedmiller and Braun 1993; Igel and Hüsken 2000 (iRprop−); torch.optim.Rprop.",
        "rprop-moves-where-it-turned",
    ),
    _clause(
        "lion",
        "Lion",
        "w ← w − η(sign(β₁m + (1−β₁)g) + λw); m ← β₂m + (1−β₂)g",
        "Chen et al. 2023, algorithm 2.",
        "lion-remembers-first",
    ),
    _clause(
        "lars",
        "LARS",
        "v ← μv + η r (g + λw), r = c|w|/(|g| + λ|w|) of the tensor; w ← w − v",
        "You, Gitman and Ginsburg 2017, algorithm 1.",
        "lars-scales-nothing",
    ),
    _clause(
        "lamb",
        "LAMB",
        "d = m̂/(√v̂ + ε) + λw; w ← w − η |w|/|d| · d of the tensor",
        "You et al. 2020, algorithm 2.",
        "lamb-forgets-the-ratio",
    ),
    _clause(
        "adafactor",
        "Adafactor",
        "v: mean squares of rows times those of columns over their mean; u = g/√v; w ← (1−ηλ)w − α u/max(1, rms(u)/d), "
        "α = max(ε₂, rms(w))·min(η, 1/√t)",
        "Shazeer and Stern 2018, algorithm 4; torch.optim.Adafactor.",
        "adafactor-keeps-every-entry",
    ),
    _clause(
        "muon",
        "Muon",
        "B ← μB + (1−μ)g; w ← (1−ηλ)w − η√max(1, rows/columns) · NS(μB + (1−μ)g), NS five steps of Newton and Schulz",
        "Jordan et al. 2024; torch.optim.Muon.",
        "muon-only-normalizes",
    ),
)
