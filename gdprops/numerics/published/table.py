"""Every published rule by name."""

from __future__ import annotations

from gdprops.numerics.published.adafactor import ADAFACTOR
from gdprops.numerics.published.adagrad import ADADELTA, ADAGRAD
from gdprops.numerics.published.adam import ADAM, ADAMAX, ADAMW, AMSGRAD
from gdprops.numerics.published.descent import MOMENTUM, NESTEROV, SGD
from gdprops.numerics.published.layerwise import LAMB, LARS
from gdprops.numerics.published.muon import MUON
from gdprops.numerics.published.rmsprop import RMSPROP
from gdprops.numerics.published.rule import Published
from gdprops.numerics.published.scheduled import NADAM, RADAM
from gdprops.numerics.published.signs import LION, RPROP

_ALL = (
    SGD,
    MOMENTUM,
    NESTEROV,
    ADAGRAD,
    RMSPROP,
    ADADELTA,
    ADAM,
    ADAMW,
    AMSGRAD,
    ADAMAX,
    NADAM,
    RADAM,
    RPROP,
    LION,
    LARS,
    LAMB,
    ADAFACTOR,
    MUON,
)
PUBLISHED: dict[str, Published] = {rule.name: rule for rule in _ALL}


def declared_rule(name: str) -> tuple[Published, str]:
    """Return the rule and the dialect that ``rule`` or ``rule:dialect`` declares."""
    rule, _, key = name.partition(":")
    return PUBLISHED[rule], key
