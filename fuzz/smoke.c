/*
 * Runs a fuzz target without libFuzzer: on its seeds, then on mutations of them that depend on
 * their number alone, so that a failure is found again.  An input that ends the process is left in
 * the file crash-NAME in the current directory.
 *
 *     TARGET_smoke SEED_DIR MUTATIONS        the test
 *     TARGET_smoke --run FILE ...            the given inputs
 *     TARGET_smoke --seeds SEED_DIR OUT_DIR  writes all seeds as files, for libFuzzer
 */
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SEEDS_MAX = 500, INPUT_MAX_BYTES = 1 << 16, CHANGES_MAX = 8 };

typedef struct seeds {
    size_t count;
    cm_buf seed[SEEDS_MAX];
} seeds;

/* ---- what runs, for the handler of its death ----------------------------------------------- */

static struct {
    char path[256];
    const uint8_t *data;
    size_t bytes;
} running;

static void on_death(int number)
{
    int fd = open(running.path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd >= 0) {
        ssize_t written = write(fd, running.data, running.bytes);
        (void)written;
        (void)close(fd);
    }
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static void watch(const char *program)
{
    static const int deadly[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTERM};
    const char *name = strrchr(program, '/');

    (void)snprintf(running.path, sizeof running.path, "crash-%s",
                   name != NULL ? name + 1 : program);
    for (size_t i = 0; i < CM_COUNT(deadly); i++) {
        (void)signal(deadly[i], on_death);
    }
}

/* A copy of exact size on the heap, as libFuzzer gives one: reading past it is noticed. */
static void run(const uint8_t *data, size_t bytes)
{
    uint8_t *input = malloc(bytes > 0 ? bytes : 1);

    CM_ASSERT(input != NULL);
    if (bytes > 0) {
        memcpy(input, data, bytes);
    }
    running.data = input;
    running.bytes = bytes;
    (void)LLVMFuzzerTestOneInput(input, bytes);
    running.bytes = 0;
    free(input);
}

/* ---- seeds ---------------------------------------------------------------------------------- */

static bool read_file(const char *path, cm_buf *out)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return false;
    }
    char piece[4096];
    for (size_t got; (got = fread(piece, 1, sizeof piece, file)) > 0;) {
        cm_buf_put(out, piece, got);
    }
    (void)fclose(file);
    return !out->failed;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void load_seeds(const char *dir, seeds *all)
{
    struct dirent **entry = NULL;
    int entries = scandir(dir, &entry, NULL, by_name);

    for (int i = 0; i < entries; i++) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/%s", dir, entry[i]->d_name);
        if (entry[i]->d_name[0] != '.' && all->count < SEEDS_MAX &&
            read_file(path, &all->seed[all->count])) {
            all->count++;
        }
        free(entry[i]);
    }
    free(entry);
    for (unsigned n = 0; all->count < SEEDS_MAX && cm_fuzz_seed(n, &all->seed[all->count]); n++) {
        all->count++;
    }
    CM_ASSERT(all->count > 0);
}

static void free_seeds(seeds *all)
{
    for (size_t i = 0; i < all->count; i++) {
        cm_buf_free(&all->seed[i]);
    }
}

static int write_seeds(const seeds *all, const char *dir)
{
    for (size_t i = 0; i < all->count; i++) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/seed-%03zu", dir, i);
        FILE *file = fopen(path, "wb");
        if (file == NULL ||
            (all->seed[i].bytes > 0 &&
             fwrite(all->seed[i].data, all->seed[i].bytes, 1, file) != 1) ||
            fclose(file) != 0) {
            perror(path);
            return 1;
        }
    }
    return 0;
}

/* ---- mutations ------------------------------------------------------------------------------ */

typedef struct mutation {
    uint64_t random; /* splitmix64 */
    uint8_t data[INPUT_MAX_BYTES];
    size_t bytes;
} mutation;

