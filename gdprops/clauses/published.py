"""Chapter published: an optimizer that is declared to be Adam, Lion, … steps as the published rule says.

There is one clause for each rule in `gdprops.numerics.published`. It applies where the rule is declared: by
``--rule adam``, or by ``--rule adam:epsilon-hat`` for a published dialect. All clauses are decided in the same way.
COMMON_DECISION describes it once; the decision of a single clause adds only what is special to its rule.
"""

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

COMMON_DECISION = (
    "The subject takes several steps. In four of five examples the hyperparameters that the clause names are "
    "switched on, and the gradients are far above, around and far below ε; in the others the user's own "
    "hyperparameters stay as they are. The learning rate is halved before the last step. Every step is compared with "
    "the same rule, written plainly in NumPy: the rule runs in the subject's dtype and starts each step from the "
    "weights seen before it. To find out what rounding may do, the rule is run eight more times with every operation "
    "shaken by one ulp. Allowed is, entry by entry, four times the largest change that this makes, or four ulps. The "
    "rule has other known forms: published dialects and known mistakes. An example is decisive when each form that "
    "is a different rule at these hyperparameters clearly ends elsewhere in some step."
)
"""How every clause of this chapter is decided."""
_LIKE_ALL = "Like all clauses of the chapter published, over"


def _strategy(name: str, domain: Domain) -> Any:
    return published_rule_feeds.rule_feeds(domain, table.PUBLISHED[name].steps)


def _examine(subject: FedSubject, case: Any) -> Evidence:
    return published_forms.obeys(subject, case)


