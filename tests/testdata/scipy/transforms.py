"""Transforms, convolutions and spectra of vgpu against numpy and scipy, on random
shapes, types, views and options: transforms.py VGPU DIRECTORY SEED COUNT."""

import os
import subprocess
import sys
import warnings

import numpy as np
import scipy.fft as sf
import scipy.signal as ss

vgpu, top, seed, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
os.chdir(top)
warnings.simplefilter("ignore")  # scipy says when it shortens a segment
rng = np.random.default_rng(seed)
REALS = "? i1 u1 i2 u2 i4 u4 i8 u8 f2 f4 f8".split()
COMPLEXES = "c8 c16".split()
NORMS = ["backward", "ortho", "forward"]
PARAMS = {"kaiser": (0, 20), "gaussian": (1, 30), "tukey": (0, 1), "exponential": (0.5, 20)}
PLAIN = ("boxcar triang bartlett hann hamming blackman nuttall blackmanharris flattop cosine bohman parzen").split()


def pick(*values):
    return values[rng.integers(len(values))]


def length():
    """A length of any kind: short, smooth, prime, or anything."""
    return int(pick(rng.integers(1, 20), 2 ** rng.integers(0, 9), pick(67, 97, 101, 127, 131, 193, 257, 263), rng.integers(1, 300)))


def numbers(dtype, shape):
    dtype = np.dtype(dtype)
    if dtype.kind == "c":
        return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)
    if dtype.kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    return rng.integers(0 if dtype.kind in "bu" else -100, 2 if dtype.kind == "b" else 100, shape).astype(dtype)


class Case:
    """A line, and the array that its last operand should be."""

    made = []

    def __init__(self):
        self.n = len(Case.made)
        self.line = ""
        Case.made.append(self)

    def file(self, name, a):
        """Stores a as it is, in Fortran order, byte-swapped, or as part of a larger
        array, and gives the operand that names it."""
        path = f"{name}{self.n}.npy"
        how = pick("plain", "fortran", "swapped", "view", "view")
        if how == "view" and a.ndim > 0:
            whole = numbers(a.dtype, [3 * m + 2 for m in a.shape])
            cut = []
            for m in a.shape:
                step = int(pick(1, 2, 3, -1, -2))
                first = (m - 1) * -step if step < 0 else int(rng.integers(0, 2))
                stop = first + m * step
                cut.append(slice(first, stop if stop >= 0 else None, step) if m else slice(0, 0))
            whole[tuple(cut)] = a
            np.save(path, whole)
            text = ",".join(":".join("" if v is None else str(v) for v in (c.start, c.stop, c.step)) for c in cut)
            return f'"{path}[{text}]"'
        if how == "fortran":
            a = np.asfortranarray(a)
        elif how == "swapped" and a.dtype.itemsize > 1:
            a = a.astype(a.dtype.newbyteorder(">"))
        np.save(path, a)
        return path

    def result(self, line, want, dtype, tol=20):
        self.out = f"y{self.n}.npy"
        self.line, self.want, self.dtype, self.tol = line.replace(" @", " " + self.out, 1), want, np.dtype(dtype), tol

    def check(self):
        """What is wrong with the result, or None."""
        got, want = np.load(self.out), wide(np.asarray(self.want))
        if got.dtype != self.dtype or got.shape != want.shape:
            return f"{got.dtype}{got.shape}, want {self.dtype}{want.shape}"
        bound = self.tol * np.finfo(self.dtype).eps if self.dtype.kind in "fc" else 0
        scale = np.linalg.norm(want.ravel())
        error = np.linalg.norm((wide(got) - want).ravel()) / (scale or 1)
        return None if error <= bound else f"relative error {error:.3g} > {bound:.3g}"


def wide(a):
    return a.astype(np.complex128 if a.dtype.kind == "c" else np.float64)


def single(*arrays):
    return all(np.dtype(a.dtype).char in "efF" for a in arrays)


def real_type(*arrays):
    return np.dtype("f4" if single(*arrays) else "f8")


