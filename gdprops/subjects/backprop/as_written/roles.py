"""What the names of functions, methods and arguments usually mean in hand-written networks.

`train(self, X, y, epochs, lr)` is understood by its names alone: data, targets, how often, learning rate. What a name
does not tell is found out by trying.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import lru_cache

from gdprops.subjects.backprop.forms import RATES


class Role(StrEnum):
    """What an argument of the user's function is for."""

    DATA = "data"
    TARGETS = "targets"
    OUTPUT = "output"
    RATE = "learning rate"
    EPOCHS = "epochs"
    BATCH = "batch size"
    PAIRS = "pairs of samples and targets"
    PARAMS = "parameters"
    GRADIENTS = "gradients"
    CACHE = "cache"
    ROWS = "number of samples"
    PENALTY = "penalty"
    CLASSES = "number of classes"
    OTHER = "other"


def plain(name: str) -> str:
    """Return a name without what styles differ in: ``FeedForward``, ``feed_forward`` and ``feedforward`` are one."""
    return name.replace("_", "").lower()


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FORWARD = _words(
    "forward feedforward forwardpass forwardpropagation forwardpropagate forwardprop fprop propagateforward "
    "forwardbatch outputinloss predictproba forwardactivation run query think activate computeoutput calculateoutput "
    "propagate model call update predict evaluate outputof netoutput linearmodelforward lmodelforward modelforward "
    "compute net hypothesis computescores getscores scores logits computelogits predictprob predictprobs "
    "predictprobabilities probabilities getoutput output fwd fwdprop fwdpass fwdpropagation propforward feed foward "
    "forwardpropogation calculate estimate pred propagation inference infer loss"
)
"""The plain names of functions that compute the output, the most telling ones first."""
TRAIN = _words(
    "train fit trainstep trainonbatch trainbatch updateminibatch updatebatch trainone trainepoch learn partialfit "
    "gradientdescent step backward backprop backpropagation backpropagate backwardpass backwardpropagation "
    "backwardpropagate backwardprop bprop backpropagateerror backprobagation sgd sgdstep optimize training adjust "
    "updatestep propagatebackward back learning dostep trainnetwork fitbatch gradientstep gdstep trainingstep "
    "updateweights "
    "lmodelbackward modelbackward backwards bwd bwdprop bwdpass backwardspass backpropogate backpropogation "
    "bptt bppt backpropthroughtime backpropagationthroughtime backwardthroughtime truncatedbptt "
    "gradient gradients computegradients computegradient getgradients "
    "getgradient calculategradients grad grads costfunctionprime costprime lossgradient"
)
"""The plain names of functions that train, or compute the gradients that another function applies."""
UPDATE = _words(
    "update updateweights updateparameters updateparams step applygradients optimize updateweight apply "
    "optimizerstep weightsupdate gradientdescentstep adjustweights applygrads sgdstep updatewithgd "
    "updateparameterswithgd descend updateweightsandbiases updateparameter gradientdescent"
)
"""The plain names of functions that move the parameters along gradients which another function has computed."""
LOSS = _words(
    "loss computeloss cost computecost costfunction lossfunction calculateloss calcloss crossentropyloss "
    "crossentropy mse mseloss error computeerror getloss getcost crossentropycost criterion objective "
    "lossandgradients lossandgrads lossandgradient lossandgrad lossgrads costandgradients costandgrads costandgradient "
    "costandgrad computelossandgradients computelossandgrads lossfn lossfunc nllloss"
)
"""The plain names of functions that compute the loss."""


def called(defined: Iterable[str], plain_names: Sequence[str]) -> list[str]:
    """Return which of some names are called in one of these ways, in the order of the ways."""
    found = [name for name in defined if plain(name) in plain_names]
    return sorted(found, key=lambda name: plain_names.index(plain(name)))


FORWARD_WORDS = re.compile(r"\w*(forward|feed|fprop|pred|infer|output)\w*")
TRAIN_WORDS = re.compile(r"\w*(train|fit|learn|backw|backprop|bprop|descent|sgd|optimi[sz]e)\w*")
"""What names hold that say the same with more words: ``backprop_with_momentum``."""


def named(defined: Iterable[str], plain_names: Sequence[str], words: re.Pattern[str]) -> list[str]:
    """Return which of some names are called in one of these ways; where none is, those that hold one of some words."""
    defined = list(defined)
    known = {*FORWARD, *TRAIN, *UPDATE, *LOSS}
    by_words = [n for n in defined if not n.startswith("__") and plain(n) not in known and words.fullmatch(plain(n))]
    return called(defined, plain_names) or sorted(by_words, key=lambda n: (len(n), n))


