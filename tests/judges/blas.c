// The GEMM routines of BLAS by a mounted device, for the reference testers of
// Netlib (Debian's libblas-test). Preloaded into one of them:
//
//	VGPU_DEVICE=/dev/vgpu0 LD_PRELOAD=blas.so xblat3d < dblat3.in
//
// Each call writes A, B and C to buffers of the device, writes one command to
// its file run, and reads C back: whole, so that the tester sees it if
// anything beside the result was touched. Fortran's matrices lie by columns and
// the device's by rows, so Cᵀ = op(B)ᵀ·op(A)ᵀ is asked for; leading dimensions
// become slices.
//
// VGPU_PLANT=1e-6 spoils one element of the larger products by that much: a
// tester that does not notice is no judge.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern void xerbla_(const char *name, const int *info, size_t len);

static int upper(char c) { return c >= 'a' && c <= 'z' ? c - 32 : c; }

static void die(const char *what) {
	fprintf(stderr, "blas.c: %s: %s\n", what, strerror(errno));
	exit(3);
}

static int max(int a, int b) { return a > b ? a : b; }

// file is a buffer of the device, kept open.
struct file {
	const char *name;
	int fd;
	off_t size;
};

static int open_at(const char *dir, const char *name, int flags) {
	char path[4096];
	snprintf(path, sizeof path, "%s/%s/%s", getenv("VGPU_DEVICE"), dir, name);
	int fd = open(path, flags | O_CLOEXEC, 0600);
	if (fd < 0)
		die(path);
	return fd;
}

static void put(struct file *f, const void *data, off_t size) {
	if (f->fd < 0)
		f->fd = open_at("buffers", f->name, O_RDWR | O_CREAT | O_TRUNC);
	if (f->size != size && ftruncate(f->fd, size) < 0)
		die("ftruncate");
	f->size = size;
	if (pwrite(f->fd, data, size, 0) != size)
		die("pwrite");
}

static void get(struct file *f, void *data) {
	if (pread(f->fd, data, f->size, 0) != f->size)
		die("pread");
}

// command writes a line to run and waits for its end.
static void command(const char *line) {
	static int run = -1;
	if (run < 0)
		run = open_at(".", "run", O_WRONLY);
	if (write(run, line, strlen(line)) < 0)
		die(line);
}

// type is what differs between the four routines.
struct type {
	const char *routine, *dtype;
	int size, complex;
	struct file a, b, c;
};

// wrong is the number of the argument that is not valid, or 0.
static int wrong(char ta, char tb, int m, int n, int k, int lda, int ldb, int ldc) {
	int rows_a = ta == 'N' ? m : k, rows_b = tb == 'N' ? k : n;
	if (!strchr("NTC", ta))
		return 1;
	if (!strchr("NTC", tb))
		return 2;
	if (m < 0)
		return 3;
	if (n < 0)
		return 4;
	if (k < 0)
		return 5;
	if (lda < max(1, rows_a))
		return 8;
	if (ldb < max(1, rows_b))
		return 10;
	if (ldc < max(1, m))
		return 13;
	return 0;
}

// scalar writes a number so that it is read back the same.
static void scalar(char *out, size_t room, const struct type *t, const void *p) {
	double re, im = 0;
	if (t->size == (t->complex ? 8 : 4)) {
		re = ((const float *)p)[0];
		if (t->complex)
			im = ((const float *)p)[1];
	} else {
		re = ((const double *)p)[0];
		if (t->complex)
			im = ((const double *)p)[1];
	}
	if (t->complex)
		snprintf(out, room, "%.17g%+.17gj", re, im);
	else
		snprintf(out, room, "%.17g", re);
}

// plant spoils an element, if asked to.
static void plant(const struct type *t, int m, int n, int k, void *c) {
	const char *by = getenv("VGPU_PLANT");
	if (!by || k <= 8 || m == 0 || n == 0)
		return;
	if (t->size == (t->complex ? 8 : 4))
		*(float *)c *= 1 + atof(by);
	else
		*(double *)c *= 1 + atof(by);
}

static void gemm(struct type *t, char ta, char tb, int m, int n, int k, const void *alpha, const void *a, int lda, const void *b, int ldb, const void *beta, void *c, int ldc) {
	ta = upper(ta), tb = upper(tb);
	int info = wrong(ta, tb, m, n, k, lda, ldb, ldc);
	if (info) {
		xerbla_(t->routine, &info, 6);
		return;
	}
	int rows_a = ta == 'N' ? m : k, cols_a = ta == 'N' ? k : m;
	int rows_b = tb == 'N' ? k : n, cols_b = tb == 'N' ? n : k;
	put(&t->a, a, (off_t)lda * cols_a * t->size);
	put(&t->b, b, (off_t)ldb * cols_b * t->size);
	put(&t->c, c, (off_t)ldc * n * t->size);
	char al[80], be[80], line[1024];
	scalar(al, sizeof al, t, alpha);
	scalar(be, sizeof be, t, beta);
	snprintf(line, sizeof line, "gemm \"%s:%s:%dx%d[:,0:%d]\" \"%s:%s:%dx%d[:,0:%d]\" \"%s:%s:%dx%d[:,0:%d]\" ta=%c tb=%c alpha=%s beta=%s\n",
		t->b.name, t->dtype, cols_b, ldb, rows_b, t->a.name, t->dtype, cols_a, lda, rows_a, t->c.name, t->dtype, n, ldc, m, tb + 32, ta + 32, al, be);
	command(line);
	get(&t->c, c);
	plant(t, m, n, k, c);
}

#define ROUTINE(name, upper_name, dtype, letter, size, complex) \
	void name(const char *ta, const char *tb, const int *m, const int *n, const int *k, const void *alpha, const void *a, const int *lda, const void *b, const int *ldb, const void *beta, void *c, const int *ldc) { \
		static struct type t = {upper_name, dtype, size, complex, {letter "a", -1, -1}, {letter "b", -1, -1}, {letter "c", -1, -1}}; \
		gemm(&t, *ta, *tb, *m, *n, *k, alpha, a, *lda, b, *ldb, beta, c, *ldc); \
	}

ROUTINE(sgemm_, "SGEMM ", "f32", "s", 4, 0)
ROUTINE(dgemm_, "DGEMM ", "f64", "d", 8, 0)
ROUTINE(cgemm_, "CGEMM ", "c64", "c", 8, 1)
ROUTINE(zgemm_, "ZGEMM ", "c128", "z", 16, 1)
