"""``python -m castorch`` is the command ``castorch``."""

import sys

from castorch._cli import main

sys.exit(main())
