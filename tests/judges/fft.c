// The transforms of a mounted device as the program under test of FFTW's own
// self-tester, libbench2 (see fft.sh), which knows no reference: it checks
// linearity, impulses and shifts (Ergün, STOC 1995).
//
//	VGPU_DEVICE=/dev/vgpu0 bench --verify ocf1024 --verify irb12x15*3
//
// Each transform packs its input into a buffer of the device, batch axes first,
// writes one command to its file run, and unpacks the output. Strides, split
// arrays and transforms in place end here: the device sees plain arrays.
//
// VGPU_PLANT=1e-6 spoils one element by that much: a tester that does not
// notice is no judge.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench-user.h"

BEGIN_BENCH_DOC
BENCH_DOC("name", "vgpu")
END_BENCH_DOC

static void die(const char *what) {
	fprintf(stderr, "fft.c: %s: %s\n", what, strerror(errno));
	exit(3);
}

static int open_at(const char *dir, const char *name, int flags) {
	char path[4096];
	snprintf(path, sizeof path, "%s/%s/%s", getenv("VGPU_DEVICE"), dir, name);
	int fd = open(path, flags | O_CLOEXEC, 0600);
	if (fd < 0)
		die(path);
	return fd;
}

static void command(const char *line) {
	static int run = -1;
	if (run < 0)
		run = open_at(".", "run", O_WRONLY);
	if (write(run, line, strlen(line)) < 0)
		die(line);
}

// side is one end of a transform: where its elements lie, in reals.
struct side {
	bench_real *re, *im; // im is 0 if it is real
	int step;            // reals from one element to the next at stride 1
	int out;             // which of the tensors' strides are its own
	int half;            // the last axis has n/2+1 points
};

// axes lists the batch axes, then those transformed.
static const bench_iodim *axis(const bench_problem *p, int i) {
	return i < p->vecsz->rnk ? &p->vecsz->dims[i] : &p->sz->dims[i - p->vecsz->rnk];
}

static int rank(const bench_problem *p) { return p->vecsz->rnk + p->sz->rnk; }

static int extent(const bench_problem *p, const struct side *s, int i) {
	int n = axis(p, i)->n;
	return s->half && i == rank(p) - 1 ? n / 2 + 1 : n;
}

static size_t points(const bench_problem *p, const struct side *s) {
	size_t n = 1;
	for (int i = 0; i < rank(p); i++)
		n *= extent(p, s, i);
	return n;
}

// copy packs a side into an array in C order, or unpacks it.
static bench_real *copy(const bench_problem *p, const struct side *s, int i, ptrdiff_t at, bench_real *array, int pack) {
	if (i < rank(p)) {
		const bench_iodim *d = axis(p, i);
		for (int j = 0, n = extent(p, s, i); j < n; j++)
			array = copy(p, s, i + 1, at + (ptrdiff_t)j * (s->out ? d->os : d->is) * s->step, array, pack);
		return array;
	}
	if (pack) {
		*array++ = s->re[at];
		if (s->im)
			*array++ = s->im[at];
	} else {
		s->re[at] = *array++;
		if (s->im)
			s->im[at] = *array++;
	}
	return array;
}

// sides tells how the ends of a problem lie.
static void sides(const bench_problem *p, struct side *in, struct side *out) {
	int cin = p->kind == PROBLEM_COMPLEX || (p->kind == PROBLEM_REAL && p->sign > 0);
	int cout = p->kind == PROBLEM_COMPLEX || (p->kind == PROBLEM_REAL && p->sign < 0);
	bench_real *i = p->in, *o = p->out;
	*in = (struct side){i, cin ? (p->split ? i + p->iphyssz : i + 1) : 0, cin && !p->split ? 2 : 1, 0, cin && p->kind == PROBLEM_REAL};
	*out = (struct side){o, cout ? (p->split ? o + p->ophyssz : o + 1) : 0, cout && !p->split ? 2 : 1, 1, cout && p->kind == PROBLEM_REAL};
}

// cosine is the verb and type of a real transform, or "" of those that the
// device has not.
static const char *cosine(r2r_kind_t k) {
	switch (k) {
	case R2R_REDFT00: return "dct %s %s type=1 axes=%d\n";
	case R2R_REDFT10: return "dct %s %s type=2 axes=%d\n";
	case R2R_REDFT01: return "dct %s %s type=3 axes=%d\n";
	case R2R_REDFT11: return "dct %s %s type=4 axes=%d\n";
	case R2R_RODFT00: return "dst %s %s type=1 axes=%d\n";
	case R2R_RODFT10: return "dst %s %s type=2 axes=%d\n";
	case R2R_RODFT01: return "dst %s %s type=3 axes=%d\n";
	case R2R_RODFT11: return "dst %s %s type=4 axes=%d\n";
	default: return "";
	}
}

