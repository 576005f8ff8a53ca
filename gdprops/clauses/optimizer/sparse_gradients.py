"""Chapter optimizer, continued: sparse gradients, as the embeddings of `torch.nn.Embedding(sparse=True)` have them.

Example: the rows (1, 2) and (3, 4) of a gradient, listed by themselves, move a parameter as the whole gradient does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdprops.clauses.support.fed_subjects import FED, REPEATABLE
from gdprops.clauses.support.lazy import lazy
from gdprops.errors import SubjectCrash
from gdprops.model.clause import Needs, View, clause
from gdprops.model.subject import Delivery

if TYPE_CHECKING:
    from gdprops.clauses.support import workbench
    from gdprops.model.case import UpdateCase
    from gdprops.model.evidence import Evidence
    from gdprops.model.subject import FedSubject
else:
    workbench = lazy("gdprops.clauses.support.workbench")


@clause(
    id="optimizer.sparse",
    statement="A sparse gradient that lists every row moves a parameter as the same numbers do when they are dense, "
    "or is refused with an error.",
    source="torch documentation, torch.nn.Embedding(sparse=True). pytorch/pytorch#110454: an implementation returned "
    "early at a sparse gradient, and nothing moved.",
    decision="A run is compared with a run whose gradients list all rows, the first of them in two halves, as after a "
    "batch with a word twice. They must agree but for rounding at every step: allowed is four times the change that "
    "one ulp in weights, gradients and rates makes, and a few ulps more. Rules that move the listed rows only agree "
    "too. Hyperparameters are as the user gave them. Not for optimizers that raise an error at a sparse gradient.",
    view=View.OPTIMIZER,
    refuted_by=("skips-sparse-gradients", "squares-rows-listed-twice"),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(most_steps=3, options=False)),
    needs=Needs(traits=(FED, REPEATABLE), torch=True, feature="sparse gradients"),
    since=3,
)
def sparse(subject: FedSubject, case: UpdateCase) -> Evidence:
    expected = workbench.feed(subject, case)
    if not workbench.differ(expected[-1], case.tensors):
        return workbench.vacuous("nothing moves")
    if not any(w.ndim and w.size for w in case.tensors):
        return workbench.vacuous("no tensor has rows")
    try:
        seen = workbench.feed(subject, case, delivery=Delivery.SPARSE)
    except SubjectCrash:
        return workbench.vacuous("a sparse gradient is refused here")
    what = "sparse gradients that list every row, against dense ones"
    return workbench.rounded_alike(case, seen, expected, lambda other: workbench.feed(subject, other), what)


CLAUSES = (sparse,)
