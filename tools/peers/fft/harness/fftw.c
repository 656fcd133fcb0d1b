/* FFTW behind a pipe, so that it can be timed in turn with others.
 *
 * Reads lines from standard input and answers each with a line:
 *   plan f32|f64 c2c|r2c THREADS BATCH RANK N...   seconds it took to plan
 *   sample REPS                                    seconds of so many executions, after one that is not timed
 * Plans are out of place, forward, FFTW_MEASURE. Its argument is a directory in
 * which plans are kept for other runs, or nothing.
 */
#define _GNU_SOURCE
#include <fftw3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void (*run)(void);

/* sample: the seconds of so many executions, after one that is not timed */
static double sample(int reps) {
	run();
	double t = now();
	while (reps--)
		run();
	return now() - t;
}

#define DEFINE(P, T)                                                                          \
	static P##_plan P##_p;                                                                \
	static P##_complex *P##_in, *P##_out;                                                 \
	static void P##_run(void) { P##_execute(P##_p); }                                     \
	static char P##_file[4096];                                                           \
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
		double t = now();                                                             \
		if (real)                                                                     \
			P##_p = P##_plan_dft_r2c_1d(n, (T *)P##_in, P##_out, FFTW_MEASURE);   \
		else                                                                          \
			P##_p = P##_plan_many_dft(rank, dim, batch, P##_in, NULL, 1, n,       \
						  P##_out, NULL, 1, n, FFTW_FORWARD,          \
						  FFTW_MEASURE);                              \
		t = now() - t;                                                                \
		if (*P##_file && !P##_export_wisdom_to_filename(P##_file))                    \
			exit(1);                                                              \
		for (size_t i = 0; i < total; i++)                                            \
			P##_in[i][0] = rand() / (double)RAND_MAX - 0.5, P##_in[i][1] = 0.25;  \
		run = P##_run;                                                                \
		return t;                                                                     \
	}
DEFINE(fftw, double)
DEFINE(fftwf, float)

int main(int argc, char **argv) {
	char type[8], kind[8], line[256];
	fftw_init_threads();
	fftwf_init_threads();
	if (argc > 1 && *argv[1]) {
		snprintf(fftw_file, sizeof fftw_file, "%s/fftw", argv[1]);
		snprintf(fftwf_file, sizeof fftwf_file, "%s/fftwf", argv[1]);
		fftw_import_wisdom_from_filename(fftw_file);   /* there may be none yet */
		fftwf_import_wisdom_from_filename(fftwf_file);
	}
	while (fgets(line, sizeof line, stdin)) {
		int threads, batch, rank, dim[4], used, reps;
		if (sscanf(line, "plan %7s %7s %d %d %d%n", type, kind, &threads, &batch, &rank, &used) == 5 && rank <= 4) {
			for (int i = 0, u; i < rank; i++, used += u)
				if (sscanf(line + used, "%d%n", &dim[i], &u) != 1)
					return 2;
			int real = !strcmp(kind, "r2c");
			printf("%.9g\n", strcmp(type, "f32") ? fftw_make(real, threads, batch, rank, dim) : fftwf_make(real, threads, batch, rank, dim));
		} else if (sscanf(line, "sample %d", &reps) == 1 && run) {
			printf("%.9g\n", sample(reps));
		} else {
			return 2;
		}
		fflush(stdout);
	}
	return 0;
}
