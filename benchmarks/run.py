"""Run every benchmark; the last line of each workload is a ratio.

python benchmarks/run.py [SCRIPT ...]
"""

import subprocess
import sys
import time
from pathlib import Path

SCRIPTS = (
    "first_batch.py",
    "service_overhead.py",
    "train_throughput.py",
    "score_throughput.py",
    "score_jpeg.py",
    "peak_memory.py",
    "weight_store.py",
    "profiles.py",
    "gpu_resnet50.py",
    "gpu_mnist.py",
)

if __name__ == "__main__":
    begin = time.monotonic()
    failed = []
    for script in sys.argv[1:] or SCRIPTS:
        start = time.monotonic()
        code = subprocess.run([sys.executable, str(Path(__file__).with_name(script))]).returncode
        failed += [script] if code else []
        print(f"-- {script}: {time.monotonic() - start:.0f} s", flush=True)
    print(f"all in {(time.monotonic() - begin) / 60:.1f} min")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")
