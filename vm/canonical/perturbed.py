"""The second run of a program, from which a judge measures the job's own noise (DESIGN 7)."""

import numpy as np

from vm.canonical.arrays import BLOCK, Array, mended

SIZE_BITS = 16
"""Factors are told apart to this many bits: what cancels in the first run hardly ever does so in the second."""
HALF = 1 << SIZE_BITS - 1
_NUMBER_SHIFT = 40
"""Above every index of an element: values have less than 2^31 bytes."""


def factors(number: int, count: int, bits: int, start: int = 0) -> Array:
    """Return the factors of so many elements of operation `number`'s result, from `start`, as float64 (G82)."""
    mixed = np.arange(start, start + count, dtype=np.uint64) ^ np.uint64(number << _NUMBER_SHIFT)
    mixed += np.uint64(0x9E3779B97F4A7C15)  # splitmix64, by Sebastiano Vigna
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    size = np.uint64(HALF) + (mixed >> np.uint64(63 - SIZE_BITS) & np.uint64((1 << SIZE_BITS) - 1))
    step = size.astype(np.float64) / (1 << SIZE_BITS + bits)
    return np.where((mixed >> np.uint64(63)).astype(np.bool_), 1.0 - step, 1.0 + step)


def scaled(result: Array, number: int, bits: int) -> Array:
    """Return the result, each element times its factor, in float64 and rounded once to its type (G82)."""
    flat = result.reshape(-1)
    found = np.empty(flat.shape, result.dtype)
    for at in range(0, flat.size, BLOCK):
        part = flat[at : at + BLOCK]
        found[at : at + BLOCK] = part * factors(number, part.size, bits, at)
    return mended(found).reshape(result.shape)
