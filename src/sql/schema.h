/*
 * sql/schema.h - what everybody in the federation knows: members and published tables.
 *
 * A snapshot is immutable and allocated in one arena.  It holds no private data: not a value, not
 * where the owner keeps the rows.  Members are ordered by their number in the federation file,
 * tables by (org, name): the same snapshot gives the same plan, byte for byte, everywhere.
 */
#ifndef CM_SQL_SCHEMA_H
#define CM_SQL_SCHEMA_H

#include "sql/type.h"

/* From closed to open; DESIGN.md, section 3. */
typedef enum cm_label_kind {
    CM_LABEL_PRIVATE,
    CM_LABEL_JOIN,
    CM_LABEL_FILTER,
    CM_LABEL_AGGREGATE,
    CM_LABEL_GROUP,
    CM_LABEL_REVEAL,
} cm_label_kind;

typedef struct cm_label {
    cm_label_kind kind;
    uint32_t min_rows; /* 'aggregate min K', 'group min K'; 0: none */
} cm_label;

/* "aggregate min 10" and back; 22023 with the list of labels as hint. */
CM_MUST cm_status cm_label_parse(const char *text, cm_label *ret, cm_diag *diag);
void cm_label_print(cm_label label, cm_buf *out);

typedef struct cm_column {
    const char *name;
    cm_type type;
    bool not_null;
    bool unique;    /* PRIMARY KEY or UNIQUE on this column alone; checked by the owner */
    bool has_check; /* range was declared with CHECK or is an ENUM's or bool's */
    cm_range range; /* canonical integers; of the type when not declared */
    cm_label label;
} cm_column;

/* PRIMARY KEY or UNIQUE over several columns: at least two, all different; checked by the owner. */
typedef struct cm_table_key {
    bool primary;
    size_t cols;
    const unsigned *col; /* as declared */
} cm_table_key;

/*
 * A materialized view: its rows are shares at the computing parties.  Everything here follows from
 * its query and the tables that it read, and no owner can change it: every party keeps a digest of
 * it beside its shares.
 */
typedef struct cm_stored {
    uint8_t id[16]; /* of the job that made it */
    bool filled;    /* false: WITH NO DATA */
    size_t parties; /* in whose order components were dealt */
    const char *const *party;
    size_t readers; /* organisations that all owners had granted what was read, sorted */
    const char *const *reader;
    uint32_t min_rows;  /* K of whatever is shown of it */
    const bool *digest; /* cols entries: kept as a digest too, for equality of long texts */
} cm_stored;

typedef struct cm_org_table {
    const char *org; /* the owner */
    const char *name;
    size_t cols;
    const cm_column *col;
    uint64_t rows; /* public bound of the number of rows, as published */
    size_t grants;
    const char *const *granted_to; /* organisations that may query it, sorted; "public": all */
    size_t keys;
    const cm_table_key *key;
    const cm_stored *stored; /* or NULL: rows are where the owner has them */
    bool join_sizes; /* the owner allows that the parties learn how many rows a join of it has */
} cm_org_table;

typedef struct cm_member {
    const char *org;
    bool computes; /* is a computing party */
} cm_member;

typedef struct cm_schema {
    const char *federation;
    const char *protocol; /* "rep3" */
    size_t members;
    const cm_member *member;
    size_t tables;
    const cm_org_table *table;
    const cm_enum *orgs; /* the members' names, sorted, as labels: type of the pseudo-column org,
                            which is so ordered as text */
} cm_schema;

/* Finds; NULL when absent. */
const cm_org_table *cm_schema_table(const cm_schema *schema, const char *org, const char *name);
const cm_member *cm_schema_member(const cm_schema *schema, const char *org);

/*
 * One table as bytes for catalogs that travel: canonical, so that equal tables have equal digests.
 * Decoding bounds every count and checks every field: it reads foreign bytes.
 */
void cm_org_table_encode(const cm_org_table *table, cm_buf *out);
CM_MUST cm_status cm_org_table_decode(cm_reader *reader, cm_arena *arena, cm_org_table *ret,
                                      cm_diag *diag);
/* Sorts tables and members' enum into place and checks the whole (names unique, ...). */
CM_MUST cm_status cm_schema_build(const char *federation, const char *protocol,
                                  const cm_member *members, size_t member_count,
                                  const cm_org_table *tables, size_t table_count, cm_arena *arena,
                                  const cm_schema **ret, cm_diag *diag);

enum {
    CM_NAME_MAX_BYTES = 63,
    CM_TABLE_MAX_COLS = 1600,
    CM_STORED_MAX_NAMES = 256, /* of parties or readers */
    CM_TABLE_MAX_KEYS = 32,    /* of several columns, and columns of one */
    CM_ENUM_MAX_LABELS = 4096,
    CM_TEXT_MAX_BYTES = 1024,   /* of one value under MPC */
    CM_TEXT_DEFAULT_BYTES = 64, /* text without n and without OPTIONS (max_bytes) */
};

/* The bound published for a table of so many rows: rounded up to 4 significant bits, so that it
 * tells the size only roughly and small growth does not change it. */
uint64_t cm_published_rows(uint64_t actual_rows);

#endif
