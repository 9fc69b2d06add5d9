"""Sizes as people read them."""


def human(size: int) -> str:
    """Return *size* in bytes in a unit that fits, and exactly."""
    amount, unit = float(size), "bytes"
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024 or unit == "TiB":
            break
        amount /= 1024
    return f"{size} bytes" if unit == "bytes" else f"{amount:.1f} {unit} ({size} bytes)"
