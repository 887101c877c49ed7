#!/usr/bin/env python3
"""Makes dual_space_*.npz: dual-space distillation of ragged batches, in float64 by PyTorch (Debian: python3-torch)."""

import sys

import numpy
import torch

# Name: tokens of either side by sequence, widths, vocabularies, temperature, ratio.
CASES = {
    "base": ([5, 3], [4, 6], 6, 4, 11, 9, 2.0, 0.5),
    "cold": ([2, 7, 1], [3, 1, 5], 3, 8, 6, 20, 0.75, 0.3),
}


def numbers(random, *shape):
    """Float64 with few digits, so that a float library reads the same."""
    return torch.tensor(random.standard_normal(shape).astype(numpy.float32).astype(float))


def forward_kl(teacher, student, tau):
    q, p = torch.log_softmax(teacher / tau, -1), torch.log_softmax(student / tau, -1)
    return (q.exp() * (q - p)).sum(-1)


def case(seed, teacher_lengths, student_lengths, teacher_width, student_width, m, n, tau, ratio):
    random = numpy.random.default_rng(seed)
    rows = {"teacher": sum(teacher_lengths), "student": sum(student_lengths)}
    inputs = {}
    for side, width, vocabulary in (("teacher", teacher_width, m), ("student", student_width, n)):
        for name in ("hidden", "input", "target"):
            inputs[f"{side}_{name}"] = numbers(random, rows[side], width)
        inputs[f"{side}_head"] = numbers(random, vocabulary, width)
        inputs[f"{side}_logits"] = 2 * numbers(random, rows[side], vocabulary)
    for name, outputs, width in (
        ("query", 2 * teacher_width, 2 * student_width),
        ("to_student", student_width, teacher_width),
        ("to_teacher", teacher_width, student_width),
    ):
        inputs[f"{name}_weight"] = numbers(random, outputs, width) / 2
        inputs[f"{name}_bias"] = numbers(random, outputs) / 2
    teacher_rows = numpy.split(numpy.arange(rows["teacher"]), numpy.cumsum(teacher_lengths)[:-1])
    student_rows = numpy.split(numpy.arange(rows["student"]), numpy.cumsum(student_lengths)[:-1])
    differentiated = ["student_logits", "student_hidden"] + [
        f"{name}_{part}" for name in ("query", "to_student", "to_teacher") for part in ("weight", "bias")
    ]
    for name in differentiated:
        inputs[name].requires_grad_(True)
    i = inputs
    linear = torch.nn.functional.linear

    teacher_index = torch.cat([i["teacher_input"], i["teacher_target"]], -1)
    keys = teacher_index / teacher_index.std()
    values = i["teacher_hidden"] / i["teacher_hidden"].std() + i["teacher_target"] / i["teacher_target"].std()
    teacher_values = linear(values, i["to_student_weight"], i["to_student_bias"])
    student_values = linear(i["student_hidden"], i["to_teacher_weight"], i["to_teacher_bias"])
    queries = linear(
        torch.cat([i["student_input"], i["student_target"]], -1), i["query_weight"], i["query_bias"]
    )
    projected_teacher = torch.zeros(rows["student"], n, dtype=torch.float64)
    projected_student = torch.zeros(rows["teacher"], m, dtype=torch.float64)
    for t, s in zip(teacher_rows, student_rows):
        scores = queries[s] @ keys[t].T / (2 * teacher_width) ** 0.5
        projected_teacher[s] = torch.softmax(scores, -1) @ teacher_values[t] @ i["student_head"].T
        projected_student[t] = torch.softmax(scores.T, -1) @ student_values[s] @ i["teacher_head"].T

    best = projected_teacher.argmax(-1).numpy()
    labels = numpy.where(random.random(rows["student"]) < 0.5, best, random.integers(0, n, rows["student"]))
    labels[random.random(rows["student"]) < 0.2] = -100
    label = torch.tensor(labels)
    agrees = (projected_teacher.argmax(-1) == label).double()
    cross_entropy = torch.nn.functional.cross_entropy(i["student_logits"], label, reduction="sum")
    projected = torch.nn.functional.cross_entropy(projected_teacher, label, reduction="sum")
    to_student = (forward_kl(projected_teacher.detach(), i["student_logits"], tau) * agrees).sum()
    to_teacher = forward_kl(i["teacher_logits"], projected_student, tau).sum()
    total = (1 - ratio) * cross_entropy + ratio * (projected + to_student + to_teacher)
    total.backward()
    assert agrees.sum() > 1

    arrays = {name: value.detach().numpy().astype(numpy.float32) for name, value in inputs.items()}
    arrays.update({f"grad_{name}": inputs[name].grad.numpy() for name in differentiated})
    arrays.update(
        labels=labels,
        teacher_offsets=numpy.cumsum([0] + teacher_lengths),
        student_offsets=numpy.cumsum([0] + student_lengths),
        temperature=tau,
        ratio=ratio,
        terms=[x.item() for x in (cross_entropy, projected, to_student, to_teacher, total)],
    )
    return arrays


def main():
    for seed, (name, shape) in enumerate(CASES.items()):
        numpy.savez_compressed(f"{sys.argv[1]}/dual_space_{name}.npz", **case(seed, *shape))


if __name__ == "__main__":
    main()
