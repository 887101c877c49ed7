"""MultiLevelOT (arXiv 2412.14528, eq. 10-21) and the losses beside it in eager PyTorch, as their equations read."""

import math

import torch
from torch.nn import functional


def likeliest(probabilities, k):
    """(B, k) ids of the largest sums over the tokens of a sequence."""
    return probabilities.sum(dim=1).argsort(dim=-1, descending=True)[:, :k]


def columns(probabilities, ids):
    return probabilities.gather(-1, ids[:, None, :].expand(-1, probabilities.shape[1], -1))


def sinkhorn_distance(teacher, student, epsilon, iterations):
    """<P, C> of tables (B, T, k) or (T, k), summed over the batch."""
    cost = torch.cdist(teacher, student, p=1)
    plan = torch.exp(-cost / epsilon)
    for _ in range(iterations):
        plan = plan / plan.sum(dim=-1, keepdim=True)
        plan = plan / plan.sum(dim=-2, keepdim=True)
    return (plan * cost).sum()


def cross_entropy(student, labels):
    return functional.cross_entropy(student.flatten(0, 1), labels.flatten(), reduction="sum")


def multi_level(teacher, student, labels, k, epsilon, iterations, alpha=0.15, beta=0.1, gamma=0.1):
    """(5) cross-entropy, HAD, SL, SD and the total; temperature 1, and 2 for the transport."""
    p, q = teacher.softmax(dim=-1), student.softmax(dim=-1)
    teacher_ids, student_ids = likeliest(p, k), likeliest(q.detach(), k)
    t, s = columns(p, teacher_ids), columns(q, student_ids)
    difference = (t - s).abs().sum()
    logarithm = -(t * s.log()).sum()
    distance = sinkhorn_distance(
        columns((teacher / 2).softmax(dim=-1), teacher_ids),
        columns((student / 2).softmax(dim=-1), student_ids),
        epsilon,
        iterations,
    )
    entropy = cross_entropy(student, labels)
    total = entropy + alpha * (difference + beta * logarithm + gamma * distance)
    return torch.stack([entropy, difference, logarithm, distance, total])


def universal_logit(teacher, student, labels, weight=1.5):
    """Terms: cross-entropy, difference of sorted probabilities, total."""
    ranked = [torch.softmax(z, dim=-1).sort(dim=-1, descending=True).values for z in (teacher, student)]
    width = max(p.shape[-1] for p in ranked)
    t, s = (functional.pad(p, (0, width - p.shape[-1])) for p in ranked)
    difference = (t - s).abs().sum(dim=-1).mean(dim=-1).sum()
    ce = cross_entropy(student, labels)
    return torch.stack([ce, difference, ce + weight * difference])


def divergence(teacher, student, labels, halfway):
    """Terms: cross-entropy, Jensen-Shannon (beta = 1/2) or forward KL, half of either."""
    q, p = (torch.log_softmax(z, dim=-1) for z in (teacher, student))
    kl = lambda of, under: functional.kl_div(under, of, reduction="sum", log_target=True)
    if halfway:
        mixture = torch.logaddexp(q, p) - math.log(2)
        value = (kl(q, mixture) + kl(p, mixture)) / 2
    else:
        value = kl(q, p)
    ce = cross_entropy(student, labels)
    return torch.stack([ce, value, (ce + value) / 2])


def standardised(logits):
    return logits / (logits.std(dim=-1, keepdim=True) + 1e-4)


def in_order_of_mass(probabilities):
    """The whole vocabulary, by the sums over the batch."""
    return probabilities[:, :, probabilities.sum(dim=(0, 1)).argsort(descending=True)]


def authors_code(teacher, student, k=50, iterations=10):
    """(4) HAD, SL', SD' and their weighted sum as the authors' code has them, every token an answer."""
    t, s = (in_order_of_mass(standardised(z).softmax(dim=-1))[:, :, :k] for z in (teacher, student))
    difference = (t - s).abs().sum(dim=-1).mean()
    logarithm = -(s.softmax(dim=-1) * t.log_softmax(dim=-1)).sum(dim=-1).mean()
    distance = 0.001 * sinkhorn_distance((t / 2).softmax(dim=-1), (s / 2).softmax(dim=-1), 0.1, iterations)
    return torch.stack([difference, logarithm, distance, difference + 0.1 * logarithm + 0.1 * distance])