static size_t below(mutation *m, size_t bound)
{
    uint64_t z = (m->random += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return bound == 0 ? 0 : (z ^ (z >> 31)) % bound;
}

/* Opens a gap at `at` and copies a piece into it; the end falls off when there is no room. */
static void insert(mutation *m, size_t at, const uint8_t *piece, size_t bytes)
{
    uint8_t copy[256];

    bytes = bytes < sizeof copy ? bytes : sizeof copy;
    if (bytes > INPUT_MAX_BYTES - m->bytes) {
        return;
    }
    memcpy(copy, piece, bytes); /* it may lie in m->data itself */
    memmove(m->data + at + bytes, m->data + at, m->bytes - at);
    memcpy(m->data + at, copy, bytes);
    m->bytes += bytes;
}

static void change_bytes(mutation *m, size_t at)
{
    static const uint8_t telling[] = {0, 1, 0x20, '\'', '"', '(', ',', ';', 0x7f, 0x80, 0xc0, 0xff};
    size_t left = m->bytes - at;

    switch (below(m, 3)) {
    case 0:
        m->data[at] ^= (uint8_t)(1U << below(m, 8));
        break;
    case 1:
        m->data[at] = telling[below(m, sizeof telling)];
        break;
    default: /* a number that is too large, or too small by one */
        memset(m->data + at, below(m, 2) != 0 ? 0xff : 0, left < 4 ? left : 4);
        break;
    }
}

static void change(mutation *m, const seeds *all)
{
    if (m->bytes == 0) {
        static const uint8_t zero = 0;
        insert(m, 0, &zero, 1);
    }
    size_t at = below(m, m->bytes), left = m->bytes - at, piece = below(m, left) + 1;

    switch (below(m, 8)) {
    case 0: /* cut off */
        m->bytes = at;
        break;
    case 1: /* take out */
        memmove(m->data + at, m->data + at + piece, left - piece);
        m->bytes -= piece;
        break;
    case 2: /* repeat */
        insert(m, at, m->data + at, piece);
        break;
    case 3: { /* from another seed */
        const cm_buf *other = &all->seed[below(m, all->count)];
        size_t from = below(m, other->bytes);
        if (other->bytes > 0) {
            insert(m, at, other->data + from, below(m, other->bytes - from) + 1);
        }
        break;
    }
    default:
        change_bytes(m, at);
        break;
    }
}

static void run_mutation(mutation *m, const seeds *all, uint64_t number)
{
    m->random = number;
    const cm_buf *seed = &all->seed[below(m, all->count)];
    m->bytes = seed->bytes < INPUT_MAX_BYTES ? seed->bytes : INPUT_MAX_BYTES;
    if (m->bytes > 0) {
        memcpy(m->data, seed->data, m->bytes);
    }
    for (size_t changes = below(m, CHANGES_MAX) + 1; changes > 0; changes--) {
        change(m, all);
    }
    run(m->data, m->bytes);
}

/* ---- main ------------------------------------------------------------------------------------ */

static int run_files(char **path, int count)
{
    for (int i = 0; i < count; i++) {
        cm_buf input = {0};
        if (!read_file(path[i], &input)) {
            perror(path[i]);
            return 1;
        }
        run(input.data, input.bytes);
        cm_buf_free(&input);
    }
    return 0;
}

int main(int argc, char **argv)
{
    static seeds all;
    static mutation m;
    int result = 0;

    if (argc < 3) {
        fprintf(stderr, "usage: %s SEED_DIR MUTATIONS | --run FILE ... | --seeds SEED_DIR OUT\n",
                argv[0]);
        return 2;
    }
    watch(argv[0]);
    if (strcmp(argv[1], "--run") == 0) {
        return run_files(argv + 2, argc - 2);
    }
    bool write = strcmp(argv[1], "--seeds") == 0 && argc == 4;
    load_seeds(write ? argv[2] : argv[1], &all);
    if (write) {
        result = write_seeds(&all, argv[3]);
    } else {
        for (size_t i = 0; i < all.count; i++) {
            run(all.seed[i].data, all.seed[i].bytes);
        }
        uint64_t mutations = strtoull(argv[2], NULL, 10);
        for (uint64_t number = 0; number < mutations; number++) {
            run_mutation(&m, &all, number);
        }
    }
    free_seeds(&all);
    return result;
}
