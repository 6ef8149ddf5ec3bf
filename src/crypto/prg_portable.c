/*
 * AES-128 without secret-dependent addresses or branches, for any processor.
 *
 * Fully bitsliced: 64 blocks at a time, and each of the 128 bits of the state is one 64-bit word
 * with a lane per block.  ShiftRows is then a renaming, MixColumns a few XORs, and SubBytes the
 * circuit of Boyar and Peralta ("A small depth-16 circuit for the AES S-box", SEC 2012), applied
 * to each of the 16 byte positions.  Planes of a byte are kept from the most significant bit
 * (index 0) to the least (index 7).
 */
#include "crypto/prg_int.h"

#include <string.h>

enum { LANES = 64, ROUNDS = 10 };

typedef struct state {
    uint64_t bit[16][8]; /* byte position, bit from the most significant, lane per block */
} state;

/*
 * S-box of 64 bytes at once.  Longer than a screen because it is the published straight-line
 * circuit, names included: x in, s out, y and t and z between.
 */
static void sub_bytes(uint64_t q[8])
{
    uint64_t x0 = q[0], x1 = q[1], x2 = q[2], x3 = q[3];
    uint64_t x4 = q[4], x5 = q[5], x6 = q[6], x7 = q[7];

    /* Top linear transformation. */
    uint64_t y14 = x3 ^ x5, y13 = x0 ^ x6, y9 = x0 ^ x3, y8 = x0 ^ x5;
    uint64_t t0 = x1 ^ x2, y1 = t0 ^ x7, y4 = y1 ^ x3, y12 = y13 ^ y14;
    uint64_t y2 = y1 ^ x0, y5 = y1 ^ x6, y3 = y5 ^ y8, t1 = x4 ^ y12;
    uint64_t y15 = t1 ^ x5, y20 = t1 ^ x1, y6 = y15 ^ x7, y10 = y15 ^ t0;
    uint64_t y11 = y20 ^ y9, y7 = x7 ^ y11, y17 = y10 ^ y11, y19 = y10 ^ y8;
    uint64_t y16 = t0 ^ y11, y21 = y13 ^ y16, y18 = x0 ^ y16;

    /* Shared part: inversion in GF(2^4). */
    uint64_t t2 = y12 & y15, t3 = y3 & y6, t4 = t3 ^ t2, t5 = y4 & x7, t6 = t5 ^ t2;
    uint64_t t7 = y13 & y16, t8 = y5 & y1, t9 = t8 ^ t7, t10 = y2 & y7, t11 = t10 ^ t7;
    uint64_t t12 = y9 & y11, t13 = y14 & y17, t14 = t13 ^ t12, t15 = y8 & y10, t16 = t15 ^ t12;
    uint64_t t17 = t4 ^ t14, t18 = t6 ^ t16, t19 = t9 ^ t14, t20 = t11 ^ t16;
    uint64_t t21 = t17 ^ y20, t22 = t18 ^ y19, t23 = t19 ^ y21, t24 = t20 ^ y18;
    uint64_t t25 = t21 ^ t22, t26 = t21 & t23, t27 = t24 ^ t26, t28 = t25 & t27, t29 = t28 ^ t22;
    uint64_t t30 = t23 ^ t24, t31 = t22 ^ t26, t32 = t31 & t30, t33 = t32 ^ t24, t34 = t23 ^ t33;
    uint64_t t35 = t27 ^ t33, t36 = t24 & t35, t37 = t36 ^ t34, t38 = t27 ^ t36, t39 = t29 & t38;
    uint64_t t40 = t25 ^ t39, t41 = t40 ^ t37, t42 = t29 ^ t33, t43 = t29 ^ t40, t44 = t33 ^ t37;
    uint64_t t45 = t42 ^ t41;
    uint64_t z0 = t44 & y15, z1 = t37 & y6, z2 = t33 & x7, z3 = t43 & y16, z4 = t40 & y1;
    uint64_t z5 = t29 & y7, z6 = t42 & y11, z7 = t45 & y17, z8 = t41 & y10, z9 = t44 & y12;
    uint64_t z10 = t37 & y3, z11 = t33 & y4, z12 = t43 & y13, z13 = t40 & y5, z14 = t29 & y2;
    uint64_t z15 = t42 & y9, z16 = t45 & y14, z17 = t41 & y8;

    /* Bottom linear transformation. */
    uint64_t t46 = z15 ^ z16, t47 = z10 ^ z11, t48 = z5 ^ z13, t49 = z9 ^ z10, t50 = z2 ^ z12;
    uint64_t t51 = z2 ^ z5, t52 = z7 ^ z8, t53 = z0 ^ z3, t54 = z6 ^ z7, t55 = z16 ^ z17;
    uint64_t t56 = z12 ^ t48, t57 = t50 ^ t53, t58 = z4 ^ t46, t59 = z3 ^ t54, t60 = t46 ^ t57;
    uint64_t t61 = z14 ^ t57, t62 = t52 ^ t58, t63 = t49 ^ t58, t64 = z4 ^ t59, t65 = t61 ^ t62;
    uint64_t t66 = z1 ^ t63, t67 = t64 ^ t65, s3 = t53 ^ t66;

    q[0] = t59 ^ t63;
    q[1] = t64 ^ ~s3;
    q[2] = t55 ^ ~t67;
    q[3] = s3;
    q[4] = t51 ^ t66;
    q[5] = t47 ^ t65;
    q[6] = t56 ^ ~t62;
    q[7] = t48 ^ ~t60;
}

