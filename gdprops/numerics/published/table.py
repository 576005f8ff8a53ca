"""Every published rule by name."""

from __future__ import annotations

from dataclasses import replace

from gdprops.numerics.published.adafactor import ADAFACTOR
from gdprops.numerics.published.adagrad import ADADELTA, ADAGRAD
from gdprops.numerics.published.adam import ADAM, ADAMAX, ADAMW, AMSGRAD
from gdprops.numerics.published.gradient_descent import MOMENTUM, NESTEROV, SGD
from gdprops.numerics.published.lars_lamb import LAMB, LARS
from gdprops.numerics.published.muon import MUON
from gdprops.numerics.published.nadam_radam import NADAM, RADAM
from gdprops.numerics.published.rmsprop import RMSPROP
from gdprops.numerics.published.rprop_lion import LION, RPROP
from gdprops.numerics.published.rule import Dialect, Published
from gdprops.numerics.published.weight_decay import decoupled

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


def _with_decoupled(rule: Published) -> Published:
    """Return a rule with its published dialects also in a form with decoupled decay, as Keras and optax have them."""
    if not any(d.key == "decoupled" for d in rule.dialects):
        return rule
    coupled = [d for d in rule.dialects if d.source and d.key != "decoupled"]
    return replace(rule, dialects=(*rule.dialects, *map(_decoupled, coupled)))


def _decoupled(form: Dialect) -> Dialect:
    says = f"{form.says}, and the weights decay by themselves"
    return Dialect(f"{form.key}+decoupled", decoupled(form.step), says, form.source)


PUBLISHED: dict[str, Published] = {rule.name: _with_decoupled(rule) for rule in _ALL}


def declared_rule(name: str) -> tuple[Published, str]:
    """Return the rule and the dialect that ``rule`` or ``rule:dialect`` declares."""
    rule, _, key = name.partition(":")
    return PUBLISHED[rule], key
