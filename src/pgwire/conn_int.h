/* Shared by conn.c (startup, authentication, dispatch), simple.c and extended.c. */
#ifndef CM_PGWIRE_CONN_INT_H
#define CM_PGWIRE_CONN_INT_H

#include "pgwire/conn.h"
#include "pgwire/message.h"
#include "pgwire/scram.h"

enum { CM_PG_PARAMS_MAX = 4096, CM_PG_STATEMENTS_MAX = 1000 };

typedef struct cm_pg_prepared {
    struct cm_pg_prepared *next;
    cm_arena arena; /* everything below */
    const char *name;
    const cm_stmt *stmt; /* NULL: an empty statement */
    size_t params;
    uint32_t *oid;
    const cm_result_col *col;
    size_t cols;
} cm_pg_prepared;

typedef struct cm_pg_portal {
    struct cm_pg_portal *next;
    cm_arena arena;
    const char *name;
    const cm_stmt *stmt;
    const char **param;
    uint32_t *oid;
    const cm_result_col *col;
    size_t cols;
    uint16_t *format; /* cols entries */
    bool started, done;
    cm_buf rows;      /* DataRow messages not yet fetched */
    size_t rows_sent; /* bytes of rows */
    char tag[64];     /* of the finished statement */
} cm_pg_portal;

typedef enum cm_pg_phase {
    CM_PG_STARTUP,
    CM_PG_SASL_INITIAL,
    CM_PG_SASL_FINAL,
    CM_PG_READY,
    CM_PG_CLOSED,
} cm_pg_phase;

struct cm_pg_conn {
    cm_node *node;
    cm_pg_io io;
    uint32_t pid, secret;
    bool offer_tls, need_tls, tls;
    cm_pg_phase phase;
    cm_buf in, out;
    bool feeding; /* guards against re-entry: sinks may be called from inside feed */
    char user[CM_NAME_MAX_BYTES + 1];
    cm_scram scram;
    cm_session *session;
    bool busy;     /* a statement runs */
    bool copying;  /* it sends COPY's lines */
    bool skipping; /* an error in the extended protocol: until Sync */
    /* simple query: the statements still to run */
    cm_arena query_arena;
    cm_stmts query;
    size_t query_next;
    bool in_query;
    bool driving; /* guards against re-entry, like feeding */
    /* extended query */
    cm_pg_prepared *prepared;
    size_t prepared_count;
    cm_pg_portal *portal;
    cm_pg_portal *running; /* portal that the session executes */
    uint32_t fetch;        /* rows that Execute asked for; 0: all */
};

void cm_pg_flush(cm_pg_conn *conn);
void cm_pg_fatal(cm_pg_conn *conn, const cm_diag *diag);
/* Goes on with messages that waited. */
void cm_pg_continue(cm_pg_conn *conn);
void cm_pg_ready(cm_pg_conn *conn);

void cm_pg_simple_query(cm_pg_conn *conn, const char *sql);
void cm_pg_simple_end(cm_pg_conn *conn);
/* Handles P, B, D, E, C; false: not a message of the extended protocol. */
bool cm_pg_extended(cm_pg_conn *conn, char type, cm_reader *body);
void cm_pg_extended_end(cm_pg_conn *conn);
/* Portals of one statement; NULL: all. */
void cm_pg_drop_portals(cm_pg_conn *conn, const cm_stmt *stmt);

/* COPY ... TO STDOUT: the same in both protocols. */
void cm_pg_on_copy_begin(void *arg, size_t cols);
void cm_pg_on_copy_data(void *arg, const uint8_t *data, size_t bytes);
/* Before the tag of what may have been a COPY. */
void cm_pg_end_copy(cm_pg_conn *conn);

void cm_pg_put_data_row(cm_buf *out, const char *const *text, size_t cols);

#endif
