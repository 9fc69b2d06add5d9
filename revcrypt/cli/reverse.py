"""`revcrypt reverse`: mount the encrypted view of a plain directory."""

import argparse
from functools import partial

from revcrypt.cli import configs, filters, memory, mounting, options, views
from revcrypt.cli.configs import ConfigPath
from revcrypt.cli.mounting import Request
from revcrypt.errors import ExitCode
from revcrypt.format.config import Features
from revcrypt.format.volume import Volume
from revcrypt.view.reverse import ReverseView

NAME = "reverse"
SUMMARY = "mount the encrypted view of a plain directory"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    parser.add_argument("plaindir", metavar="PLAINDIR", help="the directory to back up")
    options.add_mount(parser)
    parser.add_argument(
        "--ignore-modes",
        action="store_true",
        help="let whom --allow-user and --allow-group name read everything, encrypted as "
        "it is, whatever owner and mode say",
    )
    add_view(parser)


def add_view(parser: argparse.ArgumentParser) -> None:
    """Declare what decides what the view shows."""
    options.add_config(parser, "PLAINDIR/.gocryptfs.reverse.conf")
    parser.add_argument(
        "--no-show-config",
        dest="show_config",
        action="store_false",
        help="show neither the config nor recovery files in the view; then only the "
        "master key, or such files kept elsewhere, can restore the backup",
    )
    options.add_name_features(
        parser.add_argument_group("names, where there is no config to say so")
    )
    filters.add_arguments(parser)


def flags(arguments: argparse.Namespace) -> Features:
    """Return how to use a master key where there is no config."""
    return options.name_features(arguments)


def make_request(arguments: argparse.Namespace) -> Request:
    """Return what is to be mounted; raises `UsageError`."""
    config = configs.reverse_config_path(arguments.plaindir, arguments.config)
    return Request(
        source=arguments.plaindir,
        config=config,
        open_key=partial(options.open_key, arguments, config, flags(arguments)),
        ignore_modes=arguments.ignore_modes,
        **options.mount(arguments),
    )


def run(arguments: argparse.Namespace) -> ExitCode:
    """Do it."""
    return mounting.mount_reverse(
        make_request(arguments),
        show_config=arguments.show_config,
        left_out=filters.of_arguments(arguments),
    )


def open_view(arguments: argparse.Namespace) -> ReverseView:
    """Return the view that `add_view` and the options about keys have declared."""
    plaindir = arguments.plaindir
    options.check_directory(plaindir)
    config = configs.reverse_config_path(plaindir, arguments.config)
    secrets = configs.secret_files(
        config, options.secret_files(arguments), show_config=arguments.show_config
    )
    exclude = filters.make_exclude(filters.of_arguments(arguments), plaindir, secrets)
    volume = open_volume(arguments, config)
    shown = config if arguments.show_config else None
    return views.reverse_view(plaindir, volume, shown, exclude=exclude)


def open_volume(arguments: argparse.Namespace, config: ConfigPath) -> Volume:
    """Return what encrypts a reverse view; may ask for a passphrase."""
    key = options.open_key(arguments, config, flags(arguments))
    volume = Volume.open(key.master_key, key.features)
    memory.lock()
    return volume
