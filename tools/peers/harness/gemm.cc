// Matrix products by the libraries that a user would pick instead, driven over
// standard input:
//
//	setup TYPE M N K   makes operands; answers "ok WHAT" or "no REASON"
//	sample REPS        computes C = A*B so often; answers with the seconds, of
//	                   which a quarter as many products before are no part
//
// argv: openblas|blis|onednn THREADS. TYPE is f32 f64 c64 c128 bf16 u8 i8; the
// last three are bf16*bf16 -> f32, u8*i8 -> i32, i8*i8 -> i32. All operands are
// row-major, on huge pages where the kernel has them.
#include <dlfcn.h>
#include <sys/mman.h>
#include <time.h>
#include <algorithm>
#include <complex>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include "dnnl.hpp"

// One thread is timed by its processor time, which other load disturbs least;
// several by wall time.
static clockid_t watch = CLOCK_MONOTONIC;
static double now() { timespec t; clock_gettime(watch, &t); return t.tv_sec + 1e-9 * t.tv_nsec; }

// Operands are kept until the next setup.
static std::vector<std::pair<void *, size_t>> maps;

static void *room(size_t n) {
    const size_t huge = 2 << 20;
    n = (n + huge - 1) / huge * huge + huge;
    void *p = mmap(nullptr, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) { perror("mmap"); exit(1); }
    madvise(p, n, MADV_HUGEPAGE); // a kernel without is slower, not wrong
    maps.push_back({p, n});
    return (void *)(((uintptr_t)p + huge - 1) / huge * huge);
}

template <class T> static T *numbers(size_t n) {
    T *p = (T *)room(n * sizeof(T));
    for (size_t i = 0; i < n; i++) p[i] = T((double)(i * 7919 % 2001) / 1000 - 1);
    return p;
}

typedef void (*sgemm)(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *, int);
typedef void (*dgemm)(int, int, int, int, int, int, double, const double *, int, const double *, int, double, double *, int);
typedef void (*xgemm)(int, int, int, int, int, int, const void *, const void *, int, const void *, int, const void *, void *, int);
static sgemm csgemm; static dgemm cdgemm; static xgemm ccgemm, czgemm;

typedef std::function<void()> call;

static call blas(const std::string &type, int m, int n, int k) {
    size_t a = (size_t)m * k, b = (size_t)k * n, c = (size_t)m * n;
    if (type == "f32") {
        auto x = numbers<float>(a), y = numbers<float>(b), z = numbers<float>(c);
        return [=] { csgemm(101, 111, 111, m, n, k, 1, x, k, y, n, 0, z, n); };
    }
    if (type == "f64") {
        auto x = numbers<double>(a), y = numbers<double>(b), z = numbers<double>(c);
        return [=] { cdgemm(101, 111, 111, m, n, k, 1, x, k, y, n, 0, z, n); };
    }
    if (type == "c64") {
        typedef std::complex<float> t;
        auto x = numbers<t>(a), y = numbers<t>(b), z = numbers<t>(c);
        return [=] { t one = 1, zero = 0; ccgemm(101, 111, 111, m, n, k, &one, x, k, y, n, &zero, z, n); };
    }
    if (type == "c128") {
        typedef std::complex<double> t;
        auto x = numbers<t>(a), y = numbers<t>(b), z = numbers<t>(c);
        return [=] { t one = 1, zero = 0; czgemm(101, 111, 111, m, n, k, &one, x, k, y, n, &zero, z, n); };
    }
    return nullptr;
}

static double best(const call &f) {
    f();
    double t = 1e9;
    for (int i = 0; i < 2; i++) { double u = now(); f(); t = std::min(t, now() - u); }
    return t;
}

