"""`python -m nobreak` is `nobreak`."""

import sys

from nobreak.faces.cli import main

if __name__ == "__main__":
    sys.exit(main())