int can_do(bench_problem *p) {
	if (!BENCH_FINITE_RNK(p->sz->rnk) || !BENCH_FINITE_RNK(p->vecsz->rnk) || p->sz->rnk < 1 || p->scrambled_in || p->scrambled_out)
		return 0;
	if (p->split && p->kind == PROBLEM_REAL)
		return 0; // FFTW lays these out by rules of its own
	for (int i = 0; p->kind == PROBLEM_R2R && i < p->sz->rnk; i++)
		if (!*cosine(p->k[i]))
			return 0;
	return tensor_sz(p->sz) > 0 && tensor_sz(p->vecsz) > 0;
}

void setup(bench_problem *p) { (void)p; }
void done(bench_problem *p) { (void)p; }
void cleanup(void) {}
void useropt(const char *arg) { fprintf(stderr, "unknown user option: %s\n", arg); }

void main_init(int *argc, char ***argv) {
	(void)argc, (void)argv;
	if (!getenv("VGPU_DEVICE")) {
		fputs("VGPU_DEVICE is not set: the directory of a mounted device\n", stderr);
		exit(3);
	}
}

// operand writes NAME:DTYPE:SHAPE.
static const char *operand(char *text, size_t room, const bench_problem *p, const struct side *s, const char *name) {
	static const char *const types[2][2] = {{"f32", "f64"}, {"c64", "c128"}};
	int n = snprintf(text, room, "%s:%s:", name, types[s->im != 0][DOUBLE_PRECISION]);
	for (int i = 0; i < rank(p); i++)
		n += snprintf(text + n, room - n, "%s%d", i ? "x" : "", extent(p, s, i));
	return text;
}

// real transforms each axis by its own kind, one command an axis.
static void real(const bench_problem *p, const char *in, const char *out) {
	char line[8192];
	for (int i = 0; i < p->sz->rnk; i++) {
		snprintf(line, sizeof line, cosine(p->k[i]), i ? out : in, out, p->vecsz->rnk + i);
		command(line);
	}
}

static void complex(const bench_problem *p, const char *in, const char *out) {
	char line[8192];
	const char *verb = p->kind == PROBLEM_COMPLEX ? "fft" : "rfft";
	int n = snprintf(line, sizeof line, "%s%s \"%s\" \"%s\" norm=%s axes=", p->sign > 0 ? "i" : "", verb, in, out, p->sign > 0 ? "forward" : "backward");
	for (int i = 0; i < p->sz->rnk; i++)
		n += snprintf(line + n, sizeof line - n, "%s%d", i ? "," : "", p->vecsz->rnk + i);
	if (p->kind == PROBLEM_REAL && p->sign > 0) // the halved axis may be odd
		for (int i = 0; i < p->sz->rnk; i++)
			n += snprintf(line + n, sizeof line - n, "%s%d", i ? "," : " n=", p->sz->dims[i].n);
	snprintf(line + n, sizeof line - n, "\n");
	command(line);
}

static bench_real *pack(const bench_problem *p, const struct side *s, size_t *bytes) {
	*bytes = points(p, s) * (s->im ? 2 : 1) * sizeof(bench_real);
	bench_real *array = malloc(*bytes);
	if (!array)
		die("malloc");
	return array;
}

static void once(const bench_problem *p) {
	struct side in, out;
	char from[4096], to[4096];
	size_t bytes;
	sides(p, &in, &out);
	bench_real *array = pack(p, &in, &bytes);
	copy(p, &in, 0, 0, array, 1);
	int fd = open_at("buffers", "fftin", O_RDWR | O_CREAT | O_TRUNC);
	if (write(fd, array, bytes) != (ssize_t)bytes)
		die("fftin");
	close(fd);
	free(array);

	operand(from, sizeof from, p, &in, "fftin"), operand(to, sizeof to, p, &out, "fftout");
	if (p->kind == PROBLEM_R2R)
		real(p, from, to);
	else
		complex(p, from, to);

	array = pack(p, &out, &bytes);
	fd = open_at("buffers", "fftout", O_RDONLY);
	if (read(fd, array, bytes) != (ssize_t)bytes)
		die("fftout");
	close(fd);
	const char *by = getenv("VGPU_PLANT");
	if (by && bytes > 64 * sizeof(bench_real))
		array[5] += atof(by);
	copy(p, &out, 0, 0, array, 0);
	free(array);
}

void doit(int iter, bench_problem *p) {
	for (int i = 0; i < iter; i++)
		once(p);
}
