"""scipy.fft (pocketfft) behind a pipe, so that it can be timed in turn with others.

It understands what fftw.c does, and answers alike:
  plan f32|f64 c2c|r2c THREADS BATCH RANK N...   seconds of the first execution, which plans
  time                                           seconds of one execution
"""
import sys
import time

import numpy as np
import scipy.fft

BEST, LEAST = 0.06, 5e-4  # seconds: of all samples, of one at least


def best(run, clock):
    run()
    start = clock()
    run()
    t = clock() - start
    inner = int(LEAST / (t + 1e-9)) + 1 if t < LEAST else 1
    least, begin, i = 1e9, time.perf_counter(), 0
    while i < 5 or (i < 200 and time.perf_counter() - begin < BEST):
        start = clock()
        for _ in range(inner):
            run()
        least = min(least, (clock() - start) / inner)
        i += 1
    return least


def plan(dtype, kind, threads, batch, rank, *dims):
    shape = (int(batch), *map(int, dims))
    axes = tuple(range(1, 1 + int(rank)))
    real = kind == "r2c"
    wide = {"f32": np.float32 if real else np.complex64, "f64": np.float64 if real else np.complex128}[dtype]
    x = np.sin(np.arange(np.prod(shape), dtype=np.float64)).astype(wide).reshape(shape)
    transform = scipy.fft.rfftn if real else scipy.fft.fftn
    workers = int(threads)
    return lambda: transform(x, axes=axes, workers=workers), time.thread_time if workers == 1 else time.perf_counter


job = None
for line in sys.stdin:
    verb, *args = line.split()
    if verb == "plan":
        job = None  # gives the last one's arrays back
        job = plan(*args)
        start = time.perf_counter()
        job[0]()
        print(time.perf_counter() - start, flush=True)
    else:
        print(best(*job), flush=True)
