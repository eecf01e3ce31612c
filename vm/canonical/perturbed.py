"""The second run of a program, from which a judge measures the job's own noise (DESIGN 7)."""

import numpy as np

from vm.canonical.arrays import BLOCK, Array, mended

_NUMBER_SHIFT = 40
"""Above every index of an element: values have less than 2^31 bytes."""


def signs(number: int, count: int, start: int = 0) -> Array:
    """Return for so many elements of operation `number`'s result, from `start`, whether each is scaled down (G82)."""
    mixed = np.arange(start, start + count, dtype=np.uint64) ^ np.uint64(number << _NUMBER_SHIFT)
    mixed += np.uint64(0x9E3779B97F4A7C15)  # splitmix64, by Sebastiano Vigna
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(63)).astype(np.bool_)


def scaled(result: Array, number: int, bits: int) -> Array:
    """Return the result times 1 ± 2^-bits, in float64 and rounded once to its type (G82)."""
    step, flat = 1.0 / (1 << bits), result.reshape(-1)
    found = np.empty(flat.shape, result.dtype)
    for at in range(0, flat.size, BLOCK):
        part = flat[at : at + BLOCK]
        found[at : at + BLOCK] = part * np.where(signs(number, part.size, at), 1.0 - step, 1.0 + step)
    return mended(found).reshape(result.shape)
