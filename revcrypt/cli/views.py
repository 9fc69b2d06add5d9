"""Making reverse views, for a mount and for whatever else looks at one."""

import logging
import os

from revcrypt.cli import configs
from revcrypt.cli.configs import ConfigPath
from revcrypt.errors import UsageError
from revcrypt.format.content import Cipher
from revcrypt.format.names import is_config_file
from revcrypt.format.volume import Volume
from revcrypt.view.exclude import Exclude
from revcrypt.view.reverse import ReverseView
from revcrypt.view.source import Source
from revcrypt.view.tree import Owner

log = logging.getLogger(__name__)


def reverse_view(
    plaindir: str,
    volume: Volume,
    config: ConfigPath | None,
    *,
    exclude: Exclude | None = None,
    owner: Owner | None = None,
) -> ReverseView:
    """Return the view of *plaindir*, which shows *config* if there is one."""
    features = volume.features
    if features.cipher is not Cipher.AES_SIV:
        raise UsageError(
            "this config is not for reverse views: they need AES-SIV",
            hint="make one with revcrypt init",
        )
    source = Source(os.fsencode(plaindir))
    taken = filter(is_config_file, os.listdir(os.fsencode(plaindir)))
    for name in sorted(taken) if features.plaintext_names else ():
        path = os.path.join(plaindir, os.fsdecode(name))
        log.warning("%s is left out: the name is taken by the config of the view", path)
    shown = configs.shown(config, source) if config is not None else None
    return ReverseView(source, volume, shown, exclude=exclude, owner=owner)
