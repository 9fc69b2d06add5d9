"""What a view tells of itself, in words."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from revcrypt.cli.sizes import human


def lines(
    mountpoint: str, source: str, told: Mapping[str, Any], complaints: Sequence[str]
) -> Iterator[str]:
    """Yield the lines of `revcrypt status`."""
    rows = [
        ("view", f"{mountpoint} shows {source}"),
        ("since", f"{_time(told['since'])}, process {told['pid']}"),
        ("last walk", _last_walk(told["last_walk"])),
        *(
            ("unfinished", _unfinished(walk))
            for walk in told["unfinished_walks"]
            # Whoever only looks into the root has begun one, too.
            if walk["running"] or walk["directories"] > 1
        ),
        ("requests", _counts(told["requests"])),
        ("errors", _errors(told)),
        ("content", _content(told)),
        ("known now", _known(told)),
        *(("problem", complaint) for complaint in complaints),
    ]
    width = max(len(label) for label, _ in rows) + 1
    for label, text in rows:
        yield f"{label + ':':{width}} {text}"


def _last_walk(walk: Mapping[str, Any] | None) -> str:
    if walk is None:
        return "none has come to its end"
    return (
        f"from {_time(walk['begun'])} to {_time(walk['ended'])}, complete: "
        f"{walk['entries']} entries in {walk['directories']} directories, "
        f"{walk['failures_since_begun']} failures since it began"
    )


def _unfinished(walk: Mapping[str, Any]) -> str:
    state = "under way" if walk["running"] else "given up"
    return (
        f"begun {_time(walk['begun'])}, {state}: {walk['directories']} directories read, "
        f"{walk['missing']} missing so far"
    )


def _counts(counts: Mapping[str, int]) -> str:
    if not counts:
        return "none"
    each = ", ".join(f"{kind} {count}" for kind, count in counts.items())
    return f"{sum(counts.values())} ({each})"


def _errors(told: Mapping[str, Any]) -> str:
    # Most are what clients hear every day: nothing there.
    counts = _counts(told["errors"])
    return f"{told['failures']} that count, of {counts}" if told["errors"] else counts


def _content(told: Mapping[str, Any]) -> str:
    if told["last_read"] is None:
        return "nothing was read"
    return f"{human(told['content_bytes'])}, last read {_time(told['last_read'])}"


def _known(told: Mapping[str, Any]) -> str:
    return (
        f"{told['known_entries']} entries, {told['open_files']} open files, "
        f"{told['open_directories']} open directories"
    )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