def _clause(
    name: str,
    title: str,
    formula: str,
    source: str,
    *faults: str,
    steps: str = "3 to 5 steps",
    on: tuple[str, ...] = ("weight_decay", "eps"),
) -> Clause:
    """Return the clause of one rule; ``on``: the hyperparameters that its cases switch on."""
    return Clause(
        id=f"published.{name}",
        statement=f"{title}: {formula}.",
        source=source,
        decision=f"{_LIKE_ALL} {steps}. Switched on: {', '.join(on) or 'nothing'}.",
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
        "Cauchy 1847, Comptes rendus 25, pages 536 to 538; Robbins and Monro 1951, doi:10.1214/aoms/1177729586.",
        "sgd-decays-after-it-moved",
        on=("weight_decay",),
    ),
    _clause(
        "momentum",
        "Momentum",
        "v ← μv + (1−τ)g, at first v ← g; w ← w − ηv",
        "Polyak 1964, doi:10.1016/0041-5553(64)90137-5; torch.optim.SGD. In Sutskever et al. 2013 (PMLR 28, pages 1139 "
        "to 1147), equation 1, and in Keras the learning rate stands inside the velocity.",
        "momentum-dampens-at-once",
        on=("weight_decay", "momentum", "dampening"),
    ),
    _clause(
        "nesterov",
        "Nesterov's momentum",
        "v ← μv + g; w ← w − η(g + μv)",
        "Nesterov 1983, Soviet Mathematics Doklady 27(2), pages 372 to 376; torch.optim.SGD. In Sutskever et al. 2013 "
        "(PMLR 28, pages 1139 to 1147), equations 3 and 4, and in Keras the learning rate stands inside the velocity.",
        "nesterov-does-not-look-ahead",
        on=("weight_decay", "momentum"),
    ),
    _clause(
        "adagrad",
        "Adagrad",
        "G ← G + g²; w ← w − η/(1 + (t−1)δ) · g/(√G + ε)",
        "Duchi, Hazan and Singer 2011, JMLR 12, pages 2121 to 2159, figure 1.",
        "adagrad-with-epsilon-inside",
        on=("weight_decay", "eps", "lr_decay", "initial_accumulator_value"),
    ),
    _clause(
        "rmsprop",
        "RMSprop",
        "v ← αv + (1−α)g², centered: less the square of the mean gradient; b ← μb + g/(√v + ε); w ← w − ηb",
        "Hinton 2012, Neural Networks for Machine Learning, lecture 6e; Graves 2013, arXiv:1308.0850 (centered); "
        "torch.optim.RMSprop.",
        "rmsprop-with-epsilon-inside",
        on=("weight_decay", "eps", "momentum"),
    ),
    _clause(
        "adadelta",
        "Adadelta",
        "v ← ρv + (1−ρ)g²; d = √(u+ε)/√(v+ε) · g; u ← ρu + (1−ρ)d²; w ← w − ηd",
        "Zeiler 2012, arXiv:1212.5701, algorithm 1.",
        "adadelta-remembers-gradients",
    ),
    _clause(
        "adam",
        "Adam",
        f"{_MOMENTS}; w ← w − η m̂/(√v̂ + ε), {_CORRECTED}",
        "Kingma and Ba 2015, arXiv:1412.6980, algorithm 1. raskr/rust-autograd#16: the state is always zero.",
        "adam-without-state",
        "adam-without-correction",
        "adam-with-epsilon-inside",
        "adam-begins-with-a-synthetic-step",
    ),
    _clause(
        "adamw",
        "AdamW",
        f"w ← (1−ηλ)w, then Adam: {_MOMENTS}; w ← w − η m̂/(√v̂ + ε)",
        "Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2. huggingface/transformers#14539 decays weights that "
        "have already moved.",
        "adamw-couples-its-decay",
        "adamw-decays-moved-weights",
    ),
    _clause(
        "amsgrad",
        "AMSGrad",
        f"{_MOMENTS}; u ← max(u, v); w ← w − η m̂/(√(u/(1−β₂ᵗ)) + ε)",
        "Reddi, Kale and Kumar 2018, arXiv:1904.09237, algorithm 2, with Adam's bias correction. "
        "pytorch/pytorch#78807 never stored the maximum.",
        "amsgrad-never-stores-its-maximum",
    ),
    _clause(
        "adamax",
        "Adamax",
        "m ← β₁m + (1−β₁)g; u ← max(β₂u, |g| + ε); w ← w − η/(1−β₁ᵗ) · m/u",
        "Kingma and Ba 2015, arXiv:1412.6980, algorithm 2.",
        "adamax-without-correction",
    ),
    _clause(
        "nadam",
        "NAdam",
        f"{_MOMENTS}; w ← w − η((1−μₜ)g/(1−Πμ) + μₜ₊₁m/(1−μₜ₊₁Πμ))/(√v̂ + ε), μₜ = β₁(1 − 0.96^(tψ)/2)",
        "Dozat 2016, openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ, algorithm 2; torch.optim.NAdam.",
        "nadam-does-not-look-ahead",
        on=("weight_decay", "eps", "momentum_decay"),
    ),
    _clause(
        "radam",
        "RAdam",
        "w ← w − η r m̂ √(1−β₂ᵗ)/(√v + ε) where ρ > 5, else w ← w − η m̂",
        "Liu et al. 2020, arXiv:1908.03265, algorithm 2, and the authors' code; torch.optim.RAdam.",
        "radam-never-rectifies",
        steps="7 or 8 steps, because ρ passes 5 only after some steps",
    ),
    _clause(
        "rprop",
        "Rprop",
        "Δ ← η₊Δ where the sign of g stays, Δ ← η₋Δ and g ← 0 where it turns; w ← w − sign(g)Δ",
        "Riedmiller and Braun 1993, doi:10.1109/ICNN.1993.298623; Igel and Hüsken 2000, Improving the Rprop Learning "
        "Algorithm (NC 2000, pages 115 to 121; iRprop−); torch.optim.Rprop.",
        "rprop-moves-where-it-turned",
        on=(),
    ),
    _clause(
        "lion",
        "Lion",
        "w ← w − η(sign(β₁m + (1−β₁)g) + λw); m ← β₂m + (1−β₂)g",
        "Chen et al. 2023, arXiv:2302.06675, algorithm 2.",
        "lion-remembers-first",
        steps="4 to 6 steps",
        on=("weight_decay",),
    ),
    _clause(
        "lars",
        "LARS",
        "v ← μv + η r (g + λw), r = c|w|/(|g| + λ|w|) of the tensor; w ← w − v",
        "You, Gitman and Ginsburg 2017, arXiv:1708.03888, algorithm 1.",
        "lars-scales-nothing",
        on=("weight_decay", "momentum", "trust_coefficient"),
    ),
    _clause(
        "lamb",
        "LAMB",
        "d = m̂/(√v̂ + ε) + λw; w ← w − η |w|/|d| · d of the tensor",
        "You et al. 2020, arXiv:1904.00962, algorithm 2.",
        "lamb-forgets-the-ratio",
    ),
    _clause(
        "adafactor",
        "Adafactor",
        "v: mean squares of rows times those of columns over their mean; u = g/√v; w ← (1−ηλ)w − α u/max(1, rms(u)/d), "
        "α = max(ε₂, rms(w))·min(η, 1/√t)",
        "Shazeer and Stern 2018, arXiv:1804.04235, algorithm 4; torch.optim.Adafactor.",
        "adafactor-keeps-every-entry",
        on=("weight_decay",),
    ),
    _clause(
        "muon",
        "Muon",
        "B ← μB + (1−μ)g; w ← (1−ηλ)w − η√max(1, rows/columns) · NS(μB + (1−μ)g), NS five steps of Newton and Schulz",
        "Jordan et al. 2024, kellerjordan.github.io/posts/muon; torch.optim.Muon.",
        "muon-only-normalizes",
        on=("weight_decay", "momentum"),
    ),
)
