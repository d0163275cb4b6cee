"""python -m hpcadmm"""

import sys

from hpcadmm.cli import main

if __name__ == "__main__":
    sys.exit(main())
