"""`revcrypt mount`: mount what a file in /etc/revcrypt says."""

import argparse

from revcrypt.cli import options, site
from revcrypt.errors import ExitCode

NAME = "mount"
SUMMARY = "mount what /etc/revcrypt/NAME.toml says, as a service does"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    options.add_site(parser)
    options.add_foreground(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    """Do it."""
    return site.read(arguments.name).mount(foreground=arguments.foreground)
