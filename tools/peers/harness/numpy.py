"""What numpy takes, driven over standard input as the GEMM harness is.

setup NAME TYPE [in L2]    makes operands; answers "ok" or "no"
sample REPS                does it so often; answers with the seconds of processor time
"""
import sys
import time

import numpy as np

N = 1 << 24  # beyond the caches
L2 = 512 << 10  # bytes that stay in the second-level cache
rng = np.random.default_rng(1)


def vector(dtype, n=N):
    return rng.standard_normal(n, dtype=np.float32).astype(dtype)


def fused(dtype):
    x, y, z = vector(dtype), vector(dtype), np.empty(N, dtype)

    def run():
        z[:] = np.exp(-x * x) + np.sin(y)

    return run


def reduction(op):
    def make(dtype, n=N):
        x = vector(dtype, n)
        return lambda: op(x)

    return make


def copy(dtype):
    x, z = vector(dtype), np.empty(N, dtype)
    return lambda: np.copyto(z, x)


def cast(dtype):
    x, z = vector(dtype), np.empty(N, np.uint16)

    def run():  # numpy has no bf16: what ml_dtypes does, without NaNs
        u = x.view(np.uint32)
        z[:] = (u + 0x7FFF + ((u >> 16) & 1)) >> 16

    return run


def transpose(dtype):
    n = 4096
    x, z = vector(dtype, n * n).reshape(n, n), np.empty((n, n), dtype)
    return lambda: np.copyto(z, x.T)


def sort(dtype):
    x = vector(dtype, 1 << 22)
    return lambda: np.sort(x)


REDUCTIONS = {
    "sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min, "mean": np.mean, "var": np.var, "std": np.std,
    "norm": np.linalg.norm, "argmax": np.argmax, "argmin": np.argmin, "any": np.any, "all": np.all,
    "count_nonzero": np.count_nonzero, "nansum": np.nansum, "nanmax": np.nanmax,
}
TABLE = {"map": fused, **{name: reduction(op) for name, op in REDUCTIONS.items()}, "copy": copy, "cast": cast, "transpose": transpose, "sort": sort}
TYPES = {"f32": np.float32, "f64": np.float64}

run = None
for line in sys.stdin:
    verb, arg = line.split(maxsplit=1)
    if verb == "setup":
        name, dtype, *where = arg.split()
        if name == "cast" and dtype != "f32":
            run = None
        else:
            size = [L2 // TYPES[dtype]().itemsize] if where else []
            run = TABLE[name](TYPES[dtype], *size)
        print("ok" if run else "no", flush=True)
    else:
        start = time.thread_time()
        for _ in range(int(arg)):
            run()
        print(time.thread_time() - start, flush=True)
