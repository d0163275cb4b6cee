"""Entry point of `hpcadmm` and `python -m hpcadmm`."""

import signal
import sys


def main() -> int:
    """Run the command line. Ctrl-C during its import ends the process without a traceback."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from hpcadmm.cli import main as program

    signal.signal(signal.SIGINT, before)
    return program()


if __name__ == "__main__":
    sys.exit(main())