/* Byte r + 4c of the state is row r of column c; row r moves left by r columns. */
static void shift_rows(state *s)
{
    state old = *s;

    for (size_t c = 0; c < 4; c++) {
        for (size_t r = 0; r < 4; r++) {
            memcpy(s->bit[r + 4 * c], old.bit[r + 4 * ((c + r) % 4)], sizeof s->bit[0]);
        }
    }
}

/* ret = 2 * a in GF(2^8): a shift, and the top bit folds into x^4 + x^3 + x + 1. */
static void double_byte(const uint64_t a[8], uint64_t ret[8])
{
    for (size_t i = 0; i < 7; i++) {
        ret[i] = a[i + 1];
    }
    ret[7] = a[0];
    ret[6] ^= a[0];
    ret[4] ^= a[0];
    ret[3] ^= a[0];
}

/* out_r = 2 a_r + 3 a_(r+1) + a_(r+2) + a_(r+3) = a_r + 2 (a_r + a_(r+1)) + (sum of all). */
static void mix_columns(state *s)
{
    for (size_t c = 0; c < 4; c++) {
        uint64_t(*a)[8] = &s->bit[4 * c];
        uint64_t sum[8], pair[4][8], doubled[8];
        for (size_t i = 0; i < 8; i++) {
            sum[i] = a[0][i] ^ a[1][i] ^ a[2][i] ^ a[3][i];
            for (size_t r = 0; r < 4; r++) {
                pair[r][i] = a[r][i] ^ a[(r + 1) % 4][i];
            }
        }
        for (size_t r = 0; r < 4; r++) {
            double_byte(pair[r], doubled);
            for (size_t i = 0; i < 8; i++) {
                a[r][i] ^= doubled[i] ^ sum[i];
            }
        }
    }
}

static void add_round_key(state *s, const uint8_t round_key[16])
{
    for (size_t byte = 0; byte < 16; byte++) {
        for (size_t i = 0; i < 8; i++) {
            uint64_t bit = (uint64_t)(round_key[byte] >> (7 - i)) & 1;
            s->bit[byte][i] ^= 0 - bit; /* the key bit in every lane */
        }
    }
}

/* Swaps rows and columns of a 64 by 64 bit matrix (Hacker's Delight, 7-3); bit 63 comes first. */
static void transpose(uint64_t m[LANES])
{
    uint64_t mask = 0x00000000ffffffff;

    for (size_t width = 32; width > 0; width /= 2, mask ^= mask << width) {
        for (size_t k = 0; k < LANES; k = ((k | width) + 1) & ~width) {
            uint64_t swap = (m[k] ^ (m[k | width] >> width)) & mask;
            m[k] ^= swap;
            m[k | width] ^= swap << width;
        }
    }
}

