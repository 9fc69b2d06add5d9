"""The machine that the figures belong to, and its caches."""

import os
import platform
import time
from pathlib import Path

from tests.bench.peers import first_line

DROP_CACHES = Path("/proc/sys/vm/drop_caches")


def describe(directory: Path) -> dict[str, str]:
    """Say what the figures depend on, besides the programs."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return {
        "processor": f"{len(os.sched_getaffinity(0))} x {_processor()}",
        "memory": f"{memory:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "system": platform.freedesktop_os_release()["PRETTY_NAME"],
        "filesystem": first_line("stat", "--file-system", "--format=%T", str(directory)),
    }


def can_drop_caches() -> bool:
    """Tell whether we may make the kernel forget what it has read."""
    return os.access(DROP_CACHES, os.W_OK)


def forget_everything() -> None:
    """Make the kernel forget contents, names and attributes, as after a long day."""
    os.sync()
    DROP_CACHES.write_text("3")


def forget_names() -> None:
    """Make the kernel forget names and attributes only."""
    for _ in range(3):
        # What was in use a moment ago gets a second chance.
        DROP_CACHES.write_text("2")
        time.sleep(0.2)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
