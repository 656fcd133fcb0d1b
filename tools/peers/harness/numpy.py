"""What numpy takes, driven over standard input as the GEMM harness is.

setup JSON     makes operands of {"in": {NAME: [TYPE, SHAPE, RANDOM]}, "out": [TYPE, SHAPE] or null, "code": ...};
               answers "ok"
sample REPS    runs the code so often; answers with the seconds of processor time
"""
import json
import sys
import time

import numpy as np

rng = np.random.default_rng(1)
some = np.clip(rng.standard_normal(65521), -4, 4)  # a prime: equal rows are far apart


def operand(dtype, shape, random):
    if not random:
        return np.full(shape, 0, dtype)  # all pages are there
    x = np.empty(shape, dtype)
    flat = x.reshape(-1)
    kinds = {"f": some, "i": some * 30, "u": np.abs(some) * 30, "b": some > 0}
    values = kinds[x.dtype.kind].astype(dtype)
    for at in range(0, flat.size, values.size):
        piece = flat[at : at + values.size]
        piece[:] = np.roll(values, at // values.size)[: piece.size]
    return x


run = None
for line in sys.stdin:
    verb, arg = line.split(maxsplit=1)
    if verb == "setup":
        run = None  # gives the last one's operands back
        job = json.loads(arg)
        names = {name: operand(*spec) for name, spec in job["in"].items()}
        if job["out"]:
            names["z"] = np.empty(job["out"][1], job["out"][0])
        names["np"] = np
        body = "".join("    " + statement.strip() + "\n" for statement in job["code"].split(";"))
        exec("def run():\n" + body, names)
        run = names.pop("run")
        del names
        print("ok", flush=True)
    else:
        start = time.thread_time()
        for _ in range(int(arg)):
            run()
        print(time.thread_time() - start, flush=True)
