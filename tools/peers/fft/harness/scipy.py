"""scipy.fft (pocketfft) behind a pipe, so that it can be timed in turn with others.

It understands what fftw.c does, and answers alike:
  plan f32|f64 c2c|r2c THREADS BATCH RANK N...   seconds of the first execution, which plans
  sample REPS                                    seconds of so many executions, after one that is not timed
"""
import sys
import time

import numpy as np
import scipy.fft


def sample(run, reps):
    run()
    start = time.perf_counter()
    for _ in range(reps):
        run()
    return time.perf_counter() - start


def plan(dtype, kind, threads, batch, rank, *dims):
    shape = (int(batch), *map(int, dims))
    axes = tuple(range(1, 1 + int(rank)))
    real = kind == "r2c"
    wide = {"f32": np.float32 if real else np.complex64, "f64": np.float64 if real else np.complex128}[dtype]
    x = np.sin(np.arange(np.prod(shape), dtype=np.float64)).astype(wide).reshape(shape)
    transform = scipy.fft.rfftn if real else scipy.fft.fftn
    workers = int(threads)
    return lambda: transform(x, axes=axes, workers=workers)


job = None
for line in sys.stdin:
    verb, *args = line.split()
    if verb == "plan":
        job = None  # gives the last one's arrays back
        job = plan(*args)
        start = time.perf_counter()
        job()
        print(time.perf_counter() - start, flush=True)
    else:
        print(sample(job, int(args[0])), flush=True)
