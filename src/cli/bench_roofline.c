/*
 * The least that a case could have taken on the machine and links of the same run.  Each bound is
 * one that no program escapes which sends these bytes in these rounds and makes these products:
 *
 *     bytes     all parties' bytes at the rate of all sending at once, or the busiest party's at
 *               the rate of one sending alone
 *     rounds    rounds, each a small message to a neighbour and one from the other
 *     ands, products    two PRG streams and the local part of rep3, whichever is slower alone
 *     memory    for operations that do not talk: operands and results once through memory
 *
 * Work that overlaps is not added up: the greatest bound binds.
 */
#include "cli/bench.h"

static void bind(cm_bench_bounds *bounds, const char *name, double amount, double rate)
{
    double seconds = amount > 0 && rate > 0 ? amount / rate : 0;
    if (seconds > bounds->seconds) {
        bounds->seconds = seconds;
        bounds->name = name;
    }
}

void cm_bench_bound(cm_bench_result *result)
{
    const cm_bench_machine *m = &result->machine;
    cm_bench_bounds b = {.name = "none"};
    bind(&b, "bytes", (double)result->bytes_all / CM_BENCH_PARTIES, m->rotate);
    bind(&b, "bytes", (double)result->bytes_sent, m->alone);
    bind(&b, "rounds", (double)result->rounds * m->round, 1);
    bind(&b, "ands", result->work.ands, m->ands);
    bind(&b, "products", result->work.products, m->product);
    bind(&b, "memory", result->work.touched, m->memory);
    b.share = result->seconds > 0 ? b.seconds / result->seconds : 0;
    b.share = b.share > 1 ? 1 : b.share; /* the machine was quicker a moment ago */
    result->bounds = b;
}
