"""Draw what was measured: throughput against clients, latency against the size of the book.

Again from a file: python -m tests.bench.plots FIGURES.json FOLDER
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from tests.bench import scale, transfers
from tests.bench.results import Line, read, short

RATES = {
    transfers.TPCB: ("pgbench -b tpcb-like", "#777777", "--"),
    transfers.RANDOM: ("transfers, random pairs", "#0072b2", "-"),
    transfers.SLOTS: ("one hot account, 16 slots", "#009e73", "-"),
    transfers.ONE_SLOT: ("one hot account, 1 slot", "#d55e00", "-"),
}
PANELS = {
    "transfer": {scale.TRANSFER: ("random pairs", "#0072b2")},
    "register, page of 25": {
        scale.FIRST: ("first page", "#009e73"),
        scale.DEEP: ("deep page", "#cc79a7"),
    },
    "past balance": {
        scale.AS_OF: ("at a moment", "#e69f00"),
        scale.DATED: ("by value date", "#d55e00"),
    },
}


def draw(lines: Sequence[Line], folder: Path) -> list[Path]:
    """Write the plots that the lines have figures for; 8 inches wide, for 800 pixels and more."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    with matplotlib.rc_context():
        matplotlib.rc("font", size=11)
        matplotlib.rc("axes", grid=True, axisbelow=True)
        matplotlib.rc("axes.spines", top=False, right=False)
        matplotlib.rc("grid", color="#dddddd")
        matplotlib.rc("legend", frameon=False)
        for name, figure in (("throughput", _throughput(lines)), ("latency", _latency(lines))):
            if figure is not None:
                drawn.append(folder / f"{name}.png")
                figure.savefig(drawn[-1], dpi=160, metadata={"Software": None})
    return drawn


def _throughput(lines: Sequence[Line]) -> Figure | None:
    shown = {name: _series(lines, name) for name in RATES if len(_series(lines, name)) > 1}
    if not shown:
        return None
    figure = Figure(figsize=(8, 4.8), layout="constrained")
    axes = figure.subplots()
    for name, series in shown.items():
        label, colour, style = RATES[name]
        axes.plot(
            [line.size for line in series],
            [line.median for line in series],
            color=colour,
            linestyle=style,
            marker="o",
            label=label,
        )
    _sizes(axes, [line.size for series in shown.values() for line in series], 2)
    axes.set_xlabel("clients")
    axes.set_ylabel("transactions per second")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def _latency(lines: Sequence[Line]) -> Figure | None:
    if len(_series(lines, scale.TRANSFER)) < 2:
        return None
    figure = Figure(figsize=(8, 4.4), layout="constrained")
    for axes, (title, names) in zip(figure.subplots(1, len(PANELS)), PANELS.items(), strict=True):
        for name, (label, colour) in names.items():
            series = _series(lines, name)
            sizes = [line.size for line in series]
            tails = [statistics.median(line.tails) for line in series]
            axes.plot(
                sizes, [line.median for line in series], color=colour, marker="o", label=label
            )
            axes.plot(sizes, tails, color=colour, linestyle=":", marker=".")
        _sizes(axes, sizes, 10)
        axes.legend(title=title, loc="lower left", bbox_to_anchor=(0, 1), alignment="left")
    figure.supxlabel("entries in the book (dotted: the 95th percentile)", fontsize=11)
    figure.supylabel("milliseconds a call", fontsize=11)
    return figure


def _series(lines: Sequence[Line], name: str) -> list[Line]:
    return sorted((line for line in lines if line.name == name), key=lambda line: line.size)


def _sizes(axes: Axes, sizes: Sequence[int], base: int) -> None:
    """Both axes honest: sizes by their ratio, each with its number; the other from zero."""
    axes.set_xscale("log", base=base)
    axes.xaxis.set_major_locator(FixedLocator(sorted(set(sizes))))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axes.grid(False, axis="x")
    axes.set_ylim(bottom=0)


if __name__ == "__main__":
    draw(read(Path(sys.argv[1])), Path(sys.argv[2]))
