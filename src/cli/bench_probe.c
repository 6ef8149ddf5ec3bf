/*
 * What the machine can do, measured by the processes that just measured an operation: all parties
 * at once, on the same links.  Every rate is an average over a window, not a best case, since the
 * operation was not given the best moments either.
 */
#include "cli/bench.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "crypto/prg.h"
#include "share/kern.h"

enum {
    LARGE_BYTES = 1 << 20, /* a message: the fastest size on loopback */
    LARGE_COUNT = 8,       /* in a step */
    SMALL_BYTES = 8,
    ROUNDS_A_BATCH = 16,
    CHUNK_WORDS = 2048,     /* of each vector: all of them stay in L2 */
    STREAM_WORDS = 1 << 20, /* these do not */
    LINK_WINDOW_NS = 60000000,
    CPU_WINDOW_NS = 15000000,
    LINK_STEPS_MIN = 2,
};

/* Vectors that a kernel works on, and two generators. */
typedef struct bench_desk {
    const cm_kernels *kernels;
    cm_prg prg[2];
    uint64_t *vec[7];
} bench_desk;

typedef void step_fn(cm_mesh *mesh, uint8_t *data);
typedef void chunk_fn(bench_desk *desk);

/* ---- links -------------------------------------------------------------------------------- */

static void put(cm_mesh *mesh, unsigned to, const uint8_t *data, size_t bytes)
{
    if (cm_mesh_send(mesh, to, data, bytes) != CM_OK) {
        cm_bench_mesh_failed(mesh, "probing the links");
    }
}

static void get(cm_mesh *mesh, unsigned from, uint8_t *data, size_t bytes)
{
    if (cm_mesh_recv(mesh, from, data, bytes) != CM_OK) {
        cm_bench_mesh_failed(mesh, "probing the links");
    }
}

/* One message is always under way while another one is waited for. */
static void rotate_large(cm_mesh *mesh, uint8_t *data)
{
    unsigned me = cm_mesh_me(mesh);
    unsigned to = (me + CM_BENCH_PARTIES - 1) % CM_BENCH_PARTIES;
    unsigned from = (me + 1) % CM_BENCH_PARTIES;
    put(mesh, to, data, LARGE_BYTES);
    for (unsigned i = 1; i < LARGE_COUNT; i++) {
        put(mesh, to, data, LARGE_BYTES);
        get(mesh, from, data + LARGE_BYTES, LARGE_BYTES);
    }
    get(mesh, from, data + LARGE_BYTES, LARGE_BYTES);
}

static void rotate_small(cm_mesh *mesh, uint8_t *data)
{
    unsigned me = cm_mesh_me(mesh);
    for (unsigned i = 0; i < ROUNDS_A_BATCH; i++) {
        put(mesh, (me + CM_BENCH_PARTIES - 1) % CM_BENCH_PARTIES, data, SMALL_BYTES);
        get(mesh, (me + 1) % CM_BENCH_PARTIES, data, SMALL_BYTES);
    }
}

/* Party 0 to party 1, and a word back. */
static void send_alone(cm_mesh *mesh, uint8_t *data)
{
    unsigned me = cm_mesh_me(mesh);
    for (unsigned i = 0; me < 2 && i < LARGE_COUNT; i++) {
        if (me == 0) {
            put(mesh, 1, data, LARGE_BYTES);
        } else {
            get(mesh, 0, data, LARGE_BYTES);
        }
    }
    if (me == 0) {
        get(mesh, 1, data, SMALL_BYTES);
    } else if (me == 1) {
        put(mesh, 0, data, SMALL_BYTES);
    }
}

/* Seconds of a step after one that does not count; all parties take equally many. */
static double time_steps(cm_mesh *mesh, step_fn *step, uint8_t *data)
{
    int64_t took_ns = 0;
    step(mesh, data);
    for (unsigned steps = 1;; steps++) {
        (void)cm_bench_barrier(mesh, true);
        int64_t start_ns = cm_clock_ns();
        step(mesh, data);
        took_ns += cm_clock_ns() - start_ns;
        if (!cm_bench_barrier(mesh, steps < LINK_STEPS_MIN || took_ns < LINK_WINDOW_NS)) {
            return (double)took_ns * 1e-9 / steps;
        }
    }
}

