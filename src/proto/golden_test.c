/*
 * What goes over the links, byte for byte: a digest for each operation of rep3, over the frames
 * that all parties send under fixed keys.  A change here must be a decision, explained in
 * docs/protocols/rep3.md.  And what makes keys safe to use again and again: positions of streams.
 */
#include "support/parties.h"

#include "proto/rep3_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { PARTIES = 3, PARTICIPANTS = 4, OUTSIDE = 3, ROWS = 1000, PLANES = 17 };

static const cm_ticket TICKET = {CM_TICKET_RESULT, "test: golden bytes"};

static void ok(cm_status status)
{
    CM_ASSERT(status == CM_OK);
}

/* Columns of arbitrary shares, the same in every run; empty where no shares are held. */
typedef struct columns {
    cm_bcol x, y, z;
    cm_acol a, b, c, each[PLANES];
    uint64_t *clear; /* public values, and space for opened ones */
} columns;

typedef void operation_fn(cm_mpc *mpc, columns *c, cm_arena scratch);

static void do_setup(cm_mpc *mpc, columns *c, cm_arena scratch)
{
    (void)mpc;
    (void)c;
    (void)scratch;
}

static void do_and(cm_mpc *mpc, columns *c, cm_arena scratch)
{
    ok(cm_mpc_and_col(mpc, c->x, c->y, c->z, scratch));
}

static void do_mul(cm_mpc *mpc, columns *c, cm_arena scratch)
{
    ok(cm_mpc_mul(mpc, c->a, c->b, c->c, scratch));
}

static void do_dot(cm_mpc *mpc, columns *c, cm_arena scratch)
{
    const cm_acol x[] = {c->a, c->b}, y[] = {c->b, c->b};
    ok(cm_mpc_dot(mpc, x, y, 2, cm_acol_slice(c->c, 0, 2), scratch));
}

static void do_input(cm_mpc *mpc, columns *c, cm_arena scratch)
{
    const uint64_t *mine = cm_mpc_me(mpc) == 1 ? c->clear : NULL;
    ok(cm_mpc_input_words(mpc, 1, mine, ROWS, c->c, scratch));
}

static void do_input_outside(cm_mpc *mpc, columns *c, cm_arena scratch)
{
    const uint64_t *mine = cm_mpc_me(mpc) == OUTSIDE ? c->clear : NULL;
    ok(cm_mpc_input_bits(mpc, OUTSIDE, mine, PLANES, ROWS, c->z, scratch));
}

static void do_open_bits(cm_mpc *mpc, columns *c, cm_arena scratch)
{
    ok(cm_mpc_open_bits(mpc, c->x, &TICKET, c->clear, scratch));
}

static void do_open_words(cm_mpc *mpc, columns *c, cm_arena scratch)
{
    ok(cm_mpc_open_words(mpc, c->a, &TICKET, c->clear, scratch));
}

static void do_open_outside(cm_mpc *mpc, columns *c, cm_arena scratch)
{
    uint64_t *mine = cm_mpc_me(mpc) == OUTSIDE ? c->clear : NULL;
    ok(cm_mpc_open_bits_to(mpc, OUTSIDE, c->x, PLANES, ROWS, &TICKET, mine, scratch));
}

static void do_bits_to_ring(cm_mpc *mpc, columns *c, cm_arena scratch)
{
    ok(cm_mpc_bits_to_ring(mpc, c->x, c->c, scratch));
}

static void do_few_bits_to_ring(cm_mpc *mpc, columns *c, cm_arena scratch)
{
    ok(cm_mpc_bits_to_ring(mpc, cm_bcol_planes(c->x, 0, 3), c->c, scratch));
}

static void do_bit_to_ring(cm_mpc *mpc, columns *c, cm_arena scratch)
{
    ok(cm_mpc_bit_to_ring(mpc, c->x, c->each, scratch));
}

static void do_ring_to_bits(cm_mpc *mpc, columns *c, cm_arena scratch)
{
    ok(cm_mpc_ring_to_bits(mpc, c->a, c->z, scratch));
}

