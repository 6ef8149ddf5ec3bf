#include "crypto/crypto.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>

void cm_wipe(void *data, size_t bytes)
{
    if (bytes > 0) {
        explicit_bzero(data, bytes);
    }
}

int cm_ct_equal(const void *a, const void *b, size_t bytes)
{
    const uint8_t *left = a, *right = b;
    uint32_t difference = 0;

    for (size_t i = 0; i < bytes; i++) {
        difference |= (uint32_t)(left[i] ^ right[i]);
        /* Hides from the optimiser what difference may be, so that it cannot leave early. */
        __asm__ volatile("" : "+r"(difference));
    }
    /* difference is below 256: subtracting 1 borrows into bit 31 only when it is 0. */
    return (int)((difference - 1) >> 31);
}

void cm_process_protect(void)
{
    const struct rlimit none = {0, 0};

    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void cm_random_bytes(void *data, size_t bytes)
{
    uint8_t *next = data;

    while (bytes > 0) {
        ssize_t got = getrandom(next, bytes, 0);
        CM_ASSERT(got > 0 || (got < 0 && errno == EINTR));
        if (got > 0) {
            next += got;
            bytes -= (size_t)got;
        }
    }
}

void cm_hash_hex(const cm_hash *hash, char ret_hex[static 65])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < CM_HASH_BYTES; i++) {
        ret_hex[2 * i] = digits[hash->bytes[i] >> 4];
        ret_hex[2 * i + 1] = digits[hash->bytes[i] & 15];
    }
    ret_hex[64] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return -1;
}

cm_status cm_hash_from_hex(const char *hex, cm_hash *ret)
{
    cm_hash hash;

    if (strlen(hex) != 2 * CM_HASH_BYTES) {
        return CM_EINVAL;
    }
    for (size_t i = 0; i < CM_HASH_BYTES; i++) {
        int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);
        if (high < 0 || low < 0) {
            return CM_EINVAL;
        }
        hash.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret = hash;
    return CM_OK;
}