/* ---- processors --------------------------------------------------------------------------- */

static void fill_chunk(bench_desk *desk)
{
    cm_prg_fill(&desk->prg[0], desk->vec[0], CHUNK_WORDS * sizeof *desk->vec[0]);
    cm_prg_fill(&desk->prg[1], desk->vec[1], CHUNK_WORDS * sizeof *desk->vec[1]);
}

static cm_cross cross_of(const bench_desk *desk)
{
    return (cm_cross){
        .x0 = desk->vec[3], .x1 = desk->vec[4], .y0 = desk->vec[5], .y1 = desk->vec[6]};
}

static void and_chunk(bench_desk *desk)
{
    desk->kernels->and_cross(desk->vec[2], cross_of(desk), CHUNK_WORDS);
}

static void multiply_chunk(bench_desk *desk)
{
    desk->kernels->mul_cross(desk->vec[2], cross_of(desk), CHUNK_WORDS);
}

static void stream(bench_desk *desk)
{
    desk->kernels->xor (desk->vec[0], desk->vec[1], desk->vec[2], STREAM_WORDS);
}

/* Calls a second, while all parties do the same on the processors that there are. */
static double rate_of(cm_mesh *mesh, chunk_fn *chunk, bench_desk *desk)
{
    double calls = 0;
    chunk(desk);
    (void)cm_bench_barrier(mesh, true);
    int64_t start_ns = cm_clock_ns();
    int64_t now_ns = start_ns;
    for (; now_ns - start_ns < CPU_WINDOW_NS; now_ns = cm_clock_ns()) {
        chunk(desk);
        calls++;
    }
    return calls / ((double)(now_ns - start_ns) * 1e-9);
}

static double lesser(double a, double b)
{
    return a < b ? a : b;
}

static void probe_processor(cm_mesh *mesh, cm_bench_machine *ret, cm_arena scratch)
{
    static const cm_key KEY = {{0}}; /* what it encrypts is thrown away */
    const cm_cpu cpu = cm_cpu_detect();
    bench_desk desk = {.kernels = cm_kernels_best()};
    for (unsigned i = 0; i < CM_COUNT(desk.vec); i++) {
        desk.vec[i] = CM_NEW(&scratch, uint64_t, STREAM_WORDS);
    }
    cm_prg_init(&desk.prg[0], &KEY, 0, &cpu);
    cm_prg_init(&desk.prg[1], &KEY, 1, &cpu);
    double fills = rate_of(mesh, fill_chunk, &desk);
    double ands = rate_of(mesh, and_chunk, &desk);
    double products = rate_of(mesh, multiply_chunk, &desk);
    ret->prg = fills * 2 * CHUNK_WORDS * sizeof(uint64_t);
    ret->ands = lesser(fills, ands) * CHUNK_WORDS * 64;
    ret->product = lesser(fills, products) * CHUNK_WORDS;
    ret->memory = rate_of(mesh, stream, &desk) * 3 * STREAM_WORDS * sizeof(uint64_t);
}

cm_bench_machine cm_bench_probe(cm_mesh *mesh)
{
    cm_bench_machine ret = {0};
    cm_arena scratch;
    if (cm_arena_init(&scratch, 8 * STREAM_WORDS * sizeof(uint64_t)) != CM_OK) {
        perror("comity bench");
        _exit(1);
    }
    cm_arena memory = scratch;
    uint8_t *data = CM_NEW(&scratch, uint8_t, 2 * (size_t)LARGE_BYTES);
    ret.rotate = LARGE_COUNT * LARGE_BYTES / time_steps(mesh, rotate_large, data);
    ret.round = time_steps(mesh, rotate_small, data) / ROUNDS_A_BATCH;
    ret.alone = LARGE_COUNT * LARGE_BYTES / time_steps(mesh, send_alone, data);
    ret.alone = cm_mesh_me(mesh) == 0 ? ret.alone : 0;
    probe_processor(mesh, &ret, scratch);
    cm_arena_fini(&memory);
    return ret;
}
