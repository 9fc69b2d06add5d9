"""argparse, with errors as the rest of the program has them."""

import argparse
from typing import Never

from revcrypt.errors import UsageError


class Parser(argparse.ArgumentParser):
    """Raises `UsageError` where argparse would exit by itself."""

    def error(self, message: str) -> Never:
        """Refuse the command line."""
        raise UsageError(message, hint=f"see {self.prog} --help")
