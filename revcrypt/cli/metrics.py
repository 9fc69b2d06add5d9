"""What a view tells of itself, as a text file for Prometheus."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from revcrypt.errors import OutputError

_LABELS = ["mountpoint"]
_COUNTERS = {
    "refused": "Requests of users who have no access.",
    "failures": "Errors by which a client has missed something that is there.",
    "mistakes": "Requests that have failed by a bug.",
    "content_bytes": "Content of files that was handed out.",
}
_NOW = {
    "known_entries": "Entries that the kernel remembers.",
    "open_files": "Files that are open.",
    "open_directories": "Directories that are open.",
}
_WALK = {
    "begun": ("begun_timestamp_seconds", "When the last complete walk began."),
    "ended": ("ended_timestamp_seconds", "When the tree was last walked to its end."),
    "entries": ("entries", "Entries reported on the last complete walk."),
    "directories": ("directories", "Directories read on the last complete walk."),
    "failures_since_begun": ("failures", "Failures since the last complete walk began."),
}


def write(path: str, mountpoint: str, told: Mapping[str, Any] | None) -> None:
    """Write what a view has *told*, None if it does not answer; raises `OutputError`.

    There is always a whole file, the old one or the new.
    """
    registry = CollectorRegistry()
    registry.register(_View(mountpoint, told))
    # node_exporter is another user, however careful we are.
    umask = os.umask(0o022)
    try:
        write_to_textfile(path, registry)
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror}",
            hint="name a file in the directory of node_exporter's textfile collector",
        ) from None
    finally:
        os.umask(umask)


class _View(Collector):
    """The figures of one view, as it has told them."""

    def __init__(self, mountpoint: str, told: Mapping[str, Any] | None) -> None:
        # A label is UTF-8, which a path need not be.
        self._mountpoint = os.fsencode(mountpoint).decode(errors="backslashreplace")
        self._told = told

    def collect(self) -> Iterator[Metric]:
        """Yield all figures."""
        told = self._told
        yield self._gauge("up", "Whether the view answers.", int(told is not None))
        if told is None:
            return
        yield self._gauge(
            "start_timestamp_seconds", "When it was mounted.", told["since"]
        )
        yield self._by("requests", "operation", "Requests of clients.", told["requests"])
        yield self._by("errors", "errno", "Requests with an error.", told["errors"])
        for name, text in _COUNTERS.items():
            counter = CounterMetricFamily(f"revcrypt_{name}", text, labels=_LABELS)
            counter.add_metric([self._mountpoint], told[name])
            yield counter
        for name, text in _NOW.items():
            yield self._gauge(name, text, told[name])
        if told["last_read"] is not None:
            text = "When content was last handed out."
            yield self._gauge("last_read_timestamp_seconds", text, told["last_read"])
        if told["last_walk"] is not None:
            for key, (name, text) in _WALK.items():
                yield self._gauge(f"last_walk_{name}", text, told["last_walk"][key])

    def _gauge(self, name: str, text: str, value: float) -> Metric:
        gauge = GaugeMetricFamily(f"revcrypt_{name}", text, labels=_LABELS)
        gauge.add_metric([self._mountpoint], value)
        return gauge

    def _by(self, name: str, label: str, text: str, counts: Mapping[str, int]) -> Metric:
        labels = [*_LABELS, label]
        counter = CounterMetricFamily(f"revcrypt_{name}", text, labels=labels)
        for kind, count in counts.items():
            counter.add_metric([self._mountpoint, kind], count)
        return counter