/* All three parties start once. */
static void do_shuffle(cm_mpc *mpc, columns *c, cm_arena scratch)
{
    for (unsigned times = 0; times < PARTIES; times++) {
        ok(cm_mpc_shuffle(mpc, &c->a, 1, &c->x, 1, scratch));
    }
}

/* A chain of five stages, each an XOR and an AND. */
static void do_steps(cm_mpc *mpc, columns *c, cm_arena scratch)
{
    enum { STAGES = 5 };
    cm_stage stage[STAGES];
    cm_step xors[STAGES], ands[STAGES];
    cm_plane plane[3 * PLANES];

    for (unsigned p = 0; p < PLANES; p++) {
        plane[p] = cm_bcol_plane(c->x, p);
        plane[PLANES + p] = cm_bcol_plane(c->y, p);
        plane[2 * PLANES + p] = cm_bcol_plane(c->z, p);
    }
    for (uint32_t i = 0; i < STAGES; i++) {
        stage[i] = (cm_stage){.xors = 1, .ands = 1};
        xors[i] = (cm_step){.z = 2 * PLANES + i, .x = i, .y = PLANES + i};
        ands[i] = (cm_step){
            .z = 2 * PLANES + i, .x = 2 * PLANES + i, .y = i > 0 ? 2 * PLANES + i - 1 : 0};
    }
    cm_steps steps = {
        .planes = 3 * PLANES, .stages = STAGES, .stage = stage, .xor_step = xors, .and_step = ands};
    ok(cm_mpc_run_steps(mpc, &steps, plane, ROWS, scratch));
}

typedef struct operation {
    const char *name;
    operation_fn *fn;
    const char *golden;
    bool outside; /* calls for the participant that does not compute */
} operation;

static const operation OPERATIONS[] = {
    {"set-up", do_setup, "3fc916125edc1970f6bb5365b42e4bc1fcc0b98f41ae6e4f4b284f7ed22419b7", false},
    {"and", do_and, "08539145a21d5b1d8c6161c4119b8afee706938f73e73dbc4d9dcebd3f84cb0b", false},
    {"steps", do_steps, "b6d59293be32139eeb13c177f397fb8a69a9e6a3b94c06eac9372b6121da60c2", false},
    {"mul", do_mul, "025d43695e1ffb9b6f7448966558f36864f02043fa08e76b42e503bc56522d8e", false},
    {"dot", do_dot, "e707633b5565e2cdb800195b0b208b667d356b6e05901451f5009e12daaae50d", false},
    {"input by a party", do_input,
     "d78f06f25302d33e814fb24eee124fd14197de8f9d635512ad64036c0a9a00a6", false},
    {"input from outside", do_input_outside,
     "526c3714dba2f97b0f6ec18b91e79d1fcef662cab2cb0bca07cafbce6b74610c", true},
    {"open bits", do_open_bits, "db68675a22343633a14e49d2f3dd0f36988c239abf2debadc2b24eab01f9ba53",
     false},
    {"open words", do_open_words,
     "c7369f062bfc3e79a663dd38351a6e0733d40f6cc751f596f0070bbbdf14d93e", false},
    {"open to one outside", do_open_outside,
     "5846cf793a79aa92da8544f4929c0c96c0cae13f49393f6111e2f2ad13f75598", true},
    {"bits to ring", do_bits_to_ring,
     "59ff1b30d2410c6d5693222c3378d28a51d65c91cf89e584fd3bda415d323983", false},
    {"few bits to ring", do_few_bits_to_ring,
     "c3dcf2b38a173b81eeb09b3d26cdb54b1419560afa9c3979e75af7d34ab0fedd", false},
    {"bit to ring", do_bit_to_ring,
     "6f85ca84123b47c4c39f1bebdb4638073ca5730d07ac6a5237baec38ca3e7abe", false},
    {"ring to bits", do_ring_to_bits,
     "fdf0a659425f6cdca11473847ed3cd4b2f2e09c1e4958d56ae4c51dad225ec4a", false},
    {"shuffle", do_shuffle, "272b8b00028b37e0ddcb4463fbd492e260c9286e63bf30ecdec55a199cdb9ec8",
     false},
};

