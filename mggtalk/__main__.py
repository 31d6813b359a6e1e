"""``python -m mggtalk``: the command line."""

import sys

from mggtalk.cli.parser import main

if __name__ == "__main__":
    sys.exit(main())
