"""A client in Python with nothing but numpy: client.py MODE DIRECTORY, where
MODE is passthrough or direct."""

import errno
import os
import shutil
import subprocess
import sys

import numpy as np
from numpy.lib.format import open_memmap

mode, top = sys.argv[1:]
os.chdir(top)


def run(*lines):
    with open("run", "w") as f:
        f.write("\n".join(lines) + "\n")


def ask(line):
    fd = os.open("run", os.O_RDWR)
    try:
        os.write(fd, line.encode() + b"\n")
        out = b""
        while part := os.read(fd, 4096):
            out += part
        return out.decode().strip()
    finally:
        os.close(fd)


def fails(number, f):
    try:
        f()
    except OSError as e:
        assert e.errno == number, e
    else:
        raise AssertionError(f"went through, want {errno.errorcode[number]}")


def save_and_load():
    rng = np.random.default_rng(1)
    for t in "? i1 u1 i2 u2 i4 u4 i8 u8 f2 f4 f8 c8 c16".split():
        for shape in [(), (0,), (7, 3), (2, 3, 4)]:
            for order in "CF":
                for swap in "<>":
                    x = (rng.standard_normal(shape) * 50).astype(t, order=order)
                    x = x.astype(x.dtype.newbyteorder(swap), order=order)
                    np.save("buffers/x.npy", x)
                    np.testing.assert_array_equal(np.load("buffers/x.npy"), x)
                    run("copy x.npy y.npy")
                    y = np.load("buffers/y.npy")
                    np.testing.assert_array_equal(y, x)
                    assert y.dtype == x.dtype.newbyteorder("="), (y.dtype, x.dtype)


def results_equal():
    rng = np.random.default_rng(2)
    a = rng.integers(-9, 9, (37, 53)).astype("f8")
    b = rng.integers(-9, 9, (53, 29)).astype("f8")
    np.save("buffers/a.npy", a)
    np.save("buffers/b.npy", b)
    run("gemm a.npy b.npy c.npy", 'map "d = sqrt(abs(c)) + where(c > 0, c, -2*c)" c=c.npy d=d.npy', "sum d.npy e.npy axis=0",
        "transpose a.npy t.npy", "sort a.npy s.npy axis=1", "argmax b.npy m.npy axis=0", "cumsum a.npy cs.npy axis=0",
        'copy "a.npy[::-2,3:10]" v.npy', "concat a.npy a.npy cc.npy axis=1")
    c = a @ b
    load = lambda name: np.load(f"buffers/{name}.npy")
    np.testing.assert_array_equal(load("c"), c)
    d = np.sqrt(abs(c)) + np.where(c > 0, c, -2 * c)
    np.testing.assert_allclose(load("d"), d, rtol=1e-15)
    np.testing.assert_allclose(load("e"), d.sum(axis=0), rtol=1e-14)
    np.testing.assert_array_equal(load("t"), a.T)
    np.testing.assert_array_equal(load("s"), np.sort(a, axis=1))
    np.testing.assert_array_equal(load("m"), b.argmax(axis=0))
    np.testing.assert_array_equal(load("cs"), a.cumsum(axis=0))
    np.testing.assert_array_equal(load("v"), a[::-2, 3:10])
    np.testing.assert_array_equal(load("cc"), np.concatenate([a, a], axis=1))
    assert float(ask("sum c.npy")) == c.sum()
    assert int(ask("argmin a.npy")) == a.argmin()


def raw_files():
    x = np.arange(1000, dtype="f4")
    x.tofile("buffers/raw.bin")
    assert float(ask("sum raw.bin:f32")) == x.sum()
    run("map 'y = x*x' x=raw.bin:f32:10x100 y=sq.bin")
    np.testing.assert_array_equal(np.fromfile("buffers/sq.bin", "f4"), x * x)
    np.testing.assert_array_equal(np.fromfile("buffers/sq.bin", "f4", count=10, offset=400), (x * x)[100:110])
    np.savez("buffers/z.npz", x=x, y=x + 1)
    np.testing.assert_array_equal(np.load("buffers/z.npz")["y"], x + 1)
    with open("buffers/text", "w+") as f:
        f.write("hello\n" * 1000)
        f.seek(6)
        assert f.readline() == "hello\n"
    with open("buffers/text", "r+b") as f:
        f.seek(-6, os.SEEK_END)
        f.write(b"bye")
        f.truncate(f.tell())
    assert os.path.getsize("buffers/text") == 5997
    shutil.copy("buffers/text", "buffers/text2")
    shutil.move("buffers/text2", "buffers/text3")
    assert open("buffers/text3").read().endswith("hello\nbye")


