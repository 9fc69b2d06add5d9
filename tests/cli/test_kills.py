"""The helper that kills a command at each of its writes, on one that is simple."""

from pathlib import Path

from tests.cli.rescuing import rescue
from tests.kills import Killer, killed_at_every_write
from tests.support import PASSPHRASE


def test_init(tmp_path: Path, killer: Killer) -> None:
    """A config is there as a whole, or not at all."""
    plain = tmp_path / "plain"
    plain.mkdir()
    config = plain / ".gocryptfs.reverse.conf"

    def prepare() -> None:
        for path in plain.iterdir():
            path.unlink()

    left = set()
    runs = killed_at_every_write(
        killer, ["init", "--scrypt-n=10", plain], prepare, stdin=PASSPHRASE
    )
    for run in runs:
        assert run.was_killed or f"wrote {config}" in run.output
        left |= {
            (path == config, path.stat().st_size > 0, path.read_bytes()[-2:] == b"}\n")
            for path in plain.iterdir()
        }
        if config.exists():
            rescue("info", config)
    # Of the temporary file, everything was seen: empty, half of it, and all of it.
    assert left == {
        (False, False, False),
        (False, True, False),
        (False, True, True),
        (True, True, True),
    }
