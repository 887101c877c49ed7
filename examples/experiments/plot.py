#!/usr/bin/env python3
"""Draws a picture of every file that `experiments` wrote into a folder."""
import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
from plot_style import BLUE, GREY, ORANGE, load, plain_log, plt, save


def mean(values):
    return sum(values) / len(values)


def draw_curve(panel, data):
    """Means over x with the band of the seeds; cross-entropy alone, which has no x, lies across."""
    points = [row for row in data["rows"] if "x" in row]
    x = [row["x"] for row in points]
    for key, colour, name in (("last_bits", BLUE, "last epoch"), ("best_bits", ORANGE, "best epoch")):
        panel.fill_between(x, [min(r[key]) for r in points], [max(r[key]) for r in points],
                           color=colour, alpha=0.18, linewidth=0)
        panel.plot(x, [mean(r[key]) for r in points], marker="o", color=colour, label=name)
        for row in data["rows"]:
            if "x" not in row:
                panel.axhline(mean(row[key]), color=colour, linestyle=":",
                              label=f"{row['label']}, {name}")
    plain_log(panel.xaxis, x)
    panel.set(xlabel=data["x_label"], ylabel="bits per byte, held out")
    panel.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def draw_rows(panel, data):
    """A line a row, a dot a seed, a bar at the mean."""
    labels = [row["label"] for row in data["rows"]]
    for key, colour, name in (("last_bits", BLUE, "last epoch"), ("best_bits", ORANGE, "best epoch")):
        for place, row in enumerate(data["rows"]):
            panel.plot(row[key], [place] * len(row[key]), "o", color=colour, alpha=0.5,
                       label=name if place == 0 else None)
            panel.plot(mean(row[key]), place, "|", color=colour, markersize=14, markeredgewidth=2)
    panel.set_yticks(range(len(labels)), labels)
    panel.invert_yaxis()
    panel.set(xlabel="bits per byte, held out")
    panel.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def draw_lengths(figure, data):
    time, memory = figure.subplots(1, 2)
    x = [row["student_tokens"] for row in data["rows"]]
    for panel, key, factor in ((time, "seconds", 1e3), (memory, "bytes", 1e-6)):
        for prefix, colour, name in (("", BLUE, "with the cost matrix"),
                                     ("streamed_", ORANGE, "without it")):
            panel.plot(x, [factor * row[prefix + key] for row in data["rows"]], marker="o",
                       color=colour, label=name)
    time.plot(x, [1e3 * row["cross_entropy_seconds"] for row in data["rows"]], marker="o",
              color=GREY, label="the engine's cross-entropy")
    for panel, label in ((time, "ms, forward and backward"), (memory, "scratch, MB")):
        plain_log(panel.xaxis, x)
        plain_log(panel.yaxis)
        panel.set(xlabel="student's tokens", ylabel=label)
    time.legend()


def draw(data, path):
    lengths = data["table"] == "lengths"
    height = 3.4 if lengths or data["x_label"] else 1.3 + 0.3 * len(data["rows"])
    figure = plt.figure(figsize=(8.6, height))
    if lengths:
        draw_lengths(figure, data)
    else:
        (draw_curve if data["x_label"] else draw_rows)(figure.subplots(), data)
    figure.suptitle(data["title"], x=0.01, ha="left", fontsize=11)
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    save(figure, path, data)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path, help="with the files of `experiments`")
    parser.add_argument("pictures", type=pathlib.Path, help="folder for results_<table>.svg")
    options = parser.parse_args()
    for path in sorted(options.folder.glob("*.json")):
        data = load(path)
        draw(data, options.pictures / f"results_{data['table']}.svg")


if __name__ == "__main__":
    main()
