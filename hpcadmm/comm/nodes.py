"""Where a rank runs."""

import os
import platform


def node() -> str:
    """The name of this node: of its host and its network, since each container of a host may have a network of its own."""
    try:
        return f"{platform.node()} {os.stat('/proc/self/ns/net').st_ino}"
    except OSError:
        return platform.node()
