"""What a command line asks for, without doing it."""

from revcrypt.cli import filters, gocryptfs, init, mounting
from revcrypt.errors import ExitCode


class Parsed:
    """What the command line asked for, instead of doing it."""

    def __init__(self) -> None:
        self.direction = ""
        self.mount: mounting.Request | None = None
        self.show_config = True
        self.left_out = filters.Filters()
        self.init: init.Request | None = None

    def mount_reverse(
        self,
        request: mounting.Request,
        *,
        show_config: bool,
        left_out: filters.Filters,
    ) -> ExitCode:
        """Stand in for the function of this name."""
        self.show_config, self.left_out = show_config, left_out
        return self._mounted("reverse", request)

    def mount_forward(self, request: mounting.Request, *, lenient: bool) -> ExitCode:
        """Stand in for the function of this name."""
        assert not lenient
        return self._mounted("forward", request)

    def initialise(self, request: init.Request) -> ExitCode:
        """Stand in for the function of this name."""
        self.init = request
        return ExitCode.OK

    def _mounted(self, direction: str, request: mounting.Request) -> ExitCode:
        self.direction, self.mount = direction, request
        return ExitCode.OK


def mount_of(parsed: Parsed, words: str) -> mounting.Request:
    """Return the mount that a command line asks for; words end at blanks."""
    assert gocryptfs.run(words.split()) == ExitCode.OK
    assert parsed.mount is not None
    return parsed.mount