// oneDNN's matmul primitive on plain row-major operands: none is packed beforehand.
static call matmul(dnnl::memory::data_type ta, dnnl::memory::data_type tb, dnnl::memory::data_type tc, size_t sa, int m, int n, int k) {
    using namespace dnnl;
    static engine e(engine::kind::cpu, 0);
    static stream s(e);
    auto ab = memory::format_tag::ab;
    memory::desc da({m, k}, ta, ab), db({k, n}, tb, ab), dc({m, n}, tc, ab);
    auto fill = [&](size_t n) -> void * {
        if (sa == 4) return numbers<float>(n);
        if (sa == 1) { auto p = (uint8_t *)room(n); for (size_t i = 0; i < n; i++) p[i] = i * 7919 % 100; return p; }
        auto p = (uint16_t *)room(2 * n);
        for (size_t i = 0; i < n; i++) { float f = (float)(i * 7919 % 2001) / 1000 - 1; uint32_t w; memcpy(&w, &f, 4); p[i] = w >> 16; }
        return p;
    };
    auto A = std::make_shared<memory>(da, e, fill((size_t)m * k)), B = std::make_shared<memory>(db, e, fill((size_t)k * n));
    auto C = std::make_shared<memory>(dc, e, room((size_t)m * n * 4));
    auto p = std::make_shared<dnnl::matmul>(dnnl::matmul::primitive_desc(dnnl::matmul::desc(da, db, dc), e));
    return [=] { p->execute(s, {{DNNL_ARG_SRC, *A}, {DNNL_ARG_WEIGHTS, *B}, {DNNL_ARG_DST, *C}}); s.wait(); };
}

static call onednn(const std::string &type, int m, int n, int k, std::string &what) {
    typedef dnnl::memory::data_type dt;
    what = "matmul";
    if (type == "bf16") return matmul(dt::bf16, dt::bf16, dt::f32, 2, m, n, k);
    if (type == "u8") return matmul(dt::u8, dt::s8, dt::s32, 1, m, n, k);
    if (type == "i8") return matmul(dt::s8, dt::s8, dt::s32, 1, m, n, k);
    if (type != "f32") return nullptr;
    call one = matmul(dt::f32, dt::f32, dt::f32, 4, m, n, k);
    auto x = numbers<float>((size_t)m * k), y = numbers<float>((size_t)k * n), z = numbers<float>((size_t)m * n);
    call two = [=] { dnnl_sgemm('N', 'N', m, n, k, 1, x, k, y, n, 0, z, n); };
    if (best(one) <= best(two)) return one;
    what = "sgemm";
    return two;
}

static void *library(const char *name) {
    void *h = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!h) { fprintf(stderr, "%s\n", dlerror()); exit(1); }
    return h;
}

static void load(const std::string &lib, int threads) {
    void *h = lib == "openblas" ? library("libopenblas.so.0") : lib == "blis" ? library("libblis.so.4") : library("libgomp.so.1");
    if (lib == "onednn") { ((void (*)(int))dlsym(h, "omp_set_num_threads"))(threads); return; }
    csgemm = (sgemm)dlsym(h, "cblas_sgemm"); cdgemm = (dgemm)dlsym(h, "cblas_dgemm");
    ccgemm = (xgemm)dlsym(h, "cblas_cgemm"); czgemm = (xgemm)dlsym(h, "cblas_zgemm");
    if (lib == "openblas") ((void (*)(int))dlsym(h, "openblas_set_num_threads"))(threads);
    else ((void (*)(long))dlsym(h, "bli_thread_set_num_threads"))(threads);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    std::string lib = argv[1], line;
    load(lib, atoi(argv[2]));
    if (atoi(argv[2]) == 1) watch = CLOCK_THREAD_CPUTIME_ID;
    call f;
    while (std::getline(std::cin, line)) {
        std::istringstream in(line);
        std::string verb, type;
        in >> verb;
        if (verb == "setup") {
            int m, n, k;
            in >> type >> m >> n >> k;
            f = nullptr;
            for (auto &p : maps) munmap(p.first, p.second);
            maps.clear();
            std::string what = "cblas", why = "no " + type;
            try { f = lib == "onednn" ? onednn(type, m, n, k, what) : blas(type, m, n, k); }
            catch (std::exception &x) { why = x.what(); }
            std::cout << (f ? "ok " + what : "no " + why) << std::endl;
            if (f) f();
        } else {
            long reps = 1;
            in >> reps;
            for (long i = 0; i < reps / 4; i++) f();
            double t = now();
            for (long i = 0; i < reps; i++) f();
            std::cout << now() - t << std::endl;
        }
    }
}
