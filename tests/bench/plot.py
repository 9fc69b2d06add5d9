"""The picture: how many times as long as revcrypt the others take."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from tests.bench.figures import REFERENCE, Result

COLOURS = {
    "gocryptfs": "#c44e52",
    "encfs": "#dd8452",
    "revcrypt-python": "#8172b3",
    "passthrough": "#937860",
    "bind": "#937860",
}
HEIGHT = 0.8 / 4
"""Of a bar, where four peers and their gap share a row."""


def draw(results: Sequence[Result], path: Path) -> None:
    """Write an SVG, the same for the same figures."""
    mpl.rcParams["svg.hashsalt"] = REFERENCE
    shown = [result for result in results if REFERENCE in result.samples]
    figure = Figure(figsize=(9, 1.5 + 0.75 * len(shown)), layout="constrained")
    axes = figure.add_subplot()
    for row, result in enumerate(shown):
        _draw_workload(axes, row, result)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.margins(x=0.1)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("time, in multiples of revcrypt's (more than 1: revcrypt is faster)")
    axes.set_yticks(range(len(shown)), [result.workload for result in shown])
    axes.invert_yaxis()
    known = {peer for result in shown for peer in result.samples}
    patches = [
        Patch(color=COLOURS[peer], label=peer) for peer in COLOURS if peer in known
    ]
    figure.legend(handles=patches, loc="outside upper center", ncols=len(COLOURS))
    figure.savefig(path, format="svg", metadata={"Date": None})


def _draw_workload(axes: Axes, row: int, result: Result) -> None:
    peers = [peer for peer in COLOURS if peer in result.samples]
    for place, peer in enumerate(peers):
        ratio = result.ratio(peer)
        assert ratio is not None
        y = row + (place - (len(peers) - 1) / 2) * HEIGHT
        # From 1 to where it is, so that the side tells who is faster.
        axes.barh(y, ratio.median - 1, HEIGHT, left=1, color=COLOURS[peer])
        axes.hlines(y, ratio.low, ratio.high, color="#444444", linewidth=1)
        is_slower = ratio.median > 1
        axes.annotate(
            f"{ratio.median:.2g}" if ratio.median < 100 else f"{ratio.median:.0f}",
            (max(ratio.high, 1) if is_slower else min(ratio.low, 1), y),
            xytext=(3 if is_slower else -3, 0),
            textcoords="offset points",
            horizontalalignment="left" if is_slower else "right",
            verticalalignment="center",
            fontsize="x-small",
        )
