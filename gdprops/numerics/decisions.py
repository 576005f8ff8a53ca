"""Every threshold of the specification, with its reason. No clause contains a number of its own."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, NamedTuple


class Format(NamedTuple):
    """A binary floating-point format: exponent of its smallest subnormal, largest exponent, unit roundoff."""

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
"""By the number of significant bits."""

# The magnitudes of a certificate are themselves computed in float64: 2^-40 covers the rounding of sums of up to
# thousands of terms and costs nothing that matters (98.5% of the truly exact cases are certified).
MAGNITUDE_SLACK = 1 - 2.0**-40

# What no example of a whole run showed counts only where at least ten, and half of them, could have shown it.
WHOLE_RUN_DECISIVE = 10
WHOLE_RUN_SHARE = 0.5

# Of n examples at least max(min(5, n), ceil(n / 4)) must be decisive, or a clause is not held but vacuous.
FEWEST_DECISIVE = 5
DECISIVE_SHARE = 0.25

# A case is decisive when what is allowed is at most half the distance to the nearest rival: then seen = rival would
# be refuted with as much room again.
RIVAL_SHARE = 0.5

# Two correct computations differ by at most 2u times the running bound (each by u times it). Largest seen over 30,000
# networks: 0.39 between two orders of evaluation, 0.63 between NumPy and torch (whose tanh differ by two ulp).
TWO_COMPUTATIONS = 2.0

# An update w - eta g rounds the stored rate (float32 codes), the product and the sum: at most two ulps of the
# displacement and one of w. One ulp is 2u relative to the larger power of two: 2u|x| never falls short of it.
ULP = 2.0
DISPLACEMENT_ULPS = 2.0

# In units of u, relative: what a library's tanh or sigmoid may be off by. Worst measured: 6.9 (vectorized tanh of
# TensorFlow and of XLA, float64), 6.1 (sigmoid of TensorFlow, float32); 1.8 in NumPy and torch in float64.
ELEMENTARY = 8.0

# Rules that find their own rate run away on a gradient that never turns round: Prodigy overflows float32 after some
# eighty steps. What couples parameters is compared before that.
COUPLED_STEPS = 12
# By which factors a gradient is replaced to see whether the step answers to it. The sign of an average over a thousand
# steps turns only where the new term outweighs the old ones; a rule that leaves out such a spike answers to the first.
OTHER_GRADIENTS = (-8.0, -(2.0**20))

# What an implementation is known to write into .grad (pytorch#12218, pytorch#92706).
WRITTEN_INTO_GRADIENTS = ("weight_decay", "maximize")

# In units of ulp: an entry whose expected displacement is smaller may or may not move.
UNDECIDED_MOVE = 4.0

# The displacement w' - w of a step carries the rounding of w' (one ulp of w) and of the rule's own few operations.
# Adam does about eight after the learning rate enters; sixteen leaves a factor of two.
RULE_ROUNDING = 16.0

# Floors (black boxes): worst seen 1.46 of one floor per tensor in 9,800 correct examples; 16 leaves tenfold room.
FLOORS_PER_TENSOR = 16.0
# The floor of a tensor holds one ulp of the largest of |w|, before and after, and this share of |g| beside the measured
# change.
GRADIENT_SHARE = 0.1
# A wrong step may end far away, where its own rounding exceeds the floors of the right one: a hypothesis must reproduce
# it to this share of its way. The nearest wrong hypotheses were 1e7 floors off.
REPRODUCED_SHARE = 1e-9
# Numbers fitted to what was seen: a simple fraction p/q with q up to 64 is meant where it lies so near.
LARGEST_DENOMINATOR = 64
SIMPLE_SHARE = 1e-8
# A regression is believed where it leaves no more than this share of the largest entry, with twice as many equations as
# unknowns, whose columns differ by more than this share.
REGRESSION_RESIDUAL = 1e-9
REGRESSION_RANK = 1e-8
EQUATIONS_PER_UNKNOWN = 2
# More equations than that would say the same again, and cost memory.
MOST_EQUATIONS = 10_000
# In the maximum norm over 8 perturbations the true error was at most 1.0 of the floor in 8,000 networks.
PERTURBATIONS = 8
FLOORS_IN_MAXIMUM_NORM = 4.0

# A published rule, each of its operations shaken by one ulp, eight times over: entry by entry, torch's own classes were
# never further off than the largest change (1.0 of it in 15 classes, float64 and float32); four leaves room for other
# orders of operation.
SHAKEN_FLOORS = 4.0
# One in so many roundings to bfloat16 falls the other way while a rule is shaken: between two matrix products it is
# fewer than one in a thousand, and each is seen in the whole matrix.
FLIPPED_ROUNDINGS = 8
# Two forms of a rule that differ by less than this share of a step are one and the same at these hyperparameters.
PRINCIPLE = 1e-9

# The law of divergence, decided in rationals: at 2^-60 the cubic remainder cannot hide a nonzero quadratic term.
LAW_RATE = Fraction(1, 2**60)
SMALLER_LAW_RATE = Fraction(1, 2**80)
# |R(2^-80)| <= 2 * 2^-20 * |R(2^-60)|: R is O(eta); the worst over 215 networks was 1.000004 of 2^-20.
LAW_REMAINDER = 2 * Fraction(1, 2**20)

# The law in floating point: a ladder of rates relative to the curvature. Slope 1.999 and residual slope 2.998 were
# measured; cancellation can only make the residual steeper, hence the one-sided bound.
LADDER = (2.0**-6, 2.0**-8, 2.0**-10, 2.0**-12)
SLOPE = (1.9, 2.1)
RESIDUAL_SLOPE = 2.8
# The difference itself shows slope 2 where its cubic term is below this share of the quadratic one (else 1.5 to 2.1).
SLOPE_SHARE = 1 / 20
# A residual below this many units of |eta H w| + |eta g| is rounding of the gradients, not a cubic term.
LADDER_NOISE = 2.0**-44
# Below this share of |H||g| the predicted difference is a cancellation and the slope says nothing.
LAW_RESOLUTION = 1e-3

# Downhill: some t = 2^-k with k <= 60 lowers J along a partial derivative (rational: the first decrease decides).
DOWNHILL_HALVINGS = 60
# Armijo: J falls by at least half of what the slope promises; and by four roundings of J, or nothing was measured.
ARMIJO = 0.5
DESCENT_ROUNDING = 4.0
DESCENT_HALVINGS = 40
# A share of the rate at which no sum overflows: what is not finite there is so at every rate.
VANISHING_RATE = 2.0**-DESCENT_HALVINGS
# For other rules than plain descent the loop runs at this share of the largest rate whose first step descends:
# momentum 0.9 multiplies the rate by 10 in the long run.
LOOP_SHARE = 1 / 16

# Richardson: differences at h and h/2, error h^4; h balances that against the rounding 2u|J|/h.
RICHARDSON_STEP = 2.0**-9
# |R2 - R1| estimates the error of R1, not of the extrapolated value, which is smaller; twice covers both.
RICHARDSON_MARGIN = 2.0
# R2 combines D(h/4) and D(h/2): (4 * 4 + 2) / 3 = 6 errors of one evaluation, over h.
RICHARDSON_ROUNDING = 6.0
# One-sided slopes of a smooth function differ by f'' h: four times less at h/4. Half as much marks a kink, where it
# exceeds the rounding of a second difference at h/4: 16 errors of one evaluation, over h.
KINK_SHARE = 0.5
KINK_ROUNDING = 16.0

# The rounding of a loss of unknown precision is seen where seven values over such a distance are no cubic: what is left
# of a smooth function is 1e-24 and 2e-15 there, float32 rounds at 1e-7 of the values, and a loss rounded to four digits
# crosses several of them over the longer distance. The largest residual of a fit with four coefficients falls short of
# the largest error; three times covers it.
ROUGH_STEPS = (2.0**-20, 2.0**-11)
ROUGH_PLACES = (-1.0, -0.61, -0.27, 0.13, 0.47, 0.83, 1.0)
ROUGH_DIRECTIONS = 2
ROUGH_MARGIN = 3.0

# Hand-written losses guard logarithms with a constant e that hand-written gradients leave out: log(p + e) has a slope
# off by the share e / p. Measured on correct softmax and sigmoid networks of zero and one hidden layer (8 kinds, 150
# drawn cases each; probabilities that are clipped instead were never off): with e = 1e-8, 1e-7 and 1e-6 a gradient is
# off by up to 8e-6, 8e-5 and 8e-4 of its largest entry without a rectifier, and by 4e-3 to 0.4 in one case in a hundred
# with one, where p falls to 1e-6. No share covers that without hiding faults. So a violation must be seen again with
# all weights divided by GENTLE, where p is moderate, or be larger than a guard of MOST_GUARD could make it: p is at
# least exp(-n_out J) for the loss J of any row alone. With that, none of 7,200 such cases was held against them; with
# the share 1e-6 alone up to 11% of a kind were at e = 1e-8, and 34% at 1e-7. The share is of the largest entry of all
# gradients: rows that cancel in one of them do not cancel their guards.
GUARDED_SHARE = 1e-5
GENTLE = 8.0
MOST_GUARD = 1e-6

# A violation must be seen again with every weight moved by its own odd part of this: two kinks at one point can cancel
# in all differences, but not beside it. Ten times the step of the differences.
BESIDE = 0.02

# A network is the user's if its loss is, to this share: guards in logarithms change the seventh digit, another network
# the first.
RECOGNIZED_SHARE = 1e-5
# A factor that is fitted must hold in so many entries of the failing examples: in one entry any factor does.
FEWEST_FITTED = 3

# A loss cannot be differentiated where its differences are uncertain by more than this share of the largest, at three
# points: one rounded to four digits is by a quarter, one in float32 by a thousandth.
JUMPY_SHARE = 0.1

# Near a kink the expected weights are uncertain by more than this share of the displacement: no word on the loss.
BLURRED_SHARE = 1e-3

# Every weight of a hand-written network costs seven evaluations of its loss: at 20 microseconds each, a step of so many
# weights takes 70 ms.
MOST_BACKPROP_WEIGHTS = 500

# Trust ratios |w| / |g| keep 6 significant bits, at most 4 of them: layer-wise rates stay dyadic, and differ where the
# ratios do, however small they are.
TRUST_BITS = 6
TRUST_MOST = 4.0

# Hooks that look at every gradient cost a pass over it: models of more weights are watched without.
WATCHED_WEIGHTS = 1_000_000

# An undeclared window of k calls shows where a loop is long enough for two of them: windows of up to 64 are common.
ACCUMULATION_CALLS = 128
# Steps that split their batches into micro-batches of two rows or more see at least three, ragged ones.
SPLIT_ROWS = 5

# Gradients of at least so many times what they are clipped to, another in every step: the factor must change, or rules
# that are invariant to scale show nothing.
CLIPPED_NORMS = (2.0, 16.0, 4.0, 64.0)
# Targets are doubled at most so often: a network whose gradient is zero stays as it is.
DOUBLINGS = 40

# The user's own model: up to so many weights are drawn one by one, in float64; larger ones keep their dtype and take a
# seed.
LARGE_MODEL = 20_000
# A parameter whose entries are all equal (a bias of zeros, a scale of ones) is re-drawn within a tenth about them.
CONSTANT_SPREAD = 0.1

# torch divides by the norm plus this.
CLIP_GUARD = 1e-6

# torch keeps clocks and bias corrections in its default dtype: in float32 1 - 0.999 is off by 6e-5, and 1 - 0.9999 by
# 6e-4. (Cases in float64 are run with that as the default dtype, and nothing is allowed for it.)
SINGLE_SCALARS = 2.0**-10
# Muon and others compute in bfloat16, whatever their parameters are: one ulp of its eight bits (half an ulp is rounded
# away again).
BFLOAT16_ULP = 2.0**-8
# An iteration that normalizes a matrix forgets such a change, but not its own roundings: 1.1 of such ulps between a
# product and a batch of products, one matrix of equal entries.
BFLOAT16_SHARE = 2 * BFLOAT16_ULP
# Vectorized kernels take blocks of up to 64 entries, four at a time; grain sizes of threads begin at 2^15.
LARGE_TENSOR = 4096
# Imaginary parts are another number's real part times the second of these, plus the first: dyadic, and not zero where
# that is.
IMAGINARY = (0.25, -0.5)
# A turn of the complex plane, as real and imaginary part: repeated, it never comes back, so that no power hides it.
TURN = (0.6, 0.8)
# Rules that decompose matrices take minutes for thousands of rows.
LARGE_MATRIX = 128
# Any number that no small fraction is near: the waves do not repeat.
WAVE = 1.7
# A group is added after so many steps: one step is where clocks that start together still agree.
LATE_STEP = 2
# A rule that divides by what it remembers of others may leave a late tensor a thousandth of its way: with so many ulps
# of the weights some of it is left.
FAR_ULPS = 2.0**10
# Released rules warm up for 100 steps, or decompose their statistics every 1000: what acts only then acts.
LATEST_STEP = 1200
# And some treat matrices of up to 512 entries as vectors.
SIDE_OF_A_MATRIX = 48

# Hyperparameters by their published names, each with values to change it to: another one must change a step.
ALTERNATIVES: dict[str, tuple[float, ...]] = {
    "weight_decay": (0.25, 0.5),
    "momentum": (0.5, 0.25),
    "lr_decay": (0.5, 0.25),
    "momentum_decay": (0.5, 0.25),
    **dict.fromkeys(("betas", "beta", "beta1", "beta2", "beta3"), (0.5, 0.25)),
    "eps": (0.25, 2.0),
}
# Switches whose meaning is published, and that need no other one.
SWITCHES = ("amsgrad", "centered")
# Any other number times these.
FACTORS = (0.5, 2.0)
# A rate that may be read at construction only.
RATES_AT_CONSTRUCTION = (0.5, 0.125)
# Values outside the range that every publication gives: each must be refused.
INVALID: dict[str, tuple[Any, ...]] = {
    "lr": (-1.0,),
    "weight_decay": (-1.0,),
    "momentum": (-1.0,),
    "eps": (-1.0,),
    "betas": ((1.5, 0.5), (0.5, 1.5)),
}
# Defaults: ten steps from weights a hundred times the first step cannot reach the minimum, whatever warms up.
DEFAULT_STEPS = 10
DEFAULT_DISTANCE = 100.0
# Of the weights, and the curvature c: a rate of 0.1 is a small step only where the gradient is smaller than w.
DEFAULT_SCALES = ((1.0, 2.0**-10), (2.0**7, 1.0), (2.0**14, 2.0**-14), (2.0**14, 1.0))
# Where the first step is too long the same is tried at gentler slopes: a rate of 0.1 would decide half the time only.
DEFAULT_SOFTER = (1.0, 2.0**-7, 2.0**-14)

# Closures that return these, whatever the gradient: a rule that looks at the value of the loss shows.
OTHER_LOSSES = (0.0, -1000.0)

# Parallel to g within this share: a near miss of plain gradient descent, printed with its factor.
NEARLY_PARALLEL = 1e-6
# The probe's own resolution: twice the rounding of a displacement, generously.
PROBE_TOLERANCE = 1e-9
SINGLE_TOLERANCE = 1e-4
# float32 stores of a learning rate (TensorFlow, Keras) differ from the declared one by half an ulp of float32.
STORED_RATE = 2.0**-23


def decisive_needed(examples: int) -> int:
    """Return how many of n examples must be decisive for a clause to be held."""
    return max(min(FEWEST_DECISIVE, examples), math.ceil(DECISIVE_SHARE * examples))


def whole_run_needed(examples: int) -> int:
    """Return how many of n examples must be decisive before one says what no example showed."""
    return max(WHOLE_RUN_DECISIVE, math.ceil(WHOLE_RUN_SHARE * examples))


def unit(precision: int) -> float:
    """Return the unit roundoff 2^-p."""
    return FORMATS[precision].unit
