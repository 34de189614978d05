"""Put what `tillroll races bench --json` measured into docs/explanation: the table and the plot.

tillroll races bench --json > FIGURES.json
python client/tools/plot_isolation.py FIGURES.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

DOCS = Path(__file__).parents[2] / "docs" / "explanation"
PAGE, PLOT = DOCS / "isolation.md", DOCS / "figures" / "isolation.png"
BEGIN, END = "<!-- bench -->\n", "<!-- /bench -->"
COLOURS = {
    ("read, then write", "read committed"): "#d55e00",
    ("read, then write", "repeatable read"): "#e69f00",
    ("read, then write", "serializable"): "#cc79a7",
    ("for update, giver first", "read committed"): "#777777",
    ("for no key update, sorted", "read committed"): "#56b4e9",
    ("ledger.transfer", "read committed"): "#0072b2",
    ("ledger.transfer_serializable", "serializable"): "#009e73",
}


def table(measured: dict[str, Any]) -> str:
    """Return the lines as Markdown, by number of accounts."""
    rows = [
        "| accounts | way | level | transfers/s | aborted | p50 | p99 | astray |",
        "| ---: | --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for line in measured["lines"]:
        way, rate, astray = line["way"], line["per_second"], line["astray"]
        rows.append(
            f"| {line['accounts']:,} | {f'`{way}`' if way.startswith('ledger') else way}"
            f" | {line['level']} | {rate:,.{0 if rate >= 10 else 1}f} | {line['aborted']:.1%}"
            f" | {line['p50_ms']:,.1f} ms | {line['p99_ms']:,.0f} ms"
            f" | {f'**{astray:+,}**' if astray else '0'} |"
        )
    return "\n".join(rows) + "\n"


def draw(measured: dict[str, Any], file: Path) -> None:
    """Draw throughput, and the share of attempts that were aborted, side by side."""
    lines = measured["lines"]
    sizes = sorted({line["accounts"] for line in lines})
    with matplotlib.rc_context():
        matplotlib.rc("font", size=11)
        matplotlib.rc("axes", grid=True, axisbelow=True)
        matplotlib.rc("axes.spines", top=False, right=False)
        matplotlib.rc("grid", color="#dddddd")
        matplotlib.rc("legend", frameon=False)
        figure = Figure(figsize=(8, 5.2), layout="constrained")
        rates, aborts = figure.subplots(1, 2)
        width = 0.8 / len(COLOURS)
        for number, ((way, level), colour) in enumerate(COLOURS.items()):
            of_way = {x["accounts"]: x for x in lines if (x["way"], x["level"]) == (way, level)}
            places = [place + (number - 3) * width for place in range(len(sizes))]
            name = way if way.startswith("ledger") else f"{way}, {level}"
            heights = [of_way[size]["per_second"] for size in sizes]
            rates.bar(places, heights, width, color=colour, label=name)
            aborts.bar(
                places, [100 * of_way[size]["aborted"] for size in sizes], width, color=colour
            )
        for axes, title in ((rates, "transfers per second"), (aborts, "% of attempts aborted")):
            axes.set_title(title, fontsize=11)
            axes.set_xticks(range(len(sizes)), [f"{size:,}" for size in sizes])
            axes.set_xlabel("accounts")
            axes.grid(False, axis="x")
        figure.legend(loc="outside lower center", ncols=2, fontsize=9)
        figure.savefig(file, dpi=160, metadata={"Software": None})


def main() -> None:
    """Write both."""
    measured = json.loads(Path(sys.argv[1]).read_text())
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    PAGE.write_text(before + BEGIN + table(measured) + END + rest.split(END, 1)[1])
    PLOT.parent.mkdir(exist_ok=True)
    draw(measured, PLOT)


if __name__ == "__main__":
    main()