def errors():
    fails(errno.EINVAL, lambda: run("bogus"))
    fails(errno.ENOENT, lambda: run("sum nosuch.npy"))
    fails(errno.EIO, lambda: run("fault f.bin"))
    fails(errno.EIO, lambda: open("buffers/f.bin", "rb"))
    os.unlink("buffers/f.bin")
    fails(errno.ENOMEM, lambda: run("fill huge.npy:f32:1000000x1000000"))
    fails(errno.EPERM, lambda: os.unlink("info"))
    fails(errno.ENOENT, lambda: open("kernels/nosuch"))
    # What failed is tried again when the file is closed: the errors' list shows it, and nothing runs.
    before = stat("jobs.accepted")
    f = open("run", "w")
    f.write("nop\nbogus\n")
    fails(errno.EINVAL, f.close)
    assert stat("jobs.accepted") == before


def stat(key):
    return dict(line.split(None, 1) for line in open("stat"))[key].strip()


def queue():
    os.mkdir("queues/py")
    with open("queues/py/ctl", "w") as f:
        for i in range(20):
            print(f"fill q{i}.npy:f32:100 value={i}", file=f)
    with open("queues/py/wait") as f:
        assert f.read() == ""
    assert all(np.load(f"buffers/q{i}.npy").sum() == 100 * i for i in range(20))
    try:
        with open("queues/py/ctl", "w") as f:
            print("fault", file=f)
    except OSError as e:  # close tells of it, if it has failed by then; wait does in any case
        assert e.errno == errno.EIO
    w = open("queues/py/wait", "rb", buffering=0)
    assert b"failed: EIO" in w.read(4096)
    fails(errno.EIO, lambda: w.read(4096))
    w.close()
    # Opening an output waits for it.
    with open("queues/py/ctl", "w") as f:
        f.write("spin seconds=0.05\nrandom late.npy:f64:100000 seed=1\n")
    assert np.load("buffers/late.npy").shape == (100000,)
    os.rmdir("queues/py")


def mapped():
    """A mapping and a kernel see the same bytes, both ways."""
    run("random a.npy:f64:500x200 seed=4", "fill c.npy:f64:500x200")
    a = np.load("buffers/a.npy", mmap_mode="r+")
    c = np.load("buffers/c.npy", mmap_mode="r+")
    assert (c == 0).all()
    run('map "c = a + 1" a=a.npy c=c.npy')
    np.testing.assert_array_equal(c, a + 1)
    a[:] = np.arange(100000).reshape(500, 200)
    run('map "c = a + 1" a=a.npy c=c.npy')
    np.testing.assert_array_equal(c, np.arange(1, 100001).reshape(500, 200))
    c[7, 7] = -5
    c.flush()
    assert float(ask("min c.npy")) == -5
    np.testing.assert_array_equal(np.load("buffers/c.npy"), c)
    m = open_memmap("buffers/m.npy", mode="w+", dtype="c8", shape=(64, 32), fortran_order=True)
    m[:] = np.arange(64 * 32).reshape(64, 32) * (1 + 2j)
    m.flush()
    run("copy m.npy n.npy")
    np.testing.assert_array_equal(np.load("buffers/n.npy", mmap_mode="r"), m)
    w = np.memmap("buffers/w.bin", dtype="i4", mode="w+", shape=1000)
    w[:] = 3
    assert ask("sum w.bin:i32") == "3000"
    r = np.memmap("buffers/w.bin", dtype="i4", mode="r")
    assert r.sum() == 3000


def unmapped():
    """Without passthrough there are private mappings."""
    run("random a.npy:f64:50x20 seed=4")
    np.testing.assert_array_equal(np.load("buffers/a.npy", mmap_mode="c"), np.load("buffers/a.npy"))
    fails(errno.ENODEV, lambda: np.load("buffers/a.npy", mmap_mode="r+"))


def many_processes():
    code = "import sys, numpy as np\nfor i in range(5):\n np.save(f'buffers/p{sys.argv[1]}.npy', np.full(1000, int(sys.argv[1])))\n" \
        "open('run', 'w').write(f'map \"z = x + 1\" x=p{sys.argv[1]}.npy z=z{sys.argv[1]}.npy\\n')\n" \
        "assert (np.load(f'buffers/z{sys.argv[1]}.npy') == int(sys.argv[1]) + 1).all()"
    procs = [subprocess.Popen([sys.executable, "-c", code, str(i)]) for i in range(4)]
    assert [p.wait() for p in procs] == [0] * 4


steps = [save_and_load, results_equal, raw_files, errors, queue, many_processes, mapped if mode == "passthrough" else unmapped]
for step in steps:
    try:
        step()
    except BaseException:
        print("in", step.__name__, file=sys.stderr)
        raise
