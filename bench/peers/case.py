"""What a peer offers for timing."""

from dataclasses import dataclass
from typing import Callable

# The work of each row: the peer's, against mlot's where that is not the same.
ROWS = {
    "loss": "the whole loss, forward and backward",
    "authors-code": "what the authors' code computes, and cross-entropy, against the whole loss",
    "cross-entropy": "cross-entropy alone, forward and backward, against the whole loss",
    "universal-logit": "universal logit distillation and cross-entropy, forward and backward",
    "forward-kl": "forward KL over one vocabulary and cross-entropy, forward and backward",
    "jensen-shannon": "Jensen-Shannon over one vocabulary and cross-entropy, forward and backward",
    "softmax": "softmax of the teacher, against its column sums over each sequence",
    "sinkhorn-gradient": "Sinkhorn distance with its L1 cost, forward and backward",
    "sinkhorn": "transport plan of a given cost, mlot in the domain that it chooses",
    "sinkhorn-log": "transport plan of a given cost, in the log domain",
}
COLUMNS = 50  # k
EPSILON = 0.1
ITERATIONS = 20  # N


@dataclass
class Pair:
    """The same work twice, on inputs that exist already."""

    peer: Callable[[], object]
    mlot: Callable[[], object]
    difference: Callable[[], float]  # relative, of the results of one call of each
    tolerance: float
    mlot_bytes: int  # what mlot holds beside its inputs: workspace and outputs
    frees_at_once: bool = True  # whether the peer's memory can be told from the growth of the process


@dataclass
class Case:
    row: str  # one of ROWS
    peer: str
    size: str
    prepare: Callable[[], Pair]


@dataclass(frozen=True)
class Sizes:
    """Shapes of the logits (B, T, m, n) and lengths T of the tables (T, k)."""

    losses: tuple
    tables: tuple


FULL = Sizes(
    losses=((1, 64, 32000, 50272), (1, 256, 32000, 50272), (2, 128, 32000, 50272), (1, 128, 128256, 151936)),
    tables=(256, 1024, 2048, 4096),
)
SHORT = Sizes(losses=((1, 16, 32000, 50272), (2, 8, 3200, 5027)), tables=(256,))
