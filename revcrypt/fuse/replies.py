"""What every handler does around its work: who is answered, and with which errno."""

import logging
import os
from collections.abc import Callable, Coroutine
from errno import EACCES, EIO
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from pyfuse3 import FUSEError, RequestContext

from revcrypt.fuse.access import Access
from revcrypt.fuse.errnos import errno_of, is_damage, is_expected
from revcrypt.fuse.mistakes import Mistakes
from revcrypt.fuse.tally import Tally
from revcrypt.view.distant import NotReachedError

log = logging.getLogger(__name__)


class Guarded(Protocol):
    """What has handlers, knows whom they answer, and counts."""

    allowed: Access
    tally: Tally
    mistakes: Mistakes

    async def reach(self, mountpoint: bytes) -> None:
        """Wait for a distant disk; raises `TimeoutError`."""


S = TypeVar("S", bound=Guarded)
P = ParamSpec("P")
R = TypeVar("R")
Handler = Callable[Concatenate[S, int, P], Coroutine[Any, Any, R]]


def replies(
    path_of: Callable[[S, int], bytes],
) -> Callable[[Handler[S, P, R]], Handler[S, P, R]]:
    """Refuse who has no access, and turn every exception of a handler into an errno.

    pyfuse3 ends the whole mount for anything that is not a `FUSEError`. *path_of* gives
    the cipher path, for the log, of what the handler's first argument stands for.
    """

    def decorate(handler: Handler[S, P, R]) -> Handler[S, P, R]:
        kind = handler.__name__.lstrip("_")

        def failed(self: S, key: int, error: Exception) -> int:
            try:
                if is_damage(error):
                    log.warning("%s: %s", os.fsdecode(path_of(self, key)), error)
                elif not is_expected(error):
                    self.mistakes.note(kind, error)
                return errno_of(error)
            except Exception as another:
                self.mistakes.note(kind, another)
                return EIO

        @wraps(handler)
        async def replying(self: S, key: int, /, *args: P.args, **kwargs: P.kwargs) -> R:
            self.tally.requests[kind] += 1
            try:
                if self.allowed.is_limited and not _is_permitted(self.allowed, *args):
                    self.tally.refused += 1
                    raise FUSEError(EACCES)
                while True:
                    try:
                        return await handler(self, key, *args, **kwargs)
                    except NotReachedError as error:
                        await self.reach(error.mountpoint)
            except FUSEError as error:
                self.tally.errors[error.errno] += 1
                raise
            except Exception as error:
                number = failed(self, key, error)
                self.tally.errors[number] += 1
                raise FUSEError(number) from None

        return replying

    return decorate


def _is_permitted(access: Access, *args: object) -> bool:
    """Tell whether to answer a request whose handler gets *args*, the context last.

    What has none is about a file or directory that somebody with access has opened.
    """
    context = args[-1] if args else None
    return not isinstance(context, RequestContext) or access.permits(context)
