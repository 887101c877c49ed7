"""GeomLoss on torch: the regularised value <P, C> + epsilon KL(P | a b^T) of a given cost.

GeomLoss averages simultaneous updates and lowers epsilon step by step, so after N iterations it has
another plan than alternating iterations at one epsilon, and what can be compared is the value that both
approach. Both run N iterations.
"""

from functools import partial

import geomloss
import numpy
import torch
from geomloss import ot

from . import inputs, mlot
from .case import COLUMNS, EPSILON, ITERATIONS, Case, Pair

NAME = f"GeomLoss {geomloss.__version__}, torch {torch.__version__}"


def cases(sizes, threads):
    torch.set_num_threads(threads)
    for length in sizes.tables:
        yield Case("sinkhorn", "GeomLoss float32", f"T={length}", partial(value, length))


def regularised_value(plan, cost, epsilon):
    """For marginals 1 / T; the plan is scaled to mass 1."""
    p = plan / plan.sum(dtype=numpy.float64)
    return numpy.sum(p * (cost + epsilon * (numpy.log(p) + 2 * numpy.log(len(p)))))


def value(length):
    cost = inputs.cost(length, COLUMNS)
    ours = mlot.sinkhorn(cost, EPSILON, ITERATIONS)
    given = torch.from_numpy(cost)
    peer = lambda: ot.solve(given, reg=EPSILON, max_iter=ITERATIONS).value.item()
    agree = lambda: inputs.relative_difference(regularised_value(ours.plan, cost, EPSILON), peer())
    return Pair(peer, ours, agree, 1e-3, ours.bytes)
