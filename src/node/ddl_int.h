/*
 * node/ddl_int.h - DDL that has to look at a source: it opens the source, counts and checks rows on
 * a thread of its own (node/work.h), then changes the state on the loop.
 *
 * The thread sees nothing but the task, which holds copies of all that it needs.
 */
#ifndef CM_NODE_DDL_INT_H
#define CM_NODE_DDL_INT_H

#include "node/session_int.h"
#include "source/source.h"

typedef struct cm_ddl_task cm_ddl_task;
struct cm_ddl_task {
    cm_session *session; /* for the loop alone */
    cm_arena arena;      /* everything below; wiped: options may hold passwords */
    const cm_stmt *stmt; /* a copy: the client's may be gone while the thread still runs */
    int offset;          /* where the copy begins in the client's text */
    const char *cache_dir;
    int timeout_ms;
    size_t servers;
    const cm_state_server *server;
    size_t enums; /* the node's, then those that an import makes */
    size_t new_enums;
    const cm_enum **enum_type;
    size_t tables; /* to count and check */
    cm_state_table *table;

    cm_status (*look)(cm_ddl_task *task, cm_diag *diag);   /* on the thread */
    cm_status (*change)(cm_ddl_task *task, cm_diag *diag); /* on the loop, inside a change */
    cm_status status;
    cm_diag diag;
};

/* A task with a copy of the statement; new tasks belong to the caller until they are started. */
CM_MUST cm_status cm_ddl_task_new(cm_session *s, const cm_stmt *stmt, cm_ddl_task **ret,
                                  cm_diag *diag);
void cm_ddl_task_free(cm_ddl_task *task); /* NULL allowed */
/* Runs look, then change, then ends the session's statement.  Takes the task. */
void cm_ddl_task_start(cm_ddl_task *task);

/* Adds what the state knows of one server. */
CM_MUST cm_status cm_ddl_task_server(cm_ddl_task *task, const char *name, cm_diag *diag);
CM_MUST cm_status cm_ddl_task_enums(cm_ddl_task *task, cm_diag *diag);

/* ---- on the thread ------------------------------------------------------------------------ */

CM_MUST cm_status cm_ddl_open(cm_ddl_task *task, const char *server, cm_source **ret,
                              cm_diag *diag);
/* Counts the rows of all the task's tables, publishes their bounds, and checks every value. */
CM_MUST cm_status cm_ddl_look_tables(cm_ddl_task *task, cm_diag *diag);
/* What a definition stands for: table, remote names; no rows yet. */
CM_MUST cm_status cm_ddl_resolve(cm_ddl_task *task, const char *name, const char *remote,
                                 const cm_column_def *def, size_t cols, cm_state_table *ret,
                                 cm_diag *diag);

#endif
