"""Every threshold of the specification, with its reason. No clause contains a number of its own."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, NamedTuple


class Format(NamedTuple):
    """A binary floating-point format: the exponent of its smallest subnormal, its largest exponent, its roundoff."""

    smallest: int
    largest: int
    unit: float


DOUBLE = 53
"""The significant bits of float64."""
SINGLE = 24
"""The significant bits of float32."""
DOUBLE_BYTES = 8
"""The size of a float64."""

FORMATS = {53: Format(-1074, 1023, 2.0**-53), 24: Format(-149, 127, 2.0**-24)}
"""The formats by their number of significant bits."""

# The certificate computes its magnitudes in float64 itself: 2^-40 covers the rounding of sums of thousands of terms,
# and costs next to nothing (98.5% of the truly exact cases are certified).
MAGNITUDE_SLACK = 1 - 2.0**-40

# What no example of a whole run showed (a hyperparameter that never acted) counts only where at least ten examples, and
# half of all, could have shown it.
WHOLE_RUN_DECISIVE = 10
WHOLE_RUN_SHARE = 0.5

# Of n examples at least max(min(5, n), ceil(n / 4)) must be decisive; otherwise a clause is vacuous, not held.
FEWEST_DECISIVE = 5
DECISIVE_SHARE = 0.25

# An example is decisive when the allowed difference is at most half the distance to the nearest rival, the nearest
# wrong result: then seen = rival would be refuted with a margin of the same size.
RIVAL_SHARE = 0.5

# Two correct computations differ by at most 2u times the running bound (each is off by at most u times it). The largest
# seen over 30,000 networks: 0.39 between two orders of evaluation, 0.63 between NumPy and torch (whose tanh differ by
# two ulps).
TWO_COMPUTATIONS = 2.0

# An update w - eta g rounds the stored learning rate (float32 codes), the product and the sum: at most two ulps of the
# displacement and one ulp of w. One ulp is at most 2u|x|.
ULP = 2.0
DISPLACEMENT_ULPS = 2.0

# How far a library's tanh or sigmoid may be off, relative, in units of u. The worst measured: 6.9 (vectorized tanh of
# TensorFlow and of XLA, float64), 6.1 (sigmoid of TensorFlow, float32); 1.8 in NumPy and torch in float64.
ELEMENTARY = 8.0

# Rules that find their own learning rate run away on a gradient that never changes its sign: Prodigy overflows float32
# after some eighty steps. Rules that couple parameters are compared before that.
COUPLED_STEPS = 12

# What a parameter group is given acts from the first step on: it is compared over so many steps of a longer run, which
# the late switches of a rule need.
GROUPED_STEPS = 12

# The factors by which a gradient is replaced to see whether the step answers to it. The sign of an average over a
# thousand steps changes only where the new term outweighs the old ones; a rule that leaves out such a spike answers to
# the first factor.
OTHER_GRADIENTS = (-8.0, -(2.0**20))

# Hyperparameters with which known implementations write into .grad (pytorch/pytorch#12218, pytorch/pytorch#92706).
WRITTEN_INTO_GRADIENTS = ("weight_decay", "maximize")

# In units of ulp: an entry whose expected displacement is smaller than this may or may not move.
UNDECIDED_MOVE = 4.0

# The displacement w' - w of a step carries the rounding of w' (one ulp of w) and of the rule's own few operations. Adam
# does about eight operations after the learning rate enters; sixteen leaves a factor of two.
RULE_ROUNDING = 16.0

# Noise floors (for black boxes): the worst seen was 1.46 of one floor per tensor in 9,800 correct examples; 16 leaves a
# tenfold margin.
FLOORS_PER_TENSOR = 16.0
# The noise floor of a tensor is the measured change, plus one ulp of the largest of |w| before, |w| after and this
# share of |g|.
GRADIENT_SHARE = 0.1
# A wrong step may end far away, where its own rounding exceeds the noise floors of the right step. So a hypothesis must
# reproduce the wrong step up to this share of its displacement. The nearest wrong hypotheses were 1e7 floors off.
REPRODUCED_SHARE = 1e-9
# A number fitted to what was seen counts as the simple fraction p/q, with q up to 64, where it lies so near to it.
LARGEST_DENOMINATOR = 64
SIMPLE_SHARE = 1e-8
# A regression is believed where its residual is at most this share of the largest entry, with twice as many equations
# as unknowns, and with columns that differ by more than this share.
REGRESSION_RESIDUAL = 1e-9
REGRESSION_RANK = 1e-8
EQUATIONS_PER_UNKNOWN = 2
# More equations than this would add nothing and cost memory.
MOST_EQUATIONS = 10_000
# In the maximum norm over 8 perturbations, the true error was at most 1.0 of the noise floor in 8,000 networks.
PERTURBATIONS = 8
FLOORS_IN_MAXIMUM_NORM = 4.0

# A published rule is run eight times with each of its operations moved by one ulp. Entry by entry, torch's own classes
# were never further off than the largest change (1.0 of it in 15 classes, float64 and float32); four leaves a margin
# for other orders of operation.
SHAKEN_FLOORS = 4.0
# One in so many roundings to bfloat16 goes the other way while a rule is shaken. Between two matrix products it is
# fewer than one in a thousand, and each of these changes the whole matrix.
FLIPPED_ROUNDINGS = 8
# Two forms of a rule that differ by less than this share of a step count as one form at these hyperparameters.
PRINCIPLE = 1e-9

# The law of divergence, decided in rationals: at a rate of 2^-60 the cubic remainder cannot hide a quadratic term that
# is not zero.
LAW_RATE = Fraction(1, 2**60)
SMALLER_LAW_RATE = Fraction(1, 2**80)
# |R(2^-80)| <= 2 * 2^-20 * |R(2^-60)|, because R is O(eta); the worst over 215 networks was 1.000004 of 2^-20.
LAW_REMAINDER = 2 * Fraction(1, 2**20)

# The law in floating point: a ladder of learning rates relative to the curvature. Slope 1.999 and residual slope 2.998
# were measured. Cancellation can only make the residual steeper, hence the one-sided bound.
LADDER = (2.0**-6, 2.0**-8, 2.0**-10, 2.0**-12)
SLOPE = (1.9, 2.1)
RESIDUAL_SLOPE = 2.8
# The difference itself shows slope 2 where its cubic term is below this share of the quadratic one (otherwise 1.5 to
# 2.1 were seen).
SLOPE_SHARE = 1 / 20
# A residual below this many units of |eta H w| + |eta g| is rounding of the gradients, not a cubic term.
LADDER_NOISE = 2.0**-44
# Where the predicted difference is below this share of |H||g|, it is a cancellation and its slope says nothing.
LAW_RESOLUTION = 1e-3

# Downhill: some t = 2^-k with k <= 60 lowers J along a partial derivative (in rationals: the first decrease decides).
DOWNHILL_HALVINGS = 60
# Armijo: J must fall by at least half of what the slope promises, and by four roundings of J, or nothing was measured.
ARMIJO = 0.5
DESCENT_ROUNDING = 4.0
DESCENT_HALVINGS = 40
# A share of the learning rate at which no sum overflows: a result that is not finite there is so at every rate.
VANISHING_RATE = 2.0**-DESCENT_HALVINGS
# An optimizer that evaluates its closure at other weights comes back from there: from weights of such sizes, and at a
# rate that vanishes, J = |w|^2/2 rises by no more than this share. Adding a perturbation of 100 and taking it away in
# float32 leaves 6e-6; one of 5e-5 that stays is 5e-5.
BOWL_WEIGHTS = (1.0, 2.0)
BOWL_RISE = 2.0**-16
# For rules other than plain gradient descent, the loop runs at this share of the largest rate whose first step
# descends: in the long run momentum 0.9 multiplies the rate by 10.
LOOP_SHARE = 1 / 16

# Richardson extrapolation: differences at h and h/2 give an error of h^4; h balances this error against the rounding
# 2u|J|/h.
RICHARDSON_STEP = 2.0**-9
# |R2 - R1| estimates the error of R1, and the extrapolated value has a smaller error; twice the estimate covers both.
RICHARDSON_MARGIN = 2.0
# R2 combines D(h/4) and D(h/2): (4 * 4 + 2) / 3 = 6 errors of one evaluation, over h.
RICHARDSON_ROUNDING = 6.0
# One-sided slopes of a smooth function differ by f'' h, which is four times less at h/4. Where the slopes at h/4 still
# differ by half as much, the function has a kink, provided that this exceeds the rounding of a second difference at
# h/4: 16 errors of one evaluation, over h.
KINK_SHARE = 0.5
KINK_ROUNDING = 16.0

# The rounding of a loss of unknown precision is seen where seven values over such a distance are not on a cubic. A
# smooth function leaves a residual of 1e-24 and 2e-15 there; float32 rounds at 1e-7 of the values, and a loss rounded
# to four digits crosses several of its roundings over the longer distance. The largest residual of a fit with four
# coefficients is smaller than the largest error; three times the residual covers it.
ROUGH_STEPS = (2.0**-20, 2.0**-11)
ROUGH_PLACES = (-1.0, -0.61, -0.27, 0.13, 0.47, 0.83, 1.0)
ROUGH_DIRECTIONS = 2
ROUGH_MARGIN = 3.0

# Hand-written losses guard logarithms with a constant e that hand-written gradients leave out: log(p + e) has a slope
# that is off by the share e / p. This was measured on correct softmax and sigmoid networks of zero and one hidden layer
# (8 kinds, 150 drawn cases each; probabilities that are clipped instead were never off). With e = 1e-8, 1e-7 and 1e-6 a
# gradient is off by up to 8e-6, 8e-5 and 8e-4 of its largest entry without a rectifier, and by 4e-3 to 0.4 in one case
# in a hundred with one, where p falls to 1e-6. No share covers that without hiding faults. So a violation must be seen
# again with all weights divided by GENTLE, where p is moderate, or be larger than a guard of MOST_GUARD could make it:
# p is at least exp(-n_out J) for the loss J of any single row. With both rules, none of 7,200 such cases was reported
# as a violation; with the share 1e-6 alone up to 11% of a kind were at e = 1e-8, and 34% at 1e-7. The share is of the
# largest entry of all gradients, because rows that cancel in one gradient do not cancel their guards.
GUARDED_SHARE = 1e-5
GENTLE = 8.0
MOST_GUARD = 1e-6
# A guard that is seen in the loss is left out instead, and the gradient compared with what is then the derivative, at
# no other tolerance. Constants that were met are 1e-15 to 1e-5; a loss in which log(1 + 1e-3) stands for log(1) is
# wrong in the third digit, and a larger constant is no guard but another loss.
MOST_LOG_GUARD = 1e-3

# A violation must be seen again with every weight moved by its own odd part of this: two kinks at one point can cancel
# in all differences, but they do not cancel beside that point. It is ten times the step of the differences.
BESIDE = 0.02

# A network is taken for the user's if its loss is equal up to this share: guards in logarithms change the seventh
# digit, another network changes the first.
RECOGNIZED_SHARE = 1e-5
# A loss that nobody wrote down is found where it says how the parameters move, to this share of the largest entry. The
# derivatives of outputs are central differences whose error is about 1e-9; the nearest wrong candidate is 1e-2 away.
LOSS_FOUND_SHARE = 1e-5
# A fitted factor must hold in at least this many entries of the failing examples: in one entry any factor does.
FEWEST_FITTED = 3
# Two fitted numbers are related (a = 1 + k) where they are to this share: the derivative that they are fitted to is
# known to 1e-5 of its largest entry.
SCALED_SHARE = 1e-3

# A loss cannot be differentiated where its differences are uncertain by more than this share of the largest one, at
# three points: for a loss rounded to four digits it is a quarter, for one in float32 a thousandth.
JUMPY_SHARE = 0.1

# Near a kink the expected weights are uncertain by more than this share of the displacement: then the loss says
# nothing.
BLURRED_SHARE = 1e-3

# Every weight of hand-written backprop costs seven evaluations of its loss: at 20 microseconds each, a step of this
# many weights takes 70 ms.
MOST_BACKPROP_WEIGHTS = 500

# Trust ratios |w| / |g| are rounded to 6 significant bits and are at most 4: so layer-wise rates stay dyadic, and still
# differ where the ratios differ, however small they are.
TRUST_BITS = 6
TRUST_MOST = 4.0

# Hooks that look at every gradient cost a pass over it: models with more weights are run without these hooks.
WATCHED_WEIGHTS = 1_000_000

# An undeclared window of k calls shows where a loop is long enough for two of them: windows of up to 64 are common.
ACCUMULATION_CALLS = 128
# Steps that split their batches into micro-batches of two rows or more then have at least three micro-batches, ragged
# ones.
SPLIT_ROWS = 5

# A loop that the user's code runs in starts at a loss of at most this, and ends before a larger one: what is logged of
# it (exp(J), the square of a norm) overflows from 709 on. A loop that begins beyond it (targets that were doubled until
# gradients are clipped, a loss of the user's that is a sum) ends at so many times where its batch began.
MODERATE_LOSS = 100.0
LOSS_GROWTH = 2.0

# Gradients are at least so many times as large as the norm that they are clipped to, another number in every step: the
# clipping factor must change, or rules that are invariant to scale would show nothing.
CLIPPED_NORMS = (2.0, 16.0, 4.0, 64.0)
# How often targets are doubled at most: a network whose gradient is zero stays as it is.
DOUBLINGS = 40

# The user's own model: up to this number of weights they are drawn one by one, in float64; a larger model keeps its
# dtype, and its weights are drawn from a seed.
LARGE_MODEL = 20_000
# A parameter whose entries are all equal (a bias of zeros, a scale of ones) is drawn anew with this spread about its
# value.
CONSTANT_SPREAD = 0.1

# torch divides by the norm plus this guard when it clips.
CLIP_GUARD = 1e-6
# What other code adds to a norm before it divides by it: up to 1e-4. A larger number is part of the rule, no guard.
LARGEST_CLIP_GUARD = 1e-4
# How far the norm that a hook of an optimizer leaves may be from the declared one, as a share of it: a guard's room.
CLIPPED_SHARE = 1e-5

# torch keeps step counters and bias corrections in its default dtype: in float32 1 - 0.999 is off by 6e-5, and 1 -
# 0.9999 by 6e-4. (Cases in float64 are run with float64 as the default dtype, and nothing is allowed for it.)
SINGLE_SCALARS = 2.0**-10
# Muon and others compute in bfloat16, whatever dtype their parameters have: one ulp of its eight bits (half an ulp
# would be rounded away again).
BFLOAT16_ULP = 2.0**-8
# An iteration that normalizes a matrix forgets such a change, but not its own roundings: 1.1 of such ulps were seen
# between a product and a batch of products, for one matrix of equal entries.
BFLOAT16_SHARE = 2 * BFLOAT16_ULP
# Vectorized kernels take blocks of up to 64 entries, four at a time; the grain sizes of threads begin at 2^15.
LARGE_TENSOR = 4096
# Imaginary parts are the real part of another number times the second of these, plus the first: dyadic, and not zero
# where that real part is zero.
IMAGINARY = (0.25, -0.5)
# A turn of the complex plane, as real and imaginary part: repeated, it never comes back to its start, so no power hides
# it.
TURN = (0.6, 0.8)
# Rules that decompose matrices take minutes for thousands of rows: they are given this size instead.
LARGE_MATRIX = 128
# Any number that is not near a small fraction: waves with this frequency do not repeat.
WAVE = 1.7
# A group is added after this many steps: after one step, clocks that started together still agree.
LATE_STEP = 2
# A rule that divides by what it remembers of other tensors may leave a late tensor a thousandth of its way: where that
# way is this many ulps of the weights long, some of it is left.
FAR_ULPS = 2.0**10
# Released rules warm up for 100 steps, or decompose their statistics every 1000 steps: what acts only then has acted by
# this step.
LATEST_STEP = 1200
# Some rules treat matrices of up to 512 entries as vectors: the side of a matrix that has more.
SIDE_OF_A_MATRIX = 48

# Hyperparameters by their published names, each with values to change it to: another value must change a step.
ALTERNATIVES: dict[str, tuple[float, ...]] = {
    "weight_decay": (0.25, 0.5),
    "momentum": (0.5, 0.25),
    "lr_decay": (0.5, 0.25),
    "momentum_decay": (0.5, 0.25),
    **dict.fromkeys(("betas", "beta", "beta1", "beta2", "beta3"), (0.5, 0.25)),
    "eps": (0.25, 2.0),
}
# Switches whose meaning is published, and that need no other hyperparameter.
SWITCHES = ("amsgrad", "centered")
# Any other numeric hyperparameter is multiplied by these.
FACTORS = (0.5, 2.0)
# Learning rates for rules that read the rate only when they are constructed.
RATES_AT_CONSTRUCTION = (0.5, 0.125)
# Values outside the range that every publication gives: a constructor must refuse each.
INVALID: dict[str, tuple[Any, ...]] = {
    "lr": (-1.0,),
    "weight_decay": (-1.0,),
    "momentum": (-1.0,),
    "eps": (-1.0,),
    "betas": ((1.5, 0.5), (0.5, 1.5)),
}
# Defaults: from weights this many times as large as the first step, ten steps cannot reach the minimum, whatever warms
# up.
DEFAULT_STEPS = 10
DEFAULT_DISTANCE = 100.0
# Pairs of the weights' size and the curvature c: a rate of 0.1 is a small step only where the gradient is smaller than
# w.
DEFAULT_SCALES = ((1.0, 2.0**-10), (2.0**7, 1.0), (2.0**14, 2.0**-14), (2.0**14, 1.0))
# Where the first step is too long, the clause tries these gentler slopes: otherwise a rate of 0.1 would decide only
# half of the time.
DEFAULT_SOFTER = (1.0, 2.0**-7, 2.0**-14)

# Gradients of the sizes that training has: what is not finite after a step from such ones is no overflow.
MODERATE_GRADIENTS = (2.0**-12, 2.0**12)

# Closures that return these, whatever the gradient: a rule that looks at the value of the loss shows.
OTHER_LOSSES = (0.0, -1000.0)

# Parallel to g up to this share: a near miss of plain gradient descent, printed with its factor.
NEARLY_PARALLEL = 1e-6
# The probe's own resolution: generously, twice the rounding of a displacement.
PROBE_TOLERANCE = 1e-9
SINGLE_TOLERANCE = 1e-4
# The precision that a step computes in: relative changes of a gradient that float32 holds, and that only float64 holds.
# A displacement has lost the smaller change where it shows less than this share of it; a displacement that answers to
# it by less than the rounding of float64 decides nothing.
SINGLE_SEES = 2.0**-16
DOUBLE_ALONE_SEES = 2.0**-32
LOST_SHARE = 2.0**-3
FAINTEST_ANSWER = 2.0**-46
# Learning rates stored in float32 (TensorFlow, Keras) differ from the declared rate by half an ulp of float32.
STORED_RATE = 2.0**-23

# Watching a run: a move that is made and undone by adding and subtracting leaves one or two roundings of the largest
# entry. A decay of the weights that is written out beside the optimizer multiplies them by a number a little below 1:
# lr times decay is below a tenth in every recipe.
SAME_CONTENT_ROUNDINGS = 4.0
COMMON_FACTOR = 0.9
# Who scales a loss by hand multiplies it by the scale of the GradScaler, perhaps times a weight: a number of at least
# this share of it may contain it. Three milestones of a tenth in one epoch are in no recipe; a gradient may be noise.
PERHAPS_SCALED = 2.0**-10
VANISHED_RATE = 2.0**-9
CONSIDERABLE_SHARE = 2.0**-4

# Parameters that rest for some steps and train afterwards, as declared: loops are so long that both are seen where it
# happens within this many steps.
LONGEST_STAGES = 12

# Rates are a few operations in float64 away from those of the schedule, whoever computes them: a hundred products are
# off by a hundred times 2^-53. The next rate of any schedule in use is further away than that.
CLOCK_SHARE = 1e-12
# Windows of up to 8 micro-batches are common; a scheduler that advances at each of them advances so often per update.
MOST_ADVANCES = 8
# How many updates the run of a declared schedule has where the user does not say it.
CLOCK_UPDATES = 12

# An objective that draws three tensors of one shape, where the step has drawn four, can be dealt them in 24 ways. Each
# takes one gradient of a small network; beyond this many the step is not decided.
MOST_DEALS = 64
# Of the readings of a phase (where it looked, which noise it was given) the nearest ones are measured: one that is
# right up to rounding is among them, for a wrong one is off by far more.
NEAREST_READINGS = 3
# An average is two products and a sum in the dtype in which it is kept, or a lerp: each rounds half an ulp. Rounding
# the weights to that dtype first is one more; twice that is allowed.
AVERAGE_ULPS = 4.0


def decisive_needed(examples: int) -> int:
    """Return how many of n examples must be decisive for a clause to be held."""
    return max(min(FEWEST_DECISIVE, examples), math.ceil(DECISIVE_SHARE * examples))


def whole_run_needed(examples: int) -> int:
    """Return how many of n examples must be decisive before a clause reports what no example of the run showed."""
    return max(WHOLE_RUN_DECISIVE, math.ceil(WHOLE_RUN_SHARE * examples))


def may_act(value: Any) -> bool:
    """Say whether an option of unknown meaning must show an effect in a long run.

    Zero may switch something off, and a number of more than `LATEST_STEP` may count steps that are never reached.
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < abs(value) <= LATEST_STEP


def unit(precision: int) -> float:
    """Return the unit roundoff 2^-p of a precision of p bits."""
    return FORMATS[precision].unit