def complex_type(*arrays):
    return np.dtype("c8" if single(*arrays) else "c16")


def some_axes(rank):
    """Some axes in any order and sign, and their option."""
    axes = [int(a) for a in rng.permutation(rank)[: rng.integers(1, rank + 1)]]
    return axes, " axes=" + ",".join(str(int(pick(a, a - rank))) for a in axes)


def shape_of(rank):
    shape = [length() for _ in range(rank)]
    while np.prod(shape) > 30000:
        shape[rng.integers(rank)] = int(rng.integers(1, 9))
    return shape


def fourier(c):
    name = pick("fft", "ifft", "rfft", "irfft")
    x = numbers(pick(*REALS) if name == "rfft" else pick(*REALS, *COMPLEXES, *COMPLEXES), shape_of(int(rng.integers(1, 5))))
    axes, options = some_axes(x.ndim) if rng.integers(4) else ([x.ndim - 1], "")
    s = None
    if rng.integers(2) or name == "irfft" and x.shape[axes[-1]] == 1:
        s = [max(1, x.shape[a] + int(rng.integers(-9, 10))) for a in axes]
        options += " n=" + ",".join(map(str, s))
    norm = pick(*NORMS)
    if norm != "backward" or rng.integers(2):
        options += " norm=" + norm
    want = getattr(sf, name + "n")(wide(x), s, axes, norm)
    c.result(f"{name} {c.file('x', x)} @{options}", want, real_type(x) if name == "irfft" else complex_type(x))


def trigonometric(c):
    name, kind, norm = pick("dct", "idct", "dst", "idst"), int(rng.integers(1, 5)), pick(*NORMS)
    x = numbers(pick(*REALS, *COMPLEXES), shape_of(int(rng.integers(1, 4))))
    axes, options = some_axes(x.ndim)
    s = None
    if rng.integers(2) or kind == 1 and min(x.shape[a] for a in axes) < 2:
        s = [max(2, x.shape[a] + int(rng.integers(-9, 10))) for a in axes]
        options += " n=" + ",".join(map(str, s))
    f, v = getattr(sf, name + "n"), wide(x)
    want = f(v.real, kind, s, axes, norm)
    if v.dtype.kind == "c":
        want = want + 1j * f(v.imag, kind, s, axes, norm)
    c.result(f"{name} {c.file('x', x)} @ type={pick(kind, 'I II III IV'.split()[kind - 1])} norm={norm}{options}", want,
             complex_type(x) if v.dtype.kind == "c" else real_type(x), 40)


def convolution(c):
    name, mode, method = pick("conv", "correlate"), pick("full", "same", "valid"), pick("auto", "direct", "fft", "overlap")
    rank = int(rng.integers(1, 4))
    small = [int(rng.integers(1, 9)) for _ in range(rank)]
    large = [m + int(rng.integers(0, [600, 40, 9][rank - 1])) for m in small]
    x, h = numbers(pick(*REALS, *COMPLEXES), large), numbers(pick(*REALS, *COMPLEXES), small)
    f = ss.convolve if name == "conv" else ss.correlate
    want = f(wide(x), wide(h), mode, "fft" if mode == "same" else "direct")
    kind = real_type if want.dtype.kind == "f" else complex_type
    c.result(f"{name} {c.file('x', x)} {c.file('h', h)} @ mode={mode} method={method}", want, kind(x, h), 100)


def shift(c):
    name = pick("fftshift", "ifftshift")
    x = numbers(pick(*REALS, *COMPLEXES), shape_of(int(rng.integers(1, 5))))
    axes, options = some_axes(x.ndim) if rng.integers(3) else (None, "")
    c.result(f"{name} {c.file('x', x)} @{options}", getattr(np.fft, name)(x, axes), x.dtype)


def some_window():
    """scipy's name of a window, and the options that are ours."""
    name = pick(*PLAIN, *PARAMS)
    if name not in PARAMS:
        return name, f"={name}"
    p = float(np.round(rng.uniform(*PARAMS[name]), 3))
    return (name, None, p) if name == "exponential" else (name, p), f"={name} param={p}"


