"""python -m hpcadmm, and the program hpcadmm."""

import signal
import sys


def main() -> int:
    """The command line; Ctrl-C while it is being imported ends the process without a traceback."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from hpcadmm.cli import main as program

    signal.signal(signal.SIGINT, before)
    return program()


if __name__ == "__main__":
    sys.exit(main())
