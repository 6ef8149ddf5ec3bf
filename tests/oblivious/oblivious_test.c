/*
 * Runs protocols, circuits and table operators on secrets that memcheck holds to be uninitialised,
 * and fails when memcheck complains; then runs code that leaks, and fails when it does not.
 *
 *     valgrind oblivious_test portable|simd [CASE]
 */
#include "oblivious/cases.h"

#include <stdio.h>
#include <string.h>

/* Participant 3, outside the parties, takes part in the cases that say so. */
static bool is_for_outside(const oblivious_case *c)
{
    return strstr(c->name, "outside") != NULL;
}

static void run_party(cm_mpc *mpc, cm_arena *arena, void *arg)
{
    const oblivious_case *c = arg;
    oblivious_party p = {.mpc = mpc, .arena = arena};

    check(cm_arena_init_secret(&p.scratch, (size_t)1 << 30));
    if (cm_mpc_computes(mpc) || is_for_outside(c)) {
        c->run(&p);
    }
    cm_arena_fini(&p.scratch);
}

/* How often memcheck complained. */
static unsigned complaints_of(const oblivious_case *c)
{
    unsigned before = poison_complaints();

    cm_run_parties(CM_PROTOCOL_REP3, PARTICIPANTS, PARTIES, 1, NULL, run_party,
                   (void *)(uintptr_t)c);
    return poison_complaints() - before;
}

static unsigned run_cases(const oblivious_case *cases, size_t count, const char *only, bool leaks)
{
    unsigned failures = 0;

    for (size_t i = 0; i < count; i++) {
        if (only != NULL && strcmp(only, cases[i].name) != 0) {
            continue;
        }
        unsigned complaints = complaints_of(&cases[i]);
        bool ok = (complaints > 0) == leaks;
        failures += ok ? 0 : 1;
        printf("%s %s%s: %u complaints\n", ok ? "ok  " : "FAIL", leaks ? "leak by " : "",
               cases[i].name, complaints);
        fflush(stdout);
    }
    return failures;
}

int main(int argc, char **argv)
{
    if (argc < 2 || !poison_available()) {
        fprintf(stderr, "usage: valgrind %s portable|simd [CASE]\n", argv[0]);
        return 2;
    }
    const char *only = argc > 2 ? argv[2] : NULL;
    poison_use_simd(strcmp(argv[1], "simd") == 0);
    unsigned failures = run_cases(proto_cases, proto_cases_count, only, false);
    failures += run_cases(circuit_cases, circuit_cases_count, only, false);
    failures += run_cases(table_cases, table_cases_count, only, false);
    puts("what follows leaks on purpose: memcheck must say so");
    failures += run_cases(leaking_cases, leaking_cases_count, only, true);
    return failures == 0 ? 0 : 1;
}