def window(c):
    spec, text = some_window()
    n, symmetric, dtype = length(), int(rng.integers(2)), pick("f8", "f4")
    size = f":{'f64' if dtype == 'f8' else 'f32'}:{n}"
    c.result(f"window @ type{text} sym={symmetric}", ss.get_window(spec, n, not symmetric), dtype)
    c.line = c.line.replace(c.out, c.out + size)


def spectrum(c):
    name = pick("psd", "spectrogram", "stft")
    x = numbers(pick(*REALS[3:], *COMPLEXES), shape_of(int(rng.integers(1, 4))))
    axis = int(rng.integers(x.ndim))
    points = x.shape[axis]
    nperseg = int(rng.integers(1, points + 1))
    noverlap, nfft = int(rng.integers(0, nperseg)), nperseg + int(pick(0, rng.integers(0, 50)))
    spec, text = some_window()
    weights = ss.get_window(spec, nperseg)
    if not abs(weights.sum()) > 1e-3:  # bartlett of two points weighs nothing
        spec, text = "hamming", "=hamming"
    fs, detrend, scaling = float(pick(1, 100, 44100)), pick("none", "constant", "linear"), pick("density", "spectrum")
    if nperseg < 3 and detrend == "linear":  # leaves nothing but rounding errors
        detrend = "constant"
    options = dict(fs=fs, window=spec, nperseg=nperseg, noverlap=noverlap, nfft=nfft, axis=axis)
    options["detrend"] = False if detrend == "none" else detrend
    if name == "stft":
        want = ss.stft(wide(x), scaling="psd" if scaling == "density" else scaling, **options)[2]
    else:
        want = (ss.welch if name == "psd" else ss.spectrogram)(wide(x), scaling=scaling, **options)[-1]
    # A trend that is taken away leaves the errors of what it was.
    tol = 100 * max(1, np.abs(wide(x)).max() if detrend != "none" else 1)
    c.result(f"{name} {c.file('x', x)} @ fs={fs:g} nperseg={nperseg} noverlap={noverlap} nfft={nfft} window{text} "
             f"detrend={detrend} scaling={scaling} axis={pick(axis, axis - x.ndim)}", want, complex_type(x) if name == "stft" else real_type(x), tol)


