/*
 * node/session_int.h - a session's inside, shared by session*.c, ddl*.c, roles.c and syscatalog*.c.
 *
 * A statement begins in cm_session_execute and ends in exactly one call of cm_session_done or
 * cm_session_fail, there or later on the loop.  Both may start the next statement: whoever calls
 * them touches the session no more.
 */
#ifndef CM_NODE_SESSION_INT_H
#define CM_NODE_SESSION_INT_H

#include "exec/exec.h"
#include "node/jobs.h"
#include "node/session.h"
#include "node/state.h"
#include "node/work.h"

/* SQLSTATE codes of this part of the node. */
#define CM_SQL_BAD_VALUE "22023"
#define CM_SQL_BAD_NAME "42602"
#define CM_SQL_IN_TRANSACTION "25001"
#define CM_SQL_FAILED_TRANSACTION "25P02"
#define CM_SQL_DEPENDS "2BP01"
#define CM_SQL_WARNING "01000"

typedef struct cm_syscatalog cm_syscatalog; /* node/syscatalog.h */
typedef struct cm_cursor cm_cursor;         /* session_cursor.c */
typedef struct cm_savepoint cm_savepoint;   /* session_transaction.c */

enum { CM_SESSION_SETTINGS = 64, CM_SESSION_PREPARED_MAX = 1000 };

/* A SELECT under a name, by PREPARE. */
typedef struct cm_named_query {
    struct cm_named_query *next;
    char *name, *sql;
} cm_named_query;

/* Settings of a session by number; texts are malloced, NULL stands for the default. */
typedef struct cm_own_settings {
    char *value[CM_SESSION_SETTINGS];   /* in force */
    bool local[CM_SESSION_SETTINGS];    /* by SET LOCAL: COMMIT puts `outside` back */
    char *outside[CM_SESSION_SETTINGS]; /* NULL where not local */
} cm_own_settings;

struct cm_session {
    cm_node *node;
    char role[CM_NAME_MAX_BYTES + 1];
    uint32_t number;  /* pg_backend_pid(): unique on this node while it runs */
    cm_arena arena;   /* of the statement at hand; reset when the next begins */
    char transaction; /* 'I', 'T' or 'E' */
    int64_t now;      /* when the block or, outside of one, the statement began: see plan.h */
    cm_own_settings setting;
    cm_own_settings setting_before; /* at BEGIN: ROLLBACK puts them back */
    cm_option reported[CM_SESSION_SETTINGS];
    cm_named_query *named;
    cm_cursor *cursor;       /* the newest first */
    cm_savepoint *savepoint; /* the innermost first */
    size_t savepoints;
    cm_syscatalog *syscatalog; /* kept from one catalog query to the next; NULL */

    /* the statement at hand */
    bool running;
    cm_session_sink sink;
    cm_session_sink outer;  /* of DECLARE and COPY: the client's, while sink is their own */
    const cm_stmt *copying; /* COPY's options */
    size_t copy_cols;
    cm_explain explain;
    bool explaining; /* EXPLAIN ANALYZE */
    cm_job *job;
    cm_work *work;
    uint64_t rows;
};

/* The outcome of the statement at hand. */
void cm_session_done(cm_session *s, const char *tag);
void cm_session_fail(cm_session *s, const cm_diag *diag);
/* The one or the other. */
void cm_session_end(cm_session *s, cm_status st, const char *tag, const cm_diag *diag);
/* severity NOTICE */
CM_PRINTF(3, 4)
void cm_session_notice(cm_session *s, const char *sqlstate, const char *format, ...);
/* Rows of text columns, one after the other: columns first. */
void cm_session_text_columns(cm_session *s, const char *const *name, size_t cols);

typedef enum cm_right { CM_RIGHT_ADMINISTRATOR, CM_RIGHT_PUBLISHER, CM_RIGHT_ANALYST } cm_right;
const char *cm_right_name(cm_right right);
/* 42501 with the GRANT that would help; 28000 when the role was dropped meanwhile. */
CM_MUST cm_status cm_session_require(cm_session *s, cm_right right, const char *what,
                                     cm_diag *diag);

/* Sends the answer of what runs next to `sink`, whose arg is the session: DECLARE and COPY. Notices
 * and settings go on to the client, who is `outer` meanwhile. */
void cm_session_divert(cm_session *s, cm_session_sink sink);
/* The query inside of DECLARE or COPY as a statement of its own, in the session's arena. */
CM_MUST cm_status cm_session_query_of(cm_session *s, const cm_stmt *stmt, const cm_stmt **ret,
                                      cm_diag *diag);
/* Any kind of SELECT. */
void cm_session_run_select(cm_session *s, const cm_stmt *stmt, const char *const *params);

