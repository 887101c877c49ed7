#!/usr/bin/env python3
"""Draws how the time of the loss and of Sinkhorn grows, from the file of `growth --json`."""
import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from plot_style import BLUE, GREY, ORANGE, load, plain_log, plt, save

PANELS = {
    "tokens": "tokens of a sequence, T",
    "vocabulary": "vocabulary of either side",
    "k": "columns kept, k",
    "iterations": "Sinkhorn iterations, N",
    "sequences": "sequences of 32 tokens, B",
    "threads": "threads",
}


def line(panel, points, key="seconds", **style):
    shown = [p for p in points if p[key] is not None]
    if shown:
        panel.plot([p["value"] for p in shown], [1e3 * p[key] for p in shown], **style)


def few(values):
    """At most four of the values, for ticks."""
    return values[:: -(-len(values) // 4)]


def finish(panel, points, label):
    plain_log(panel.xaxis, few([p["value"] for p in points]))
    plain_log(panel.yaxis, [10.0**d for d in range(-4, 6)])
    panel.set_title(label)


def draw_loss(panel, points, label):
    line(panel, points, "floor_seconds", color=GREY, linewidth=2.5, label="memory floor")
    line(panel, points, color=BLUE, marker="o", label="loss, forward and backward")
    finish(panel, points, label)
    if len(points) == 1:
        panel.set_title(label + " (one available)")


def draw_sinkhorn(panel, sinkhorn):
    line(panel, sinkhorn["forward"], color=BLUE, marker="o", label="forward")
    line(panel, sinkhorn["with_gradient"], color=ORANGE, marker="s", label="forward and backward")
    finish(panel, sinkhorn["forward"], "Sinkhorn alone: T x T, N = 20")
    panel.legend(loc="upper left", fontsize=8)


def share_height(panels):
    """One range of time, so that flat looks flat."""
    limits = [panel.get_ylim() for panel in panels]
    for panel in panels:
        panel.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))


def describe(panel, data, handles):
    base = data["base"]
    panel.axis("off")
    copied = [f"copy, {n} thread{'s' * (n != '1')}: {1e-9 * rate:.1f} GB/s"
              for n, rate in data["copy_bytes_per_second"].items()]
    if not copied:
        copied = ["no memory floor: all sizes fit the cache"]
    text = [f"Around B = {base['sequences']}, T = {base['tokens']}, k = {base['k']}, "
            f"N = {base['iterations']},",
            f"vocabularies {base['teacher_vocabulary']} and {base['student_vocabulary']}, float,",
            "one size varies in each panel.", "", *copied]
    panel.text(0, 0.66, "\n".join(text), va="top", fontsize=8, transform=panel.transAxes)
    panel.legend(handles=handles, loc="upper left", bbox_to_anchor=(-0.05, 1))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("json")
    parser.add_argument("svg")
    options = parser.parse_args()
    data = load(options.json)
    figure, grid = plt.subplots(2, 4, figsize=(12, 5.6))
    panels = iter(grid.flat)
    legend = {}
    for name, label in PANELS.items():
        panel = next(panels)
        draw_loss(panel, data["loss"][name], label)
        legend.update({handle.get_label(): handle for handle in panel.lines})
    draw_sinkhorn(next(panels), data["sinkhorn"])
    describe(next(panels), data, legend.values())
    for row in grid:
        row[0].set_ylabel("ms")
    share_height(list(grid.flat)[:len(PANELS)])
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    save(figure, options.svg, data)


if __name__ == "__main__":
    main()
