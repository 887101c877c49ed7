"""Records as JSON, as a table and as a picture."""

import json
from pathlib import Path

NUMBERS = ("peer_ms", "mlot_ms", "ratio", "agreement", "peer_extra_mib", "mlot_extra_mib")
COLOURS = {"plain": "#4c72b0", "fair": "#dd8452"}


def write_json(records, path):
    path.write_text(json.dumps(records, indent=1) + "\n")


def number(value):
    return "-" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def machine():
    """Processor and huge pages in words, as far as Linux tells."""
    words = []
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
        words.append(next(line.split(":", 1)[1].strip() for line in cpuinfo if line.startswith("model name")))
        modes = Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text()
        words.append(f"transparent huge pages: {modes[modes.index('[') + 1 : modes.index(']')]}")
    except (OSError, StopIteration, ValueError):
        words.append("the machine does not say what it is")
    return words


def heading(records):
    versions = dict.fromkeys(r["version"] for r in records if "version" in r)
    threads = dict.fromkeys(f"{r['threads']} threads" for r in records)
    return "; ".join([*machine(), *threads, *versions])


def table(records):
    """Markdown. What was not timed says why in the place of its times."""
    lines = [
        "| row | size | peer | malloc | peer ms | mlot ms | ratio | difference | extra MiB: peer | mlot |",
        "|---|---|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for r in records:
        cells = [r["row"], r["size"], r["peer"], r["malloc"]]
        if r["outcome"] == "timed":
            cells += [number(r[field]) for field in NUMBERS]
        else:
            reason = " ".join(r["outcome"].split()).replace("|", "/")[:120]
            cells += [reason, "", "", number(r.get("agreement")), "", ""]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def plot(records, path):
    """Ratios as bars on a logarithmic axis, one colour for each way to allocate."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    timed = [r for r in records if r["outcome"] == "timed"]
    names = list(dict.fromkeys(f"{r['row']}  {r['size']}  {r['peer']}" for r in timed))
    mallocs = list(dict.fromkeys(r["malloc"] for r in timed))
    figure, axes = pyplot.subplots(figsize=(9, 1.5 + 0.25 * len(names)), constrained_layout=True)
    height = 0.8 / max(len(mallocs), 1)
    for place, malloc in enumerate(mallocs):
        mine = [r for r in timed if r["malloc"] == malloc]
        at = [names.index(f"{r['row']}  {r['size']}  {r['peer']}") + place * height for r in mine]
        ratios = [r["ratio"] for r in mine]
        # Bars begin at 1, where both take the same time.
        axes.barh(at, [r - 1 for r in ratios], height, left=1, color=COLOURS[malloc], label=f"{malloc} malloc")
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks([i + 0.4 - height / 2 for i in range(len(names))], names, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("time of the peer / time of mlot")
    if len(mallocs) > 1:
        axes.legend()
    figure.savefig(path, metadata={"Date": None})
