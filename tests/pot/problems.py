"""Random transport problems, ordinary and extreme, the same in every run.

All their numbers are float32's, so that every number type reads the same problem.
"""

from dataclasses import dataclass
from itertools import cycle, product

import numpy


@dataclass
class Problem:
    name: str
    cost: numpy.ndarray  # float32
    row_marginal: numpy.ndarray
    column_marginal: numpy.ndarray
    epsilon: float
    iterations: int
    layout: str  # one of LAYOUTS

    def steepness(self):
        """max |C| / epsilon."""
        return float(numpy.abs(self.cost).max()) / self.epsilon

    def cost_as(self, dtype):
        """The cost in that number type, in memory of the problem's layout."""
        return LAYOUTS[self.layout](self.cost.astype(dtype))


def _padded(cost):
    wide = numpy.full((cost.shape[0], cost.shape[1] + 3), numpy.nan, cost.dtype)
    wide[:, :-3] = cost
    return wide[:, :-3]


def _apart(cost):
    wide = numpy.full((2 * cost.shape[0], 3 * cost.shape[1]), numpy.nan, cost.dtype)
    wide[::2, ::3] = cost
    return wide[::2, ::3]


LAYOUTS = {"dense": numpy.ascontiguousarray, "padded": _padded, "apart": _apart, "by column": numpy.asfortranarray}

SHAPES = ((1, 1), (1, 9), (13, 1), (2, 2), (5, 3), (8, 8), (17, 33), (40, 25), (50, 70))
ITERATIONS = (1, 2, 7, 20, 100)


def _uniform(random, shape):
    return random.uniform(0, 1, shape)


def _table(random, shape):
    """L1 distances of softmax rows, as in the loss."""
    rows, columns = (random.dirichlet(numpy.ones(12), n) for n in shape)
    return numpy.abs(rows[:, None, :] - columns[None, :, :]).sum(2)


def _squares(random, shape):
    x, y = (random.standard_normal(n) for n in shape)
    return (x[:, None] - y[None, :]) ** 2


def _signed(random, shape):
    return random.standard_normal(shape)


def _spread(random, shape):
    """Costs of very different size: 1 to 1e4."""
    return 10 ** random.uniform(0, 4, shape)


def _offset(random, shape):
    """Far from 0, and of one size."""
    return 1e4 + random.uniform(0, 100, shape)


COSTS = {f.__name__[1:]: f for f in (_uniform, _table, _squares, _signed, _spread, _offset)}


def _ones(random, n):
    del random
    return numpy.ones(n)


def _probabilities(random, n):
    return random.dirichlet(numpy.ones(n))


def _unequal(random, n):
    """Nine decades."""
    return 10 ** random.uniform(-6, 3, n)


def _zeros(random, n):
    mass = random.uniform(0.2, 3, n)
    mass[random.permutation(n)[: n // 3]] = 0
    return mass


MARGINALS = {f.__name__[1:]: f for f in (_ones, _probabilities, _unequal, _zeros)}

# epsilon in units of the cost's scale, max |C|
EPSILONS = (10, 1, 0.1, 0.03, 0.01, 3e-3, 1e-3, 1e-4)


def problems():
    """Every cost with every epsilon and every kind of marginals, twice; shapes, layouts and iterations take turns."""
    random = numpy.random.default_rng(20241218)
    kinds = [*product(COSTS, EPSILONS, MARGINALS)]
    cases = [kinds[n] for _ in range(2) for n in random.permutation(len(kinds))]
    turns = zip(cycle(SHAPES), cycle(LAYOUTS), cycle(ITERATIONS))
    for (kind, epsilon, mass), (shape, layout, iterations) in zip(cases, turns):
        cost = COSTS[kind](random, shape).astype(numpy.float32)
        marginals = [MARGINALS[mass](random, size).astype(numpy.float32) for size in shape]
        name = f"{kind} cost, {shape[0]} x {shape[1]}, epsilon {epsilon} of its scale, marginals {mass}, {layout}"
        epsilon *= float(numpy.abs(cost).max())
        yield Problem(name, cost, *marginals, float(numpy.float32(epsilon)), iterations, layout)
