"""PyTorch, eager."""

from functools import partial

import torch

from . import inputs, mlot, torch_loss
from .case import COLUMNS, EPSILON, ITERATIONS, Case, Pair

NAME = f"torch {torch.__version__}"


def cases(sizes, threads):
    torch.set_num_threads(threads)
    losses = (
        ("loss", loss),
        ("authors-code", authors_code),
        ("cross-entropy", cross_entropy),
        ("universal-logit", universal_logit),
        ("forward-kl", partial(divergence, False)),
        ("jensen-shannon", partial(divergence, True)),
        ("softmax", softmax),
    )
    for row, prepare in losses:
        for shape in sizes.losses:
            yield Case(row, "torch", "B={} T={} m={} n={}".format(*shape), partial(prepare, *shape))
    for length in sizes.tables:
        yield Case("sinkhorn-gradient", "torch", f"T={length}", partial(sinkhorn_gradient, length))


def logits_and_labels(sequences, length, m, n):
    teacher = inputs.language_logits(1, sequences, length, m)
    student = inputs.language_logits(2, sequences, length, n)
    return teacher, student, inputs.labels(3, sequences, length, n)


def backward(leaf, value):
    """A function that answers value() and the gradient of its last term with respect to `leaf`."""
    leaf.requires_grad_()

    def run():
        terms = value()
        (gradient,) = torch.autograd.grad(terms.reshape(-1)[-1], leaf)
        return terms.detach(), gradient

    return run


def worst_difference(terms, gradient, wanted):
    """Of the terms one by one and of the gradient."""
    wanted_terms, wanted_gradient = wanted
    each = [inputs.relative_difference(v, w) for v, w in zip(terms, wanted_terms.reshape(-1), strict=True)]
    return max(each + [inputs.relative_difference(gradient, wanted_gradient)])


def loss(*shape):
    teacher, student, labels = logits_and_labels(*shape)
    ours = mlot.multi_level(teacher, student, labels)
    given, leaf, targets = map(torch.from_numpy, (teacher, student, labels))
    peer = backward(leaf, lambda: torch_loss.multi_level(given, leaf, targets, COLUMNS, EPSILON, ITERATIONS))
    return Pair(peer, ours, lambda: worst_difference(ours.terms, ours.gradient, peer()), 1e-4, ours.bytes)


def authors_code(*shape):
    """Their terms and cross-entropy by the peer, the paper's whole loss by mlot."""
    teacher, student, labels = logits_and_labels(*shape)
    ours = mlot.multi_level(teacher, student, labels)
    same = mlot.reference_code(teacher, student)
    given, leaf, targets = map(torch.from_numpy, (teacher, student, labels))
    terms_alone = backward(leaf, lambda: torch_loss.authors_code(given, leaf))
    peer = backward(
        leaf, lambda: torch_loss.cross_entropy(leaf, targets) + torch_loss.authors_code(given, leaf)[-1]
    )

    def difference():
        same()
        return worst_difference(same.terms[1:], same.gradient, terms_alone())

    return Pair(peer, ours, difference, 1e-4, ours.bytes)


def cross_entropy(*shape):
    """Cross-entropy alone by the peer, the whole loss by mlot."""
    teacher, student, labels = logits_and_labels(*shape)
    ours = mlot.multi_level(teacher, student, labels)
    leaf, targets = map(torch.from_numpy, (student, labels))
    peer = backward(leaf, lambda: torch_loss.cross_entropy(leaf, targets))
    agree = lambda: inputs.relative_difference(ours.terms[0], peer()[0])
    return Pair(peer, ours, agree, 1e-5, ours.bytes)


def universal_logit(*shape):
    teacher, student, labels = logits_and_labels(*shape)
    ours = mlot.universal_logit(teacher, student, labels)
    given, leaf, targets = map(torch.from_numpy, (teacher, student, labels))
    peer = backward(leaf, lambda: torch_loss.universal_logit(given, leaf, targets))
    return Pair(peer, ours, lambda: worst_difference(ours.terms, ours.gradient, peer()), 1e-4, ours.bytes)


def divergence(halfway, sequences, length, _, n):
    """Over the student's vocabulary: the size's m is not used."""
    teacher, student, labels = logits_and_labels(sequences, length, n, n)
    ours = mlot.divergence(teacher, student, labels, halfway)
    given, leaf, targets = map(torch.from_numpy, (teacher, student, labels))
    peer = backward(leaf, lambda: torch_loss.divergence(given, leaf, targets, halfway))
    return Pair(peer, ours, lambda: worst_difference(ours.terms, ours.gradient, peer()), 1e-4, ours.bytes)


def softmax(sequences, length, m, n):
    """Softmax of the teacher by the peer, which mlot's column sums contain."""
    logits = inputs.language_logits(1, sequences, length, m)
    ours = mlot.vocabulary_mass(logits)
    given = torch.from_numpy(logits)
    peer = lambda: torch.softmax(given, dim=-1)
    agree = lambda: inputs.relative_difference(ours.mass, peer().sum(dim=1))
    return Pair(peer, ours, agree, 1e-5, ours.bytes)


def sinkhorn_gradient(length):
    teacher, student = inputs.tables(length, COLUMNS)
    ours = mlot.transport(teacher, student, EPSILON, ITERATIONS)
    given, leaf = map(torch.from_numpy, (teacher, student))
    peer = backward(leaf, lambda: torch_loss.sinkhorn_distance(given, leaf, EPSILON, ITERATIONS))
    return Pair(peer, ours, lambda: worst_difference(ours.distance, ours.gradient, peer()), 1e-4, ours.bytes)
