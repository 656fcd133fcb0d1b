/* A client in C with nothing but the C library: what a program may do with
 * buffers and with run. client STEP DIRECTORY; the exit status is 0 if all
 * went as it should. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define CHECK(what)                                                                             \
	do {                                                                                    \
		if (!(what)) {                                                                  \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #what, strerror(errno)); \
			exit(1);                                                                \
		}                                                                               \
	} while (0)

static void command(const char *line)
{
	int fd = open("run", O_WRONLY);
	CHECK(fd >= 0);
	CHECK(write(fd, line, strlen(line)) == (ssize_t)strlen(line));
	CHECK(close(fd) == 0);
}

static void answer(const char *line, const char *want)
{
	char got[256];
	int fd = open("run", O_RDWR);
	CHECK(fd >= 0);
	CHECK(write(fd, line, strlen(line)) == (ssize_t)strlen(line));
	ssize_t n = read(fd, got, sizeof got - 1);
	CHECK(n > 0);
	got[n] = 0;
	if (strcmp(got, want) != 0) {
		fprintf(stderr, "%s: %s, want %s\n", line, got, want);
		exit(1);
	}
	CHECK(read(fd, got, sizeof got) == 0);
	CHECK(close(fd) == 0);
}

/* One write of several lines: the answers come in their order. */
static void step_answers(void)
{
	command("fill a.bin:f32:8 value=1.5\n");
	answer("sum a.bin:f32:8\nmax a.bin:f32:8 # the greatest\n", "12.0\n1.5\n");
}

/* pread and pwrite, vectors, seeking, O_APPEND, holes. */
static void step_io(void)
{
	char got[64];
	int fd = open("buffers/io", O_RDWR | O_CREAT | O_EXCL, 0644);
	CHECK(fd >= 0);
	CHECK(open("buffers/io", O_RDWR | O_CREAT | O_EXCL, 0644) < 0 && errno == EEXIST);
	CHECK(write(fd, "0123456789", 10) == 10);
	CHECK(pwrite(fd, "AB", 2, 4) == 2);
	CHECK(pread(fd, got, sizeof got, 2) == 8 && memcmp(got, "23AB6789", 8) == 0);
	CHECK(pread(fd, got, sizeof got, 10) == 0);
	CHECK(lseek(fd, -3, SEEK_END) == 7);
	CHECK(read(fd, got, 2) == 2 && memcmp(got, "78", 2) == 0);
	CHECK(lseek(fd, 0, SEEK_CUR) == 9);
	struct iovec out[2] = {{"xx", 2}, {"yyy", 3}};
	CHECK(pwritev(fd, out, 2, 20) == 5);
	struct stat st;
	CHECK(fstat(fd, &st) == 0 && st.st_size == 25 && S_ISREG(st.st_mode));
	CHECK(pread(fd, got, 25, 0) == 25 && memcmp(got + 10, "\0\0\0\0\0\0\0\0\0\0xxyyy", 15) == 0);
	CHECK(ftruncate(fd, 5) == 0 && fstat(fd, &st) == 0 && st.st_size == 5);
	CHECK(fsync(fd) == 0 && fdatasync(fd) == 0);
	int app = open("buffers/io", O_WRONLY | O_APPEND);
	CHECK(app >= 0);
	CHECK(write(app, "end", 3) == 3);
	CHECK(pwrite(fd, "!", 1, 8) == 1);
	CHECK(write(app, "more", 4) == 4);
	CHECK(pread(fd, got, sizeof got, 0) == 13 && memcmp(got, "0123Aend!more", 13) == 0);
	CHECK(close(app) == 0);
	CHECK(posix_fallocate(fd, 0, 100000) == 0 && fstat(fd, &st) == 0 && st.st_size == 100000);
	CHECK(st.st_blocks >= 100000 / 512);
	CHECK(unlink("buffers/io") == 0);
	CHECK(pread(fd, got, 5, 0) == 5 && fstat(fd, &st) == 0 && st.st_nlink == 0);
	CHECK(close(fd) == 0);
}

static void step_copy(void)
{
	command("random from.bin:u8:1000000 seed=3\n");
	int in = open("buffers/from.bin", O_RDONLY), out = open("buffers/to.bin", O_WRONLY | O_CREAT | O_TRUNC, 0644);
	CHECK(in >= 0 && out >= 0);
	ssize_t n;
	off_t total = 0;
	while ((n = copy_file_range(in, NULL, out, NULL, 300000, 0)) > 0)
		total += n;
	CHECK(n == 0 && total == 1000000);
	CHECK(close(in) == 0 && close(out) == 0);
	command("map \"d = a != b\" a=from.bin:u8 b=to.bin:u8 d=d.bin\n");
	answer("count_nonzero d.bin:u8\n", "0\n");
}

