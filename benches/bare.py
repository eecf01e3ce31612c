"""A bare ONNX Runtime loop, to compare the sandbox with: a program of its own, started by `benches.native`.

    python -m benches.bare MODEL INPUT NAME ROUNDS

INPUT holds one int32 tensor of shape [1, n], little-endian. Prints the milliseconds of each call, one a line.
"""

import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import onnxruntime


def main() -> None:
    """Run the model as often as asked, on one thread, as the sandbox does."""
    model, tensor, name, rounds = sys.argv[1:]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feed = {name: np.frombuffer(Path(tensor).read_bytes(), dtype="<i4").reshape(1, -1)}
    session.run(None, feed)
    for _ in range(int(rounds)):
        began = perf_counter()
        session.run(None, feed)
        sys.stdout.write(f"{(perf_counter() - began) * 1e3:.4f}\n")


if __name__ == "__main__":
    main()