/* ---- session_transaction.c ---------------------------------------------------------------- */

void cm_session_begin(cm_session *s, const cm_stmt *stmt);
void cm_session_end_transaction(cm_session *s, bool commit);
CM_MUST cm_status cm_session_savepoint(cm_session *s, const cm_stmt *stmt, cm_diag *diag);
CM_MUST cm_status cm_session_release(cm_session *s, const cm_stmt *stmt, cm_diag *diag);
CM_MUST cm_status cm_session_rollback_to(cm_session *s, const cm_stmt *stmt, cm_diag *diag);
void cm_session_transaction_fini(cm_session *s);

/* ---- session_cursor.c, session_copy.c ----------------------------------------------------- */

void cm_cursor_declare(cm_session *s, const cm_stmt *stmt, const char *const *params);
void cm_cursor_fetch(cm_session *s, const cm_stmt *stmt); /* and MOVE */
CM_MUST cm_status cm_cursor_close(cm_session *s, const cm_stmt *stmt, cm_diag *diag);
void cm_cursor_describe(cm_session *s, const cm_stmt *stmt, const cm_result_col **ret_col,
                        size_t *ret_cols);
/* Those of so many nested blocks at least: 0 all, 1 the transaction's own, then by savepoint. */
void cm_cursors_close(cm_session *s, size_t depth);
/* RELEASE: those of deeper blocks are of this depth from now on. */
void cm_cursors_release(cm_session *s, size_t depth);
/* Closes the transaction's own but those WITH HOLD. */
void cm_cursors_commit(cm_session *s);
void cm_session_copy(cm_session *s, const cm_stmt *stmt, const char *const *params);

/* ---- session_settings.c ------------------------------------------------------------------- */

CM_MUST cm_status cm_session_settings_init(cm_session *s, cm_diag *diag);
void cm_session_settings_fini(cm_session *s);
/* BEGIN, SAVEPOINT: a copy, which replaces what was kept there.  It is ended by one of the next
 * two, which leave it empty. */
void cm_session_settings_keep(cm_session *s, cm_own_settings *kept);
/* ROLLBACK: the session's are what was kept again; what that changes is reported. */
void cm_session_settings_restore(cm_session *s, cm_own_settings *kept);
/* RELEASE, COMMIT: frees what was kept. */
void cm_session_settings_forget(cm_own_settings *kept);
/* COMMIT: nothing stays of what SET LOCAL made; what that changes is reported. */
void cm_session_settings_end_local(cm_session *s);
/* The value in force, also of the node's own settings and in any case of letters; NULL: unknown.
 * Borrowed from the session or the arena. */
const char *cm_session_setting(cm_session *s, const char *name, cm_arena *arena);
/* SET and RESET (value NULL). */
CM_MUST cm_status cm_session_set(cm_session *s, const char *name, const char *value, cm_diag *diag);
/* Until the transaction block ends; outside of one a notice and nothing else. */
CM_MUST cm_status cm_session_set_local(cm_session *s, const char *name, const char *value,
                                       cm_diag *diag);
/* Calls fn for every setting, ordered by name within its kind. */
typedef void (*cm_setting_fn)(void *arg, const char *name, const char *value, const char *what);
void cm_session_settings_walk(cm_session *s, cm_setting_fn fn, void *arg);
void cm_session_show(cm_session *s, const cm_stmt *stmt);
cm_plan_settings cm_session_plan_settings(cm_session *s);
/* statement_timeout; 0: none. */
int cm_session_deadline_ms(cm_session *s);

/* ---- session_select.c --------------------------------------------------------------------- */

/* One SELECT over the federation. */
void cm_session_select(cm_session *s, const cm_stmt *stmt, const char *const *params);
void cm_session_explain(cm_session *s, const cm_stmt *stmt, const char *const *params);
cm_result_col cm_session_plan_column(const cm_explain *explain);
cm_result_col cm_result_col_of(const char *name, const cm_type *type);
CM_MUST cm_status cm_session_describe_select(cm_session *s, const cm_stmt *stmt, uint32_t *oids,
                                             cm_arena *arena, const cm_result_col **ret_col,
                                             size_t *ret_cols, cm_diag *diag);

/* Rows of a whole answer; then what ends it, EXPLAIN ANALYZE's text included: returns the tag. */
void cm_session_answer(cm_session *s, const cm_plan *plan, const cm_exec_result *result);
const char *cm_session_finish(cm_session *s, const cm_plan *plan, const cm_job_stats *stats);

/* ---- session_plain.c ---------------------------------------------------------------------- */