/* A shared mapping that a kernel reads from and writes to. */
static void step_mmap(void)
{
	enum { N = 1 << 18 };
	command("fill x.bin:f32:262144 value=1\nfill y.bin:f32:262144\n");
	int fx = open("buffers/x.bin", O_RDWR), fy = open("buffers/y.bin", O_RDWR);
	CHECK(fx >= 0 && fy >= 0);
	float *x = mmap(NULL, N * sizeof *x, PROT_READ | PROT_WRITE, MAP_SHARED, fx, 0);
	float *y = mmap(NULL, N * sizeof *y, PROT_READ | PROT_WRITE, MAP_SHARED, fy, 0);
	CHECK(x != MAP_FAILED && y != MAP_FAILED);
	for (int i = 0; i < N; i++)
		x[i] = (float)i;
	command("map \"y = 2*x + 1\" x=x.bin:f32 y=y.bin:f32:262144\n");
	for (int i = 0; i < N; i++)
		CHECK(y[i] == 2 * (float)i + 1);
	/* And back: what the kernel wrote, changed here, read by the next. */
	memset(y, 0, N * sizeof *y);
	y[N - 1] = 42;
	CHECK(msync(y, N * sizeof *y, MS_SYNC) == 0);
	answer("sum y.bin:f32\n", "42.0\n");
	/* A file that is made, sized and mapped, as numpy's w+ does it. */
	int fz = open("buffers/z.bin", O_RDWR | O_CREAT | O_TRUNC, 0644);
	CHECK(fz >= 0 && ftruncate(fz, 4096) == 0);
	int32_t *z = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fz, 0);
	CHECK(z != MAP_FAILED);
	CHECK(close(fz) == 0);
	for (int i = 0; i < 1024; i++)
		z[i] = i;
	answer("sum z.bin:i32\n", "523776\n");
	CHECK(munmap(x, N * sizeof *x) == 0 && munmap(y, N * sizeof *y) == 0 && munmap(z, 4096) == 0);
	CHECK(close(fx) == 0 && close(fy) == 0);
}

/* Without passthrough a shared mapping is refused, and a private one works. */
static void step_nommap(void)
{
	command("fill x.bin:f32:1024 value=1\n");
	int fd = open("buffers/x.bin", O_RDWR);
	CHECK(fd >= 0);
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == ENODEV);
	float *x = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(x != MAP_FAILED && x[0] == 1 && x[1023] == 1);
	CHECK(close(fd) == 0);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC);
	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
}

static void *patient_writer(void *none)
{
	int w = open("queues/full/ctl", O_WRONLY);
	CHECK(w >= 0 && write(w, "nop\nnop\n", 8) == 8 && close(w) == 0);
	return none;
}

/* A full queue: EAGAIN on a handle that does not block; one that does waits. */
static void step_full(void)
{
	CHECK(mkdir("queues/full", 0755) == 0);
	put("queues/full/depth", "2\n");
	put("queues/full/paused", "1\n");
	int fd = open("queues/full/ctl", O_WRONLY | O_NONBLOCK);
	CHECK(fd >= 0 && write(fd, "nop\nnop\n", 8) == 8);
	CHECK(write(fd, "nop\n", 4) == -1 && errno == EAGAIN);
	CHECK(write(fd, "n", 1) == 1);
	CHECK(write(fd, "op\n", 3) == -1 && errno == EAGAIN);
	pthread_t writer; /* not a child, whose end would flush our copy of fd */
	CHECK(pthread_create(&writer, NULL, patient_writer, NULL) == 0);
	CHECK(pthread_tryjoin_np(writer, NULL) == EBUSY);
	put("queues/full/paused", "0\n");
	CHECK(pthread_join(writer, NULL) == 0);
	/* The same bytes again, now that there is room: the line is whole. */
	int again;
	while ((again = write(fd, "op\n", 3)) == -1)
		CHECK(errno == EAGAIN);
	CHECK(again == 3 && fsync(fd) == 0 && close(fd) == 0);
	char text[4096];
	int st = open("queues/full/status", O_RDONLY);
	ssize_t n = read(st, text, sizeof text - 1);
	CHECK(n > 0);
	text[n] = 0;
	CHECK(strstr(text, "\naccepted 5\n") != NULL && strstr(text, "\ndone 5\n") != NULL);
	CHECK(close(st) == 0 && rmdir("queues/full") == 0);
}