INITIAL = re.compile(
    r"(init|initiali[sz]e)\w*|\w*_init|create_\w*(net|param|weight)\w*|make_\w*(param|weight)\w*|random_\w*weights\w*|"
    r"(rand(om)?|gen(erate)?|build|new|get_(initial|random))_\w*(net(work)?|params|parameters|weights?)"
)
"""The names of functions that make the first parameters."""
_EPOCHS = re.compile(
    r"(n_?|num_?|max_?|no_?of_?)?(epochs?|iters?|iterations?|steps|times|iter|repeat|rounds)(_?(num|number|count))?|"
    r"(number|num|no)_of_(training_)?(epochs|iterations|steps|passes|rounds)|num_passes|training_(epochs|iterations|steps)"
)
_BATCH = re.compile(r"(mini_?)?batch_?size|bs|minibatch_size|size_of_batch")
_PAIRS = re.compile(
    r"(mini_?batch|training_data|train_data|trainingdata|patterns|dataset|training_set|samples|batch|train_set|pairs)"
)
_TARGETS = re.compile(
    r"y|t|ys|target\w*|label\w*|y_?true|y_?train|expected\w*|desired\w*|actual\w*|truth|d|y_?batch|yb|y_?data|"
    r"y_?(one)?_?hot\w*|one_?hot\w*|output_data|correct\w*|answer\w*|train(ing)?_?(y|targets|outputs?|labels?)|teacher|yi|ytrain|y_i|"
    r"y_?(wanted|real|desired|expected|actual|correct|goal)|wanted\w*|\w+_(targets?|labels?)|gt|ground_truth|t_?batch|ans|y_?(val|valid|validation|test)"
)
_OUTPUT = re.compile(
    r"o|out|outputs?|y_?hat|yhat|y_?pred(icted|iction)?|pred\w*|a[2-9L]|al|output_\w+|final_outputs?|yp|probs?|scores|"
    r"activations?_out|result|network_outputs?|y_?out|guess"
)
_DATA = re.compile(
    r"x|xs|inputs?\w*|data|features?|samples?|x_?train|x_?batch|xb|x_?data|train(ing)?_?(x|inputs?|data|features)|a0|images?|"
    r"x_?in|vectors?|xi|points?|observations|x_?input|z0|x_i|train_set_x|signal|row|x_?(val|valid|validation|test)"
)
_PARAMS = re.compile(
    r"param(eter)?s?\w*|p|pars?|prms?|weights|theta|model|(neural_?)?net(work)?|nn|layers|wb|w_?and_?b"
)
_GRADIENTS = re.compile(r"grad(ient)?s?\w*|derivatives?|deltas?|nabla\w*|d_?params|d_?weights")
_CACHE = re.compile(r"caches?|memory|cached|intermediates?|forward_cache|activations|store")
_ROWS = re.compile(r"m_?batch|(m|n|num)_?(samples|rows|train|training|examples)?|batch_len|(train|data|sample)_size|N")
_CLASSES = re.compile(r"(n|num|no|nb|number_of)_?(class|classes|labels|categories)|k_classes|classes_(num|count)")
_PENALTY = re.compile(
    r"reg|reg_?strength|lambda_?|lambd|lmbda|lam|l2|weight_?decay|regularization\w*|reg_?lambda|l2_?\w*|wd"
)


@lru_cache(maxsize=4096)
def role_of(name: str) -> Role:
    """Return what an argument is for by its name; `Role.OTHER` where the name does not tell."""
    low = re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower().strip("_")
    low = re.sub(r"^train(ing)?_(set|data)_(?=\w)|(?<=\w)_(list|array|arr|vec|vector|set)$", "", low)
    if low in RATES or re.fullmatch(r"(learn\w*_?)?rate\w*|lr\w*|learn\w*|step_?size|grad(ient)?_step(_size)?", low):
        return Role.RATE
    for pattern, role in (
        (_EPOCHS, Role.EPOCHS),
        (_BATCH, Role.BATCH),
        (_PENALTY, Role.PENALTY),
        (_CLASSES, Role.CLASSES),
        (_CACHE, Role.CACHE),
        (_GRADIENTS, Role.GRADIENTS),
        (_TARGETS, Role.TARGETS),
        (_OUTPUT, Role.OUTPUT),
        (_PAIRS, Role.PAIRS),
        (_DATA, Role.DATA),
        (_PARAMS, Role.PARAMS),
        (_ROWS, Role.ROWS),
    ):
        if pattern.fullmatch(low):
            return role
    return Role.OTHER


_IN = re.compile(
    r"(n|num|no|nb|size|dim)?_?(of_?)?(in|inputs?|i|x|features?|inp|visible)(_?(size|dim|nodes?|units?|neurons?|layer\w*|n|num|features?|count|length|shape))?|d_?in|input\w*|ni|nx|n_?x|n0|d"
)
_HIDDEN = re.compile(
    r"(n|num|no|nb|size|dim)?_?(of_?)?(hidden|hid|h|middle)\d?(_?(size|dim|nodes?|units?|neurons?|layer\w*|n|num|count|\d))*|d_?h|hidden\w*|nh\d?|n_?h\d?|n1|units"
)
_OUT = re.compile(
    r"(n|num|no|nb|size|dim)?_?(of_?)?(out|outputs?|o|y|class(es)?|cls|actions|labels)(_?(size|dim|nodes?|units?|neurons?|layer\w*|n|num|classes|count|length|shape))?|d_?out|output\w*|no|ny|n_?y|n2|k|c"
)
_LIST = re.compile(
    r"(nn_|net_|network_|layer_)?(layers?|sizes|dims|nodes|structure|architecture|arch|topology|shape|network|units|neurons)(_?(sizes?|dims?|dimensions?|structure|nodes|list|layers?|units|neurons|config|shape))*|layers\w*|\w*_sizes|\w*_dims"
)


def size_of(name: str) -> str | None:
    """Return which size an argument of a constructor is: ``in``, ``hidden``, ``out``, ``list``; None where unknown."""
    low = re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower().strip("_")
    for pattern, size in ((_LIST, "list"), (_IN, "in"), (_HIDDEN, "hidden"), (_OUT, "out")):
        if pattern.fullmatch(low):
            return size
    return None
