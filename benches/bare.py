"""A bare ONNX Runtime loop, to compare the sandbox with: a program of its own, started by `benches.native`.

    python -m benches.bare MODEL FEEDS ROUNDS

FEEDS is an .npz file with an array for each input. Prints the milliseconds of each call, one a line.
"""

import sys
from time import perf_counter

import numpy as np
import onnxruntime

_LOG_FATAL_ONLY = 4


def main() -> None:
    """Run the model as often as asked, on one thread, as the sandbox does."""
    model, feeds, rounds = sys.argv[1:]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _LOG_FATAL_ONLY
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feed = dict(np.load(feeds))
    session.run(None, feed)
    for _ in range(int(rounds)):
        began = perf_counter()
        session.run(None, feed)
        sys.stdout.write(f"{(perf_counter() - began) * 1e3:.4f}\n")


if __name__ == "__main__":
    main()