/* What a statement's names mean: the federation's tables, or nothing where it reads none. */
CM_MUST cm_status cm_session_schema(cm_session *s, const cm_stmt *stmt, cm_arena *arena,
                                    const cm_schema **ret, cm_diag *diag);
/* One SELECT that reads no table; on failure the statement has not ended. */
CM_MUST cm_status cm_session_plain(cm_session *s, const cm_stmt *stmt, const char *const *params,
                                   cm_diag *diag);

/* ---- ddl.c, ddl_table.c, ddl_import.c, ddl_grant.c, roles.c ------------------------------- */

void cm_ddl_server(cm_session *s, const cm_stmt *stmt);  /* CREATE SERVER */
void cm_ddl_table(cm_session *s, const cm_stmt *stmt);   /* CREATE FOREIGN TABLE */
void cm_ddl_import(cm_session *s, const cm_stmt *stmt);  /* IMPORT FOREIGN SCHEMA */
void cm_ddl_analyze(cm_session *s, const cm_stmt *stmt); /* ANALYZE */
/* What needs no look at a source: inside a change of the node. */
CM_MUST cm_status cm_ddl_enum(cm_session *s, const cm_stmt *stmt, cm_diag *diag);
CM_MUST cm_status cm_ddl_drop_server(cm_session *s, const cm_stmt *stmt, cm_diag *diag);
CM_MUST cm_status cm_ddl_drop_type(cm_session *s, const cm_stmt *stmt, cm_diag *diag);
CM_MUST cm_status cm_ddl_drop_table(cm_session *s, const cm_stmt *stmt, cm_diag *diag);
CM_MUST cm_status cm_ddl_label(cm_session *s, const cm_stmt *stmt, cm_diag *diag);
CM_MUST cm_status cm_ddl_grant(cm_session *s, const cm_stmt *stmt, cm_diag *diag);
CM_MUST cm_status cm_role_create(cm_session *s, const cm_stmt *stmt, cm_diag *diag);
CM_MUST cm_status cm_role_alter(cm_session *s, const cm_stmt *stmt, cm_diag *diag);
CM_MUST cm_status cm_role_drop(cm_session *s, const cm_stmt *stmt, cm_diag *diag);
CM_MUST cm_status cm_role_grant(cm_session *s, const cm_stmt *stmt, cm_diag *diag);

/* ---- views.c ------------------------------------------------------------------------------ */

CM_MUST cm_status cm_ddl_create_view(cm_session *s, const cm_stmt *stmt, cm_diag *diag);
CM_MUST cm_status cm_ddl_drop_view(cm_session *s, const cm_stmt *stmt, cm_diag *diag);
/* sql, which reads what stmt reads, with the definitions of this node's views before it: what
 * cm_sql_prepare takes.  sql itself when it reads none. */
CM_MUST cm_status cm_view_expand(cm_session *s, const cm_stmt *stmt, const char *sql,
                                 cm_arena *arena, const char **ret, cm_diag *diag);
/* Names and types alone. */
CM_MUST cm_status cm_view_columns(cm_session *s, const cm_state_view *view, cm_arena *arena,
                                  const cm_column **ret, size_t *ret_cols, cm_diag *diag);

/* Whether a table, view or materialized view of this node has the name. */
CM_MUST cm_status cm_view_name_taken(cm_session *s, const char *name, bool *ret, cm_diag *diag);
/* Drops the views that read it with CASCADE; 2BP01 without, when there are any. */
CM_MUST cm_status cm_view_drop_readers(cm_session *s, const char *name, const char *what,
                                       bool cascade, cm_diag *diag);

/* ---- matviews.c --------------------------------------------------------------------------- */

void cm_matview_create(cm_session *s, const cm_stmt *stmt);
void cm_matview_refresh(cm_session *s, const cm_stmt *stmt);
/* What all nodes would plan for EXPLAIN CREATE MATERIALIZED VIEW. */
CM_MUST cm_status cm_matview_statement(cm_session *s, const cm_stmt *stmt, const char **ret,
                                       cm_diag *diag);
CM_MUST cm_status cm_matview_drop(cm_session *s, const cm_stmt *stmt, cm_diag *diag);

/* What the audit log says of a statement: its text, with passwords and sources' credentials taken
 * out. */
const char *cm_ddl_audit_text(const cm_stmt *stmt, cm_arena *arena);
/* Wipes the password and the text that holds it, in the parser's arena. */
void cm_ddl_wipe_password(const cm_stmt *stmt);
/* 3F000 unless the name stands for this node's own tables: no schema, the organisation, public. */
CM_MUST cm_status cm_ddl_check_schema(cm_session *s, const char *schema, cm_diag *diag);

#endif
