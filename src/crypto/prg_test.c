#include "crypto/prg_int.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const cm_cpu PORTABLE = {0};

typedef struct kernels {
    const char *name[4];
    cm_prg_blocks_fn *fn[4];
    size_t count;
} kernels;

/* Those that this processor can run; the portable one is always first. */
static kernels usable(void)
{
    cm_cpu cpu = cm_cpu_detect();
    kernels k = {.name = {"portable"}, .fn = {cm_prg_blocks_portable}, .count = 1};
    if (cm_prg_aesni_get(&cpu) != NULL) {
        k.name[k.count] = "aesni";
        k.fn[k.count++] = cm_prg_aesni_get(&cpu);
    }
    if (cm_prg_vaes_get(&cpu) != NULL) {
        k.name[k.count] = "vaes";
        k.fn[k.count++] = cm_prg_vaes_get(&cpu);
    }
    if (cm_prg_armv8_get(&cpu) != NULL) {
        k.name[k.count] = "armv8";
        k.fn[k.count++] = cm_prg_armv8_get(&cpu);
    }
    return k;
}

static void from_hex(const char *hex, uint8_t *out)
{
    for (size_t i = 0; hex[2 * i] != '\0'; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        out[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
}

/* The counter block is the plain text, so any published AES-128 vector is a test of a block. */
static void check_vector(const char *key_hex, uint64_t high, uint64_t low, const char *expected_hex)
{
    cm_key key;
    uint8_t round_keys[11][16], expected[64], got[64];
    size_t bytes = strlen(expected_hex) / 2;
    kernels k = usable();

    from_hex(key_hex, key.bytes);
    from_hex(expected_hex, expected);
    cm_aes128_expand(&key, round_keys);
    for (size_t i = 0; i < k.count; i++) {
        print_message("%s\n", k.name[i]);
        k.fn[i]((const uint8_t(*)[16])round_keys, high, low, got, bytes / 16);
        assert_memory_equal(got, expected, bytes);
    }
}

static void fips_197(void **state)
{
    (void)state;
    check_vector("000102030405060708090a0b0c0d0e0f", 0x0011223344556677, 0x8899aabbccddeeff,
                 "69c4e0d86a7b0430d8cdb78070b4c55a");
    check_vector("2b7e151628aed2a6abf7158809cf4f3c", 0x3243f6a8885a308d, 0x313198a2e0370734,
                 "3925841d02dc09fbdc118597196a0b32");
}

static void fips_197_key_expansion(void **state)
{
    (void)state;
    cm_key key;
    uint8_t round_keys[11][16], last[16];
    from_hex("2b7e151628aed2a6abf7158809cf4f3c", key.bytes);
    from_hex("d014f9a8c9ee2589e13f0cc8b6630ca6", last);
    cm_aes128_expand(&key, round_keys);
    assert_memory_equal(round_keys[10], last, 16);
}

/* NIST SP 800-38A, F.5.1: the output blocks of CTR-AES128. */
static void sp_800_38a_counter_mode(void **state)
{
    (void)state;
    check_vector("2b7e151628aed2a6abf7158809cf4f3c", 0xf0f1f2f3f4f5f6f7, 0xf8f9fafbfcfdfeff,
                 "ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae"
                 "6a2cc3787889374fbeb4c81b17ba6c44e89c399ff0f198c6d40a31db156cabfe");
}

/* Every implementation gives the portable one's bytes, for every length and alignment. */
static void implementations_agree(void **state)
{
    (void)state;
    enum { MAX_BLOCKS = 131 };
    cm_key key;
    uint8_t round_keys[11][16];
    uint8_t expected[16 * MAX_BLOCKS], got[16 * MAX_BLOCKS + 3];
    kernels k = usable();

    cm_random_bytes(&key, sizeof key);
    cm_aes128_expand(&key, round_keys);
    const uint8_t(*keys)[16] = (const uint8_t(*)[16])round_keys;
    for (size_t blocks = 0; blocks <= MAX_BLOCKS; blocks++) {
        uint64_t stream = blocks * 0x9e3779b97f4a7c15, block = (uint64_t)blocks << 30;
        cm_prg_blocks_portable(keys, stream, block, expected, blocks);
        for (size_t i = 1; i < k.count; i++) {
            memset(got, 0xcc, sizeof got);
            k.fn[i](keys, stream, block, got + 1, blocks);
            assert_memory_equal(got + 1, expected, 16 * blocks);
            assert_int_equal(got[0], 0xcc);
            assert_int_equal(got[16 * blocks + 1], 0xcc);
        }
    }
}

/* However a stream is cut at multiples of 16 bytes it is the same stream; a tail is used up. */
static void a_stream_is_cut_anywhere(void **state)
{
    (void)state;
    const cm_cpu detected = cm_cpu_detect();
    const cm_key key = {{1, 2, 3}};
    uint8_t whole[4096], parts[4096];
    cm_prg a, b;

    cm_prg_init(&a, &key, 7, &PORTABLE);
    cm_prg_fill(&a, whole, sizeof whole);
    assert_int_equal(cm_prg_position(&a), 256);
    cm_prg_init(&b, &key, 7, &detected);
    size_t at = 0;
    for (size_t blocks = 0; at < sizeof parts; blocks++) {
        size_t bytes = 16 * blocks < sizeof parts - at ? 16 * blocks : sizeof parts - at;
        cm_prg_fill(&b, parts + at, bytes);
        at += bytes;
    }
    assert_memory_equal(parts, whole, sizeof whole);
    assert_int_equal(cm_prg_position(&b), 256);

    cm_prg_init(&b, &key, 7, &detected);
    for (size_t bytes = 1; bytes <= 33; bytes++) {
        uint64_t before = cm_prg_position(&b);
        memset(parts, 0xcc, sizeof parts);
        cm_prg_fill(&b, parts, bytes);
        assert_int_equal(cm_prg_position(&b), before + (bytes + 15) / 16);
        if (16 * before + bytes <= sizeof whole) {
            assert_memory_equal(parts, whole + 16 * before, bytes);
        }
        assert_int_equal(parts[bytes], 0xcc);
    }
    cm_prg_fini(&a);
    cm_prg_fini(&b);
}

static void streams_and_keys_differ(void **state)
{
    (void)state;
    const cm_cpu cpu = cm_cpu_detect();
    const cm_key keys[2] = {{{1}}, {{2}}};
    uint8_t out[4][64];
    for (unsigned i = 0; i < 4; i++) {
        cm_prg prg;
        cm_prg_init(&prg, &keys[i / 2], i % 2, &cpu);
        cm_prg_fill(&prg, out[i], sizeof out[i]);
        for (unsigned j = 0; j < i; j++) {
            assert_memory_not_equal(out[i], out[j], sizeof out[i]);
        }
        cm_prg_fini(&prg);
    }
}

static void the_end_of_a_stream_aborts(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        cm_prg prg;
        uint8_t out[32];
        fclose(stderr);
        cm_prg_init(&prg, &(cm_key){{0}}, 0, &PORTABLE);
        prg.next_block = ((uint64_t)1 << 48) - 1;
        cm_prg_fill(&prg, out, 16); /* the last one */
        if (cm_prg_position(&prg) != (uint64_t)1 << 48) {
            _exit(1);
        }
        cm_prg_fill(&prg, out, 1);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fips_197),
        cmocka_unit_test(fips_197_key_expansion),
        cmocka_unit_test(sp_800_38a_counter_mode),
        cmocka_unit_test(implementations_agree),
        cmocka_unit_test(a_stream_is_cut_anywhere),
        cmocka_unit_test(streams_and_keys_differ),
        cmocka_unit_test(the_end_of_a_stream_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
