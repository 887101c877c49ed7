#!/usr/bin/env python3
"""Writes the tables of `experiments` into docs/results.md, between its marks, from its files."""
import argparse
import json
import pathlib
import re
import sys

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/results.md"


def mean(values):
    return sum(values) / len(values)


def width(values):
    return max(values) - min(values)


def spread(values, form="{:.3f}"):
    """Mean, least and largest."""
    return f"{form} [{form}, {form}]".format(mean(values), min(values), max(values))


def in_words(row, other):
    """What the seeds allow to say of the difference of two rows; the demo's report says the same."""
    gaps = [a - b for a, b in zip(row["last_bits"], other["last_bits"])]
    noise = max(width(row["last_bits"]), width(other["last_bits"]))
    if len(gaps) < 2:
        verdict = "one seed"
    elif abs(mean(gaps)) > noise:
        verdict = "beyond the noise"
    elif min(gaps) * max(gaps) > 0:
        verdict = "in the noise, one sign"
    else:
        verdict = "in the noise"
    return spread(gaps, "{:+.3f}"), verdict


def lines_of(head, aligned, rows):
    return ["| " + " | ".join(cells) + " |" for cells in [head, aligned, *rows]]


def table_of_runs(data):
    rows = []
    for row in data["rows"]:
        against, verdict = "", ""
        if row["against"] >= 0:
            other = data["rows"][row["against"]]
            against, verdict = in_words(row, other)
            if row["against"] > 0 and not other["label"].endswith(": CE"):
                verdict += f", against {other['label']}"
        times = sorted(row["step_milliseconds"])
        rows.append([row["label"], spread(row["last_bits"]), spread(row["best_bits"]), against,
                     verdict, f"{times[len(times) // 2]:.0f}"])
    return lines_of(["", "last epoch", "best epoch", "difference, last epoch", "", "ms a step"],
                    ["---", "---", "---", "---", "---", "--:"], rows)


def table_of_lengths(data):
    rows = []
    for row in data["rows"]:
        pairs = row["teacher_tokens"] * row["student_tokens"]
        rows.append([str(row["student_tokens"]), str(row["teacher_tokens"]),
                     f"{1e3 * row['seconds']:.3g}", f"{1e9 * row['seconds'] / pairs:.3g}",
                     f"{row['seconds'] / row['cross_entropy_seconds']:.1f}",
                     f"{row['bytes'] / 1e6:.3g}",
                     f"{row['streamed_seconds'] / row['seconds']:.1f}",
                     f"{row['streamed_bytes'] / 1e6:.3g}"])
    return lines_of(["student's tokens", "teacher's", "ms", "ns a token pair",
                     "over the engine's cross-entropy", "scratch, MB",
                     "without the cost matrix: time over that", "scratch, MB"],
                    ["--:"] * 8, rows)


def table_of(data):
    return (table_of_lengths if data["table"] == "lengths" else table_of_runs)(data)


def made_by(data):
    """Where and how the numbers came about."""
    m = data["machine"]
    how = f"{m['cpu']}, {m['compiler']} `{m['flags']}`"
    if data["table"] == "lengths":
        return f"One thread, medians; {how}."
    seeds = len(data["rows"][0]["last_bits"])
    return (f"Seeds 1 to {seeds}, {data['train_segments']} segments x {data['epochs']} epochs, "
            f"{m['threads']} at a time; {how}.")


def picture_of(data):
    """As plot.py names it."""
    return f"![{data['title']}](pictures/results_{data['table']}.svg)"


def marked(name, what):
    return f"<!-- {what} {name} -->"


def put_between_marks(page, name, lines):
    begin, end = marked(name, "table"), marked(name, "end of")
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(page):
        sys.exit(f"the page has no place for the table {name}: {begin} ... {end}")
    return pattern.sub(lambda _: "\n".join([begin, *lines, end]), page)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path, help="with the files of `experiments`")
    parser.add_argument("--page", type=pathlib.Path, default=PAGE)
    options = parser.parse_args()
    page = options.page.read_text(encoding="utf-8")
    for path in sorted(options.folder.glob("*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        page = put_between_marks(page, data["table"],
                                 [*table_of(data), "", made_by(data), "", picture_of(data)])
    options.page.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
