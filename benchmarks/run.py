"""Run every benchmark; one line with a ratio for each question."""

import subprocess
import sys
from pathlib import Path

SCRIPTS = ("train_throughput.py", "score_throughput.py", "weight_store.py")

if __name__ == "__main__":
    for script in SCRIPTS:
        subprocess.run([sys.executable, str(Path(__file__).with_name(script))], check=True)
