"""Who may look at a view at all, which FUSE itself cannot express.

The kernel lets in the one who mounts, or everybody; then it goes by owner and mode of
each file. Here is asked for more: that the caller be one of some users or groups.
"""

import os
from dataclasses import dataclass

import pyfuse3
from pyfuse3 import RequestContext


@dataclass(frozen=True, slots=True)
class Access:
    """Lets in *users*, members of *groups*, root and the user who serves the view.

    Without any, it lets in whomever the kernel does.
    """

    users: frozenset[int] = frozenset()
    groups: frozenset[int] = frozenset()

    @property
    def is_limited(self) -> bool:
        """Whether it keeps anybody out."""
        return bool(self.users or self.groups)

    def permits(self, ctx: RequestContext) -> bool:
        """Tell whether the process that asks is one of them."""
        if ctx.uid in self.users or ctx.uid in (0, os.geteuid()):
            return True
        if not self.groups:
            return False
        if ctx.gid in self.groups:
            return True
        try:
            return not self.groups.isdisjoint(pyfuse3.get_sup_groups(ctx.pid))
        except (OSError, RuntimeError):
            return False  # It has ended, or is in another pid namespace.


EVERYBODY = Access()
