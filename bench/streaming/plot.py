#!/usr/bin/env python3
"""Draws time and memory against T, from the file of `streaming --json`."""
import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from plot_style import BLUE, ORANGE, load, plain_log, plt, save

WAYS = {"with_matrix": ("with the cost matrix", ORANGE, "s"), "streamed": ("without it", BLUE, "o")}


def draw(panel, points, value, label):
    for way, (name, colour, marker) in WAYS.items():
        own = [p for p in points if way in p]
        panel.plot([p["tokens"] for p in own], [value(p[way]) for p in own], color=colour, marker=marker, label=name)
    plain_log(panel.xaxis, [p["tokens"] for p in points])
    plain_log(panel.yaxis)
    panel.tick_params(axis="x", rotation=45)
    panel.set_xlabel("T")
    panel.set_title(label)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("json")
    parser.add_argument("svg")
    options = parser.parse_args()
    data = load(options.json)
    figure, (time, memory) = plt.subplots(1, 2, figsize=(8.5, 3.6))
    draw(time, data["points"], lambda m: m["forward_seconds"] + m["backward_seconds"], "seconds, forward and backward")
    draw(memory, data["points"], lambda m: 1e-6 * m["bytes"], "MB beside the tables and the gradient")
    time.legend(loc="upper left", fontsize=8)
    figure.tight_layout(rect=(0, 0.04, 1, 1))
    save(figure, options.svg, data)


if __name__ == "__main__":
    main()
