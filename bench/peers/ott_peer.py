"""OTT-JAX, jitted, float32; compilation happens before the timing.

OTT scales columns first, so it gets the transposed cost. With as many inner as outer iterations it
computes the marginal error once, after the last.
"""

from functools import partial

import jax
import ott
from ott.geometry import costs, geometry, pointcloud
from ott.problems.linear import linear_problem
from ott.solvers.linear import sinkhorn

from . import inputs, mlot
from .case import COLUMNS, EPSILON, ITERATIONS, Case, Pair

NAME = f"OTT-JAX {ott.__version__}, jax {jax.__version__}"
LARGEST_GRADIENT = 2048  # autodiff keeps matrices of every iteration


def cases(sizes, threads):
    del threads  # XLA counts the processors that it may run on
    for row, lse_mode, domain in (("sinkhorn", False, mlot.AUTOMATIC), ("sinkhorn-log", True, mlot.LOGARITHMIC)):
        for length in sizes.tables:
            yield Case(row, "OTT-JAX float32", f"T={length}", partial(plan, lse_mode, domain, length))
    for length in sizes.tables:
        if length <= LARGEST_GRADIENT:
            yield Case("sinkhorn-gradient", "OTT-JAX", f"T={length}", partial(sinkhorn_gradient, length))


def iterate(geom, lse_mode):
    ones = jax.numpy.ones(geom.shape[0])
    solver = sinkhorn.Sinkhorn(
        lse_mode=lse_mode,
        threshold=0.0,  # an integer would break the gradient
        inner_iterations=ITERATIONS,
        min_iterations=ITERATIONS,
        max_iterations=ITERATIONS,
        implicit_diff=None,  # through the iterations, as mlot
    )
    return solver(linear_problem.LinearProblem(geom, ones, ones)).matrix


def plan(lse_mode, domain, length):
    cost = inputs.cost(length, COLUMNS)
    ours = mlot.sinkhorn(cost, EPSILON, ITERATIONS, domain)
    transposed = jax.numpy.asarray(cost.T)
    solve = jax.jit(lambda c: iterate(geometry.Geometry(cost_matrix=c, epsilon=EPSILON), lse_mode))
    peer = lambda: solve(transposed).block_until_ready()
    agree = lambda: inputs.relative_difference(ours.plan, peer().T)
    return Pair(peer, ours, agree, 1e-4, ours.bytes, frees_at_once=False)


def sinkhorn_gradient(length):
    teacher, student = inputs.tables(length, COLUMNS)
    ours = mlot.transport(teacher, student, EPSILON, ITERATIONS)

    def distance(points, others):
        geom = pointcloud.PointCloud(points, others, cost_fn=costs.PNormP(1.0), epsilon=EPSILON)
        return jax.numpy.sum(iterate(geom, lse_mode=False) * geom.cost_matrix)

    solve = jax.jit(jax.value_and_grad(distance))
    given = jax.numpy.asarray(student), jax.numpy.asarray(teacher)
    peer = lambda: jax.block_until_ready(solve(*given))

    def agree():
        value, gradient = peer()
        return max(
            inputs.relative_difference(ours.distance, value),
            inputs.relative_difference(ours.gradient, gradient),
        )

    return Pair(peer, ours, agree, 1e-4, ours.bytes, frees_at_once=False)
