/* FFTW behind a pipe, so that it can be timed in turn with others.
 *
 * Reads lines from standard input and answers each with a line:
 *   plan f32|f64 c2c|r2c THREADS BATCH RANK N...   seconds it took to plan
 *   time                                           seconds of one execution
 * Plans are out of place, forward, FFTW_MEASURE. One execution is the least of
 * several samples; with one thread the clock is the thread's own processor
 * time, so that a busy machine disturbs less, else wall time.
 */
#define _GNU_SOURCE
#include <fftw3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static clockid_t clk = CLOCK_MONOTONIC;

static double now(clockid_t c) {
	struct timespec t;
	clock_gettime(c, &t);
	return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void (*run)(void);

/* best: the least time of one run, over samples of half a millisecond or more */
static double best(void) {
	run();
	double t = now(clk);
	run();
	t = now(clk) - t;
	int inner = t < 5e-4 ? (int)(5e-4 / (t + 1e-9)) + 1 : 1;
	double least = 1e9, begin = now(CLOCK_MONOTONIC);
	for (int i = 0; i < 5 || (i < 200 && now(CLOCK_MONOTONIC) - begin < 0.06); i++) {
		double u = now(clk);
		for (int j = 0; j < inner; j++)
			run();
		double d = (now(clk) - u) / inner;
		if (d < least)
			least = d;
	}
	return least;
}

#define DEFINE(P, T)                                                                          \
	static P##_plan P##_p;                                                                \
	static P##_complex *P##_in, *P##_out;                                                 \
	static void P##_run(void) { P##_execute(P##_p); }                                     \
	static double P##_make(int real, int threads, int batch, int rank, const int *dim) {  \
		if (P##_p) {                                                                  \
			P##_destroy_plan(P##_p);                                              \
			P##_free(P##_in);                                                     \
			P##_free(P##_out);                                                    \
		}                                                                             \
		size_t n = 1;                                                                 \
		for (int i = 0; i < rank; i++)                                                \
			n *= dim[i];                                                          \
		size_t total = n * batch;                                                     \
		P##_in = P##_malloc(sizeof *P##_in * total);                                  \
		P##_out = P##_malloc(sizeof *P##_out * total);                                \
		if (!P##_in || !P##_out)                                                      \
			exit(1);                                                              \
		P##_plan_with_nthreads(threads);                                              \
		double t = now(CLOCK_MONOTONIC);                                              \
		if (real)                                                                     \
			P##_p = P##_plan_dft_r2c_1d(n, (T *)P##_in, P##_out, FFTW_MEASURE);   \
		else                                                                          \
			P##_p = P##_plan_many_dft(rank, dim, batch, P##_in, NULL, 1, n,       \
						  P##_out, NULL, 1, n, FFTW_FORWARD,          \
						  FFTW_MEASURE);                              \
		t = now(CLOCK_MONOTONIC) - t;                                                 \
		for (size_t i = 0; i < total; i++)                                            \
			P##_in[i][0] = rand() / (double)RAND_MAX - 0.5, P##_in[i][1] = 0.25;  \
		run = P##_run;                                                                \
		return t;                                                                     \
	}
DEFINE(fftw, double)
DEFINE(fftwf, float)

int main(void) {
	char type[8], kind[8], line[256];
	fftw_init_threads();
	fftwf_init_threads();
	while (fgets(line, sizeof line, stdin)) {
		int threads, batch, rank, dim[4], used;
		if (sscanf(line, "plan %7s %7s %d %d %d%n", type, kind, &threads, &batch, &rank, &used) == 5 && rank <= 4) {
			for (int i = 0, u; i < rank; i++, used += u)
				if (sscanf(line + used, "%d%n", &dim[i], &u) != 1)
					return 2;
			clk = threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
			int real = !strcmp(kind, "r2c");
			printf("%.9g\n", strcmp(type, "f32") ? fftw_make(real, threads, batch, rank, dim) : fftwf_make(real, threads, batch, rank, dim));
		} else if (!strncmp(line, "time", 4) && run) {
			printf("%.9g\n", best());
		} else {
			return 2;
		}
		fflush(stdout);
	}
	return 0;
}
