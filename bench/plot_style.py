"""The look of the pictures that bench/ draws: small SVG files, text as text."""
import json
import sys

try:
    import matplotlib
except ImportError:
    sys.exit("this needs matplotlib (Debian: python3-matplotlib)")
matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

GREY = "#8a8a8a"
BLUE, ORANGE = "#0072b2", "#d55e00"  # Okabe and Ito: apart for every kind of colour vision

plt.rcParams.update({
    "svg.fonttype": "none",
    "svg.hashsalt": "mlot",  # the same numbers give the same file
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Helvetica", "Arial"],
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "legend.frameon": False,
})


def shades(count):
    """Colours for ordered values, dark to light, told apart by lightness alone."""
    return [plt.get_cmap("viridis")(0.88 * i / max(count - 1, 1)) for i in range(count)]


def plain_log(axis, ticks=None):
    """A logarithmic axis with plain numbers and no minor ticks."""
    scale = axis.axes.set_xscale if axis.axis_name == "x" else axis.axes.set_yscale
    scale("log")
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    least, most = axis.get_data_interval()
    if ticks is not None:
        axis.set_major_locator(FixedLocator(ticks))
    elif most < 100 * least:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def machine_line(data):
    m = data["machine"]
    threads = f"{m['threads']} thread" + ("s" if m["threads"] > 1 else "")
    return f"mlot {m['mlot']}, {m['cpu']}, {threads}, {m['lanes']}, {m['compiler']} {m['flags']}"


def save(figure, path, data):
    figure.text(0.995, 0.006, machine_line(data), ha="right", va="bottom", color=GREY, fontsize=7)
    figure.savefig(path, format="svg", metadata={"Date": None})
