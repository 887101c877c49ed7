#!/usr/bin/env python3
"""Draws docs/pictures/<name>.svg from what an example wrote into a folder."""
import argparse
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "bench"))
from plot_style import BLUE, GREY, ORANGE, plt


def load(path):
    """The pixels of a PGM or PPM file: (height, width) or (height, width, 3)."""
    kind, size, most, pixels = path.read_bytes().split(b"\n", 3)
    width, height = map(int, size.split())
    flat = np.frombuffer(pixels, ">u2" if int(most) > 255 else "u1")
    return flat.reshape((height, width, 3) if kind == b"P6" else (height, width))


def colour_transfer(folder):
    titles = {
        "sunset": "a sunset",
        "sunset_in_fjord_colours": "with the fjord's colours",
        "fjord": "a fjord",
    }
    figure, panels = plt.subplots(1, 3, figsize=(8.5, 2.4))
    for panel, (name, title) in zip(panels, titles.items()):
        panel.imshow(load(folder / f"{name}.ppm"), interpolation="none")
        panel.set_title(title)
        panel.set_axis_off()
    figure.tight_layout()
    return figure


def two_bumps(folder):
    grey = load(folder / "plan.pgm").astype(float)
    plan = (65535 - grey) / 65535
    figure = plt.figure(figsize=(4.6, 4.6))
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 4), height_ratios=(1, 4), wspace=0.04, hspace=0.04)
    matrix = figure.add_subplot(grid[1, 1])
    above, beside = figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[1, 0])
    n = len(plan)
    matrix.imshow(grey, cmap="gray", interpolation="none", aspect="auto", extent=(0, n, n, 0))
    matrix.set(xticks=[], yticks=[])
    at = np.arange(n) + 0.5
    above.fill_between(at, plan.sum(axis=0), color=ORANGE, linewidth=0)
    above.set(xlim=(0, n), ylim=(0, None))
    beside.fill_betweenx(at, plan.sum(axis=1), color=BLUE, linewidth=0)
    beside.set(ylim=(n, 0))
    beside.set_xlim(left=0)
    beside.invert_xaxis()
    for panel in (above, beside):
        panel.set_axis_off()
    above.set_title("from two bumps (left) to one (above)", color=GREY, fontsize=9)
    return figure


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=("colour_transfer", "two_bumps"))
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("svg")
    options = parser.parse_args()
    figure = globals()[options.name](options.folder)
    figure.savefig(options.svg, format="svg", bbox_inches="tight", metadata={"Date": None})


if __name__ == "__main__":
    main()
