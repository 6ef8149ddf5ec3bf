/*
 * source/testdata.h - for this module's tests: published tables from DDL, files, answers as text.
 */
#ifndef CM_SOURCE_TESTDATA_H
#define CM_SOURCE_TESTDATA_H

#include "source/source_int.h"

typedef struct testdata {
    cm_arena arena;
    char dir[64]; /* a new folder under /tmp; "cache" is a folder in it */
    char cache[80];
} testdata;

void testdata_init(testdata *t);
void testdata_fini(testdata *t); /* removes the folder */

/* Runs a shell command; its exit status. */
int testdata_command(const char *command);

/* Writes a file of the folder; returns its path, from the arena. */
const char *testdata_write(testdata *t, const char *name, const char *content);
/* Waits until the file was last changed long enough ago for its stamp to be settled: 2 s. */
void testdata_age(const char *path);

/* CREATE TYPE ... AS ENUM statements and one CREATE FOREIGN TABLE; rows is the published bound. */
const cm_source_table *testdata_table(testdata *t, const char *ddl, uint64_t rows);

/* Options as name, value, ..., NULL. */
cm_source *testdata_open(testdata *t, cm_source_kind kind, const char *const *options);

/* Checks all columns. */
cm_status testdata_check(cm_source *source, const cm_source_table *table, cm_diag *diag);
/* SELECT ... FROM the table: rows as lines, values with | between, NULL as NULL.  select may hold
 * what follows the FROM after a %: "a, b % WHERE a > 1".  kinds: 'n' or 't' per column. */
const char *testdata_select(testdata *t, cm_source *source, const cm_source_table *table,
                            const char *select, const char *kinds);

/* An imported table, published as it was guessed: its own data must pass its checks. */
const cm_source_table *testdata_published(testdata *t, const cm_imported_table *table,
                                          uint64_t rows);
/* An imported table as one line of DDL without options. */
const char *testdata_describe(testdata *t, const cm_imported_table *table);

/* testruns.c: a table "runs" and its rows, as the text of a CSV file and as SQL's list of VALUES;
 * and random fragments over it, run by the source and as plain SQL. */
extern const char testruns_ddl[];
const char *testruns_csv(testdata *t);
const char *testruns_values(testdata *t);
void testruns_compare(testdata *t, cm_source *source);

#endif
