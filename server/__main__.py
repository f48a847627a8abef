"""``python -m server COMMAND``: the server's commands without the SDK's ``castorch``."""

import sys

from server.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
