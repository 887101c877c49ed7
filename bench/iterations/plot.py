#!/usr/bin/env python3
"""Draws accuracy against time of N Sinkhorn iterations, from the file of `iterations --json`."""
import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from plot_style import load, plain_log, plt, save, shades

MARKERS = {("float", "scaling"): ("o", "float"), ("double", "scaling"): ("s", "double"),
           ("double", "logarithmic"): ("^", "double, log"),
           ("float", "logarithmic"): ("v", "float, log")}


def sizes(curve):
    teacher, student = curve["teacher_tokens"], curve["student_tokens"]
    return str(teacher) if teacher == student else f"{teacher}x{student}"


def positive(points, key):
    """Values for a log axis: nothing is drawn where there is no value, or an exact zero."""
    return [p[key] or float("nan") for p in points]


def seconds(points, key):
    return [1e3 * p[key]["seconds"] for p in points]


def draw(axes, curves):
    distance, gradient, marginal = axes
    for curve, colour in zip(curves, shades(len(curves))):
        points = curve["points"]
        marker, numbers = MARKERS[curve["arithmetic"], curve["domain"]]
        style = {"color": colour, "marker": marker,
                 "label": f"{curve['epsilon']:g}  {numbers}"}
        distance.plot(seconds(points, "forward"), positive(points, "distance_error"), **style)
        gradient.plot(seconds(points, "with_gradient"), positive(points, "gradient_error"), **style)
        marginal.plot([p["iterations"] for p in points], positive(points, "row_error"), **style)
    name_iterations(distance, curves, "forward", "distance_error")
    name_iterations(gradient, curves, "with_gradient", "gradient_error")
    for panel in axes:
        plain_log(panel.yaxis)
        plain_log(panel.xaxis)
    plain_log(marginal.xaxis, [p["iterations"] for p in curves[0]["points"]])
    distance.set(title="Sinkhorn distance", xlabel="ms, forward",
                 ylabel="relative error against the converged plan's")
    gradient.set(title="Its gradient, dSD/dC", xlabel="ms, forward and backward")
    marginal.set(title="Row sums", xlabel="iterations N", ylabel="largest relative error")


def name_iterations(panel, curves, time, error):
    """N beside the markers of one line, the highest, of each kind of numbers."""
    last = {(c["arithmetic"], c["domain"]): c for c in curves}
    for curve in last.values():
        for p in curve["points"]:
            if p[error]:
                panel.annotate(p["iterations"], (1e3 * p[time]["seconds"], p[error]), (0, 5),
                              textcoords="offset points", ha="center", fontsize=7)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("json")
    parser.add_argument("svg")
    parser.add_argument("--tokens", default="512", help="which problem: 512, or 512x384")
    options = parser.parse_args()
    data = load(options.json)
    curves = [c for c in data["curves"] if sizes(c) == options.tokens]
    if not curves:
        known = ", ".join(dict.fromkeys(sizes(c) for c in data["curves"]))
        sys.exit(f"--tokens: {options.tokens} given, must be one of {known}")
    figure, axes = plt.subplots(1, 3, figsize=(11.5, 4.2))
    draw(axes, sorted(curves, key=lambda c: -c["epsilon"]))
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, title="epsilon, numbers", loc="center right", alignment="left")
    figure.suptitle(f"N Sinkhorn iterations, {options.tokens} tokens; numbers at markers are N",
                    x=0.01, ha="left", fontsize=11)
    figure.tight_layout(rect=(0, 0.03, 0.86, 1))
    save(figure, options.svg, data)


if __name__ == "__main__":
    main()
