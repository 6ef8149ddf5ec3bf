/*
 * table/table_fixture.h - tables in the clear for this module's tests: making, sharing, opening,
 * and running an operator by all parties.
 */
#ifndef CM_TABLE_TABLE_FIXTURE_H
#define CM_TABLE_TABLE_FIXTURE_H

#include "support/parties.h"
#include "table/table.h"

enum { PLAIN_COLS_MAX = 20 };

typedef struct plain_col {
    unsigned planes;
    bool nullable;
    cm_u128 *value;
    bool *null;
} plain_col;

typedef struct plain {
    size_t rows;
    unsigned cols;
    plain_col col[PLAIN_COLS_MAX];
    bool *valid;
} plain;

typedef struct plain_spec {
    unsigned planes;
    bool nullable;
    cm_u128 below; /* values are random below this; 0: any of so many planes */
} plain_spec;

plain plain_new(cm_arena *arena, size_t rows, unsigned cols, const plain_spec *spec);
/* Random values, a quarter NULL where nullable, a quarter of the rows invalid. */
plain plain_random(cm_arena *arena, cm_rng *rng, size_t rows, unsigned cols,
                   const plain_spec *spec);
cm_u128 plain_mask(unsigned planes);

/* Equal where it matters: valid flags, and in valid rows NULLs and values that are not NULL. */
bool plain_equal(const plain *a, const plain *b);
/* What an aggregate gives over the rows with member[r]; *ret_null for MIN and MAX of nothing. */
cm_u128 plain_aggregate(const plain *p, const bool *member, const cm_agg *agg, bool *ret_null);
/* How row a lies to row b by sort keys: negative when before, 0 when they tie. */
int plain_compare(const plain *p, const cm_sort_key *keys, size_t count, bool valid_first, size_t a,
                  size_t b);
/* Numbers the rows in a column. */
void plain_number(plain *p, unsigned id);
plain plain_copy(cm_arena *arena, const plain *p);
/* Puts each run in order; rows that count first in it if runs and valid_first say so. */
void plain_sort_runs(plain *p, const cm_sort_key *keys, size_t count, bool valid_first,
                     const cm_runs *runs);
/* Whether after is before, stably sorted, told by a column of such numbers. */
bool plain_sorted(const plain *before, const plain *after, const cm_sort_key *keys, size_t count,
                  bool valid_first, unsigned id);
void plain_print(const char *title, const plain *p);

/* The operator under test, at one party.  in are shares of the plain tables; ret is opened. */
typedef cm_status (*fixture_op)(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                                cm_arena scratch, cm_table *ret);
/* Runs op at all parties (one for clear, three for rep3); asserts success; party 0's result. */
plain fixture_run(cm_protocol protocol, uint64_t seed, cm_trace **traces, const plain *in,
                  size_t tables, fixture_op op, const void *arg, cm_arena *keep);
/*
 * Whether op sends the same messages, under rep3, for tables of the shapes of like whatever is in
 * them and whatever the keys: all rows equal, ascending, descending and invalid, random.
 */
bool fixture_same_traces(const plain *like, size_t tables, fixture_op op, const void *arg,
                         cm_arena *keep);

/* For cmocka: *state is an arena for a group of tests. */
int fixture_set_up(void **state);
int fixture_tear_down(void **state);

/* Rows at which word boundaries, empty batches and odd halves show. */
extern const size_t fixture_rows[];
extern const size_t fixture_rows_count;

#endif
