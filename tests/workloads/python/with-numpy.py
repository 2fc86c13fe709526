"""numpy: arrays in memory and in a mapped file, random numbers, linear algebra."""

import hashlib
import time

import numpy

random = numpy.random.default_rng(1)
matrix = random.standard_normal((300, 300))
mapped = numpy.memmap("mapped", dtype="float64", mode="w+", shape=(500, 1000))
big = numpy.arange(8_000_000, dtype="uint32")
for step in range(50):
    matrix = matrix @ matrix
    matrix /= numpy.abs(matrix).max()
    matrix += random.standard_normal(matrix.shape) * 1e-3
    mapped[step * 10 : step * 10 + 10] = random.random((10, 1000))
    big[step::50] ^= random.integers(0, 1 << 32, dtype="uint32")
    values = numpy.linalg.svd(matrix[:80, :80], compute_uv=False)
    print("step", step, hashlib.sha256(matrix.tobytes()).hexdigest()[:16], values[0], mapped.sum(), flush=True)
    time.sleep(0.22)
print(hashlib.sha256(big.tobytes()).hexdigest(), hashlib.sha256(mapped.tobytes()).hexdigest())