static void fill(cm_rng *rng, void *data, size_t words)
{
    uint64_t *word = data;

    for (size_t i = 0; i < words; i++) {
        word[i] = cm_rng_next(rng);
    }
}

/* Component c of a value is from generator c, so the legs of the parties agree. */
static columns make_columns(cm_mpc *mpc, cm_arena *arena)
{
    unsigned legs = cm_mpc_legs(mpc);
    columns ret = {.x = cm_bcol_new(arena, legs, PLANES, ROWS),
                   .y = cm_bcol_new(arena, legs, PLANES, ROWS),
                   .z = cm_bcol_new(arena, legs, PLANES, ROWS),
                   .a = cm_acol_new(arena, legs, ROWS),
                   .b = cm_acol_new(arena, legs, ROWS),
                   .c = cm_acol_new(arena, legs, ROWS)};
    cm_rng clear = {99};

    ret.clear = CM_NEW(arena, uint64_t, PLANES * ROWS);
    fill(&clear, ret.clear, PLANES * ROWS);
    for (unsigned k = 0; k < legs; k++) {
        cm_rng component = {(cm_mpc_me(mpc) + k) % PARTIES};
        fill(&component, ret.x.leg[k], PLANES * ret.x.words);
        fill(&component, ret.y.leg[k], PLANES * ret.y.words);
        fill(&component, ret.a.leg[k], ROWS);
        fill(&component, ret.b.leg[k], ROWS);
    }
    for (unsigned p = 0; p < PLANES; p++) {
        ret.each[p] = cm_acol_new(arena, legs, ROWS);
    }
    return ret;
}

static void run_operation(cm_mpc *mpc, cm_arena *arena, void *arg)
{
    const operation *o = arg;
    columns c = make_columns(mpc, arena);

    if (cm_mpc_computes(mpc) || o->outside) {
        o->fn(mpc, &c, *arena);
    }
}

/* Over what all participants sent, lane by lane. */
static void bytes_of(const operation *o, unsigned lanes, char ret_hex[static 65])
{
    cm_trace *traces[CM_LANES_MAX * PARTICIPANTS];
    cm_hash sent[CM_LANES_MAX * PARTICIPANTS];
    operation copy = *o;

    for (unsigned i = 0; i < lanes * PARTICIPANTS; i++) {
        traces[i] = cm_trace_new_with_content();
    }
    cm_run_parties_in_lanes(CM_PROTOCOL_REP3, PARTICIPANTS, PARTIES, lanes, 42, traces,
                            run_operation, &copy);
    for (unsigned i = 0; i < lanes * PARTICIPANTS; i++) {
        sent[i] = cm_trace_sent_digest(traces[i]);
        cm_trace_free(traces[i]);
    }
    cm_hash all = cm_sha256(sent, lanes * PARTICIPANTS * sizeof *sent);
    cm_hash_hex(&all, ret_hex);
}

static void bytes_are_golden(void **state)
{
    (void)state;
    bool equal = true;

    for (size_t i = 0; i < CM_COUNT(OPERATIONS); i++) {
        char hex[65];
        bytes_of(&OPERATIONS[i], 1, hex);
        if (strcmp(hex, OPERATIONS[i].golden) != 0) {
            print_error("%s: %s\n", OPERATIONS[i].name, hex);
            equal = false;
        }
    }
    assert_true(equal);
}

/* Two lanes send other bytes than one, and the same each time. */
static void lanes_have_keys_of_their_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < CM_COUNT(OPERATIONS); i++) {
        char one[65], two[65], again[65];
        bytes_of(&OPERATIONS[i], 1, one);
        bytes_of(&OPERATIONS[i], 2, two);
        bytes_of(&OPERATIONS[i], 2, again);
        assert_string_equal(two, again);
        assert_string_not_equal(one, two);
    }
}

/* ---- positions ---------------------------------------------------------------------------- */

enum { LANES = 3, HELD = 2 };