/*
 * The eight bytes 8 * half .. 8 * half + 7 of all lanes, as big-endian words: row k of the
 * transposed matrix is their k-th bit from the most significant.
 */
static void load_half(state *s, size_t half, const uint64_t word[LANES])
{
    uint64_t m[LANES];

    memcpy(m, word, sizeof m);
    transpose(m);
    memcpy(s->bit[8 * half], m, sizeof m);
}

static void store_big_endian(uint8_t *out, uint64_t word)
{
    for (size_t i = 0; i < 8; i++) {
        out[i] = (uint8_t)(word >> (56 - 8 * i));
    }
}

static void encrypt(state *s, const uint8_t round_keys[11][16])
{
    add_round_key(s, round_keys[0]);
    for (size_t round = 1; round <= ROUNDS; round++) {
        for (size_t byte = 0; byte < 16; byte++) {
            sub_bytes(s->bit[byte]);
        }
        shift_rows(s);
        if (round < ROUNDS) {
            mix_columns(s);
        }
        add_round_key(s, round_keys[round]);
    }
}

void cm_prg_blocks_portable(const uint8_t round_keys[11][16], uint64_t stream, uint64_t block,
                            uint8_t *data, size_t blocks)
{
    state s;
    uint64_t word[LANES];

    while (blocks > 0) {
        size_t now = blocks < LANES ? blocks : LANES;
        for (size_t lane = 0; lane < LANES; lane++) {
            word[lane] = stream;
        }
        load_half(&s, 0, word);
        for (size_t lane = 0; lane < LANES; lane++) {
            word[lane] = block + lane;
        }
        load_half(&s, 1, word);
        encrypt(&s, round_keys);
        for (size_t half = 0; half < 2; half++) {
            memcpy(word, s.bit[8 * half], sizeof word);
            transpose(word);
            for (size_t lane = 0; lane < now; lane++) {
                store_big_endian(data + 16 * lane + 8 * half, word[lane]);
            }
        }
        data += 16 * now;
        block += now;
        blocks -= now;
    }
    cm_wipe(&s, sizeof s);
    cm_wipe(word, sizeof word);
}

/* S-box of four bytes: lane i of the planes is byte i. */
static void sub_word(uint8_t word[4])
{
    uint64_t planes[8] = {0};

    for (size_t i = 0; i < 8; i++) {
        for (size_t byte = 0; byte < 4; byte++) {
            planes[i] |= ((uint64_t)(word[byte] >> (7 - i)) & 1) << byte;
        }
    }
    sub_bytes(planes);
    for (size_t byte = 0; byte < 4; byte++) {
        word[byte] = 0;
        for (size_t i = 0; i < 8; i++) {
            word[byte] |= (uint8_t)(((planes[i] >> byte) & 1) << (7 - i));
        }
    }
    cm_wipe(planes, sizeof planes);
}

void cm_aes128_expand(const cm_key *key, uint8_t ret_round_keys[11][16])
{
    static const uint8_t round_constant[ROUNDS] = {0x01, 0x02, 0x04, 0x08, 0x10,
                                                   0x20, 0x40, 0x80, 0x1b, 0x36};
    memcpy(ret_round_keys[0], key->bytes, 16);
    for (size_t round = 1; round <= ROUNDS; round++) {
        const uint8_t *last = ret_round_keys[round - 1];
        uint8_t *next = ret_round_keys[round];
        uint8_t word[4] = {last[13], last[14], last[15], last[12]};
        sub_word(word);
        word[0] ^= round_constant[round - 1];
        for (size_t i = 0; i < 16; i++) {
            next[i] = last[i] ^ (i < 4 ? word[i] : next[i - 4]);
        }
        cm_wipe(word, sizeof word);
    }
}