def envelope(c):
    """The analytic signal by transforms: scipy.signal.hilbert."""
    x = numbers(pick("f4", "f8", "i2"), [int(rng.integers(1, 6)), length()])
    n = x.shape[1]
    mask = np.zeros(n)
    mask[0] = 1
    mask[1 : (n + 1) // 2] = 2
    if n % 2 == 0:
        mask[n // 2] = 1
    np.save(f"m{c.n}.npy", mask.astype(real_type(x)))
    c.result(f'fft {c.file("x", x)} f{c.n}.npy\nmap "z = f * m" f=f{c.n}.npy m=m{c.n}.npy z=z{c.n}.npy\nifft z{c.n}.npy @',
             ss.hilbert(wide(x)), complex_type(x))


def refusals():
    """Lines, the text that the caret is under, and what numpy or scipy refuse likewise."""
    rank, n = int(rng.integers(1, 4)), int(rng.integers(2, 9))
    x, one, flat = numbers("f8", [n] * rank), np.ones((3, 1), "c16"), np.ones(n)
    np.save("bad.npy", x)
    np.save("one.npy", one)
    np.save("flat.npy", flat)
    out, again = int(pick(rank, rank + 3, -rank - 1)), (rank - 1, -1)
    name, trig, segments = pick("fft", "ifft", "rfft", "irfft"), pick("dct", "idct", "dst", "idst"), pick("stft", "psd", "spectrogram")
    f, g = getattr(np.fft, name + "n"), getattr(sf, trig + "n")
    scipy_segments = {"stft": ss.stft, "psd": ss.welch, "spectrogram": ss.spectrogram}[segments]
    return [
        (f"{name} bad.npy y.npy axes={out}", f"{out}", lambda: f(x, axes=[out])),
        (f"{name} bad.npy y.npy n={-n}", f"{-n}", lambda: getattr(np.fft, name)(x, -n)),
        (f"{name} bad.npy y.npy n=0", "0", lambda: getattr(np.fft, name)(x, 0)),
        (f"{name} bad.npy y.npy n={n},{n} axes=0", f"{n},{n}", lambda: f(x, (n, n), (0,))),
        (f"{name} bad.npy y.npy norm=unitary", "unitary", lambda: f(x, norm="unitary")),
        (f"{trig} bad.npy y.npy axes={again[0]},-1", f"{again[0]},-1", lambda: g(x, axes=again)),
        (f"{trig} bad.npy y.npy axes={out}", f"{out}", lambda: g(x, axes=[out])),
        (f"{trig} bad.npy y.npy type=5", "5", lambda: g(x, 5)),
        ("dct bad.npy y.npy n=1 type=1", "1", lambda: sf.dct(x, 1, 1)),
        ("irfft one.npy y.npy", "one.npy", lambda: np.fft.irfft(one)),
        ("rfft one.npy y.npy", "one.npy", lambda: sf.rfft(one)),
        (f"fftshift bad.npy y.npy axes={out}", f"{out}", lambda: np.fft.fftshift(x, out)),
        ("conv bad.npy bad.npy y.npy mode=some", "some", lambda: ss.convolve(x, x, "some")),
        ("correlate flat.npy one.npy y.npy", "one.npy", lambda: ss.correlate(flat, one)),
        ("conv \"bad.npy[:1]\" one.npy y.npy mode=valid", "one.npy", lambda: ss.convolve(x[:1], np.ones((3,) + (1,) * 3), "valid")),
        (f"{segments} flat.npy y.npy nperseg={n} noverlap={n}", f"{n}", lambda: scipy_segments(flat, nperseg=n, noverlap=n)),
        (f"{segments} flat.npy y.npy nperseg={n} nfft={n - 1}", f"{n - 1}", lambda: scipy_segments(flat, nperseg=n, nfft=n - 1)),
        (f"{segments} bad.npy y.npy axis={out}", f"{out}", lambda: scipy_segments(x, axis=out)),
        ("window y.npy n=9 type=kaise", "kaise", lambda: ss.get_window("kaise", 9)),
    ]


def admitted(line, under, theirs):
    """What is wrong with a refusal, or None: EINVAL, and the text under the caret."""
    try:
        theirs()
        return f"{line}: scipy takes it"
    except (ValueError, IndexError, TypeError, NotImplementedError, RuntimeError):
        pass
    r = run(line)
    text = r.stderr.splitlines()
    carets = [l for l in text if set(l) <= set(" ^~") and "^" in l]
    if r.returncode != 1 or not text[0].startswith("vgpu: EINVAL: ") or line not in text or len(carets) != 1:
        return f"{line}: status {r.returncode}: {r.stderr}"
    at = carets[0].index("^")
    marked = line[at : len(carets[0])]
    return None if marked == under else f"{line}: the caret is under {marked!r}, want {under!r}"


def run(*args):
    return subprocess.run([vgpu, "run", *args], capture_output=True, text=True, check=False)


def main():
    makers = [fourier] * 4 + [trigonometric, trigonometric, convolution, convolution, shift, window, spectrum, spectrum, envelope]
    for i in range(count):
        makers[i % len(makers)](Case())
    with open("steps", "w") as f:
        f.writelines(c.line + "\n" for c in Case.made)
    wrong = []
    r = run("--threads", str(pick(1, 2, 3)), "-f", "steps")
    if r.returncode:
        wrong.append(r.stderr)
    else:
        wrong += [f"{c.line}: {fault}" for c in Case.made if (fault := c.check())]
    wrong += [fault for r in refusals() if (fault := admitted(*r))]
    print("\n".join(wrong))
    sys.exit(bool(wrong))


main()