static void nothing(int sig) { (void)sig; }

static void handle(int sig)
{
	struct sigaction sa = {.sa_handler = nothing}; /* no SA_RESTART */
	CHECK(sigaction(sig, &sa, NULL) == 0);
}

static pthread_t target;
static volatile int stop;

/* bother sends a signal to the thread that waits, again and again. */
static void *bother(void *sig)
{
	while (!stop) {
		pthread_kill(target, *(int *)sig);
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	}
	return NULL;
}

static void under(int sig, void (*f)(void))
{
	pthread_t t;
	handle(sig);
	target = pthread_self();
	stop = 0;
	CHECK(pthread_create(&t, NULL, bother, &sig) == 0);
	f();
	stop = 1;
	CHECK(pthread_join(t, NULL) == 0);
}

/* thief has its process get a signal, which interrupts the thread that waits,
 * and takes it before that thread can. */
static void *thief(void *none)
{
	while (!stop) {
		kill(getpid(), SIGCHLD);
		pthread_kill(pthread_self(), SIGURG); /* on the way back all signals are taken */
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	}
	return none;
}

static void robbed(void (*f)(void))
{
	pthread_t t;
	handle(SIGCHLD);
	handle(SIGURG);
	stop = 0;
	CHECK(pthread_create(&t, NULL, thief, NULL) == 0);
	f();
	stop = 1;
	CHECK(pthread_join(t, NULL) == 0);
}

static void long_command(void) { command("spin seconds=0.2\n"); }

static void interrupted_wait(void)
{
	char b[16];
	int fd = open("queues/stuck/wait", O_RDONLY);
	CHECK(fd >= 0);
	CHECK(read(fd, b, sizeof b) == -1 && errno == EINTR);
	CHECK(close(fd) == 0);
}

static void interrupted_run(void)
{
	int fd = open("run", O_WRONLY);
	CHECK(fd >= 0);
	CHECK(write(fd, "spin seconds=600\n", 17) == -1 && errno == EINTR);
	CHECK(close(fd) == 0);
}

/* Signals: those that a program gets without anybody wanting its call to end
 * do not end it, others do. */
static void step_signals(void)
{
	under(SIGURG, long_command);
	under(SIGCHLD, long_command);
	under(SIGWINCH, long_command);
	robbed(long_command);
	CHECK(mkdir("queues/stuck", 0755) == 0);
	put("queues/stuck/paused", "1\n");
	put("queues/stuck/ctl", "nop\n");
	under(SIGALRM, interrupted_wait);
	under(SIGUSR1, interrupted_wait);
	under(SIGINT, interrupted_run);
	under(SIGTERM, interrupted_run);
	CHECK(rmdir("queues/stuck") == 0);
	command("nop\n");
}

/* stdio, as most programs write. */
static void step_stdio(void)
{
	FILE *f = fopen("run", "w");
	CHECK(f != NULL);
	CHECK(fprintf(f, "fill s.bin:u8:%d value=1\n", 100) > 0);
	CHECK(fprintf(f, "copy s.bin:u8 s2.bin\n") > 0);
	CHECK(fclose(f) == 0);
	f = fopen("buffers/s2.bin", "r");
	CHECK(f != NULL);
	int c, n = 0;
	while ((c = getc(f)) != EOF) {
		CHECK(c == 1);
		n++;
	}
	CHECK(n == 100 && fclose(f) == 0);
	f = fopen("run", "w");
	CHECK(f != NULL && fprintf(f, "bogus\n") > 0);
	CHECK(fclose(f) == EOF && errno == EINVAL);
	f = fopen("run", "r+");
	CHECK(f != NULL);
	CHECK(fputs("sum s2.bin:u8\n", f) >= 0 && fflush(f) == 0);
	char line[64];
	CHECK(fgets(line, sizeof line, f) != NULL && strcmp(line, "100\n") == 0);
	CHECK(fclose(f) == 0);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*f)(void);
	} steps[] = {
		{"answers", step_answers}, {"io", step_io}, {"copy", step_copy}, {"mmap", step_mmap}, {"nommap", step_nommap},
		{"full", step_full}, {"signals", step_signals}, {"stdio", step_stdio},
	};
	CHECK(argc == 3 && chdir(argv[2]) == 0);
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		if (strcmp(argv[1], steps[i].name) == 0) {
			steps[i].f();
			return 0;
		}
	fprintf(stderr, "no step is called %s\n", argv[1]);
	return 2;
}