/* A generator as one of its holders sees it. */
typedef struct seen {
    uint8_t key[11][16];
    uint64_t stream, position;
} seen;

typedef struct watch {
    seen at[PARTIES][CM_COUNT(OPERATIONS)][LANES][HELD][CM_REP3_USES];
} watch;

static void look(cm_mpc *mpc, seen ret[LANES][HELD][CM_REP3_USES])
{
    for (unsigned lane = 0; lane < LANES; lane++) {
        const cm_rep3 *s = mpc->lane[lane]->state;
        for (unsigned which = 0; which < HELD; which++) {
            for (unsigned use = 0; use < CM_REP3_USES; use++) {
                const cm_prg *prg = &s->key[which][use];
                seen *now = &ret[lane][which][use];
                memcpy(now->key, prg->round_keys, sizeof now->key);
                now->stream = prg->stream;
                now->position = cm_prg_position(prg);
            }
        }
    }
}

static void run_all(cm_mpc *mpc, cm_arena *arena, void *arg)
{
    watch *w = arg;
    columns c = make_columns(mpc, arena);

    for (size_t i = 0; i < CM_COUNT(OPERATIONS); i++) {
        if (cm_mpc_computes(mpc) || OPERATIONS[i].outside) {
            OPERATIONS[i].fn(mpc, &c, *arena);
        }
        if (cm_mpc_computes(mpc)) {
            look(mpc, w->at[cm_mpc_me(mpc)][i]);
        }
    }
}

/* All generators of the session at its end: no two have the same key and stream, but for the two
 * holders of each. */
static void check_apart(const watch *w)
{
    enum { ALL = PARTIES * LANES * HELD * CM_REP3_USES };
    const seen *list[ALL];
    size_t count = 0;

    for (unsigned party = 0; party < PARTIES; party++) {
        for (unsigned lane = 0; lane < LANES; lane++) {
            for (unsigned which = 0; which < HELD; which++) {
                for (unsigned use = 0; use < CM_REP3_USES; use++) {
                    list[count++] = &w->at[party][CM_COUNT(OPERATIONS) - 1][lane][which][use];
                }
            }
        }
    }
    assert_int_equal(count, ALL);
    for (size_t i = 0; i < count; i++) {
        size_t same = 0;
        for (size_t k = 0; k < count; k++) {
            same += memcmp(list[i]->key, list[k]->key, sizeof list[i]->key) == 0 &&
                    list[i]->stream == list[k]->stream;
        }
        assert_int_equal(same, 2);
    }
}

/* A generator only moves forward, so it repeats nothing; each pair of a key and a stream has one
 * generator at each of its holders, who are in step after every operation; so nothing is used twice
 * anywhere. */
static void positions_never_repeat(void **state)
{
    (void)state;
    static watch w;
    uint64_t moved = 0;

    cm_run_parties_in_lanes(CM_PROTOCOL_REP3, PARTICIPANTS, PARTIES, LANES, 42, NULL, run_all, &w);
    for (unsigned party = 0; party < PARTIES; party++) {
        for (size_t i = 0; i < CM_COUNT(OPERATIONS); i++) {
            for (unsigned lane = 0; lane < LANES; lane++) {
                for (unsigned use = 0; use < CM_REP3_USES; use++) {
                    const seen *mine = &w.at[party][i][lane][0][use];
                    const seen *other = &w.at[(party + 2) % PARTIES][i][lane][1][use];
                    const seen *before = i > 0 ? &w.at[party][i - 1][lane][0][use] : mine;
                    assert_memory_equal(mine->key, other->key, sizeof mine->key);
                    assert_int_equal(mine->stream, other->stream);
                    assert_int_equal(mine->position, other->position);
                    assert_true(mine->position >= before->position);
                    assert_memory_equal(mine->key, before->key, sizeof mine->key);
                    moved += mine->position > before->position;
                }
            }
        }
    }
    assert_true(moved > 50);
    check_apart(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_golden),
        cmocka_unit_test(lanes_have_keys_of_their_own),
        cmocka_unit_test(positions_never_repeat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
