"""What an optimizer does instead of the published rule that it declares: another known form of that rule, if one fits.

A form is told only where it reproduces every step of every failing case. Published dialects are told with the
`--rule NAME:DIALECT` that declares them. Where none fits, forms with one change in the formula are tried.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gdprops.clauses.support.published_forms import bound_of, story
from gdprops.errors import Unsupported
from gdprops.numerics.published.dialect_feed import distinct, forms_of, is_near, reproduces
from gdprops.numerics.published.formula_edits import EditedForm, edited_forms
from gdprops.numerics.published.rule import Dialect, from_the_second_step_on, shared_forms
from gdprops.numerics.published.table import declared_rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gdprops.model.case import UpdateCase
    from gdprops.model.subject import FedSubject
    from gdprops.numerics.published.dialect_feed import Story
    from gdprops.numerics.published.rule import Published, Step

LATER = "from the second step on, "
MOST_TIES = 3
"""So many forms are told that cannot be told apart."""


def what_instead(subject: FedSubject, cases: list[UpdateCase]) -> str | None:
    """Return a sentence: which other form of the rule reproduces every step of every case, and what was assumed."""
    rule, key = declared_rule(subject.rule or "")
    try:
        stories = [told for case in cases if (told := story(subject, case)) is not None]
    except Unsupported:
        return None
    together = any(len(set(told.groups)) > 1 for told in stories)
    shared = [d for d in shared_forms(rule.form(key)) if together or d.shared != "group"]
    known = (*forms_of(rule), *shared)
    matching = [d for d in known if d.key != key and all(reproduces(d, told) for told in stories)]
    shown = subject.start(cases[0].tensors, cases[0].plan).hyperparameters()
    said = bound_of(subject, cases[0], shown)[0].said(rule.name)
    if not matching and stories:
        matching = _edited(rule, key, stories)
    if not matching and stories and (stuck := _at_the_first_rate(subject, rule.form(key), stories)):
        return f"what it does instead: {stuck}"
    told_apart = distinct(rule, matching, stories[0].settings[0][0]) if stories else matching
    found = " or ".join(_named(rule, d) for d in told_apart[:MOST_TIES])
    sentence = f"what it does instead: {found}" if found else f"no known form of {rule.name} does what was seen"
    return f"{sentence}; {said}" if said else sentence


def _at_the_first_rate(subject: FedSubject, step: Step, stories: list[Story]) -> str:
    """Return what is to be said if the rule always runs at the learning rate with which the subject was made."""
    rate = subject.hyperparameters.get("lr")
    if rate is None:
        return ""
    fixed = [replace(t, settings=[[{**one, "lr": rate} for one in some] for some in t.settings]) for t in stories]
    alike = all(reproduces(Dialect("first-rate", step, ""), told) for told in fixed)
    return f"it always steps at the learning rate that it was made with, lr={rate!r}" if alike else ""


def _edited(rule: Published, key: str, stories: list[Story]) -> list[Dialect]:
    """Return the forms with one change in a published formula that give what was seen, the usual ones first."""
    others = [(d.step, f"{d.says}; besides, ") for d in rule.rivals(key) if d.source]
    own = rule.form(key)
    always = [(form, beside) for step, beside in ((own, ""), *others) for form in edited_forms(step)]
    later = ((form._replace(step=from_the_second_step_on(own, form.step)), LATER) for form in edited_forms(own))
    return _reproducing(always, stories) or _reproducing(later, stories)


def _reproducing(forms: Iterable[tuple[EditedForm, str]], stories: list[Story]) -> list[Dialect]:
    """Return the changed forms that give what was seen, the usual ones first, after what is said beside them."""
    near = [
        (form.edit.is_usual, Dialect("edited", form.step, f"{beside}{form.says}"))
        for form, beside in forms
        if all(is_near(form.step, told) for told in stories)
    ]
    found = [(is_usual, d) for is_usual, d in near if all(reproduces(d, told) for told in stories)]
    return [d for _, d in sorted(found, key=lambda one: (not one[0], len(one[1].says)))]


def _named(rule: Published, form: Dialect) -> str:
    """Return what a form of the rule does, with the option that declares it if the form is published."""
    if not form.key:
        return f"{rule.name} in its own form (--rule {rule.name})"
    return f"{form.says} ({form.source}: --rule {rule.name}:{form.key})" if form.source else form.says
