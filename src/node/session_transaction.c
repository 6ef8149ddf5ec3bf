/*
 * Transaction blocks, which drivers begin.  Statements stand alone: what a rollback takes back is
 * the session's settings and its cursors.
 */
#include "node/session_int.h"

#include <stdlib.h>
#include <string.h>

enum { SAVEPOINTS_MAX = 1000 };

struct cm_savepoint {
    struct cm_savepoint *below;
    char *name;
    cm_own_settings setting;
};

static void pop(cm_session *s, bool restore)
{
    cm_savepoint *gone = s->savepoint;
    s->savepoint = gone->below;
    s->savepoints--;
    if (restore) {
        cm_session_settings_restore(s, &gone->setting);
    } else {
        cm_session_settings_forget(&gone->setting);
    }
    free(gone->name);
    free(gone);
}

void cm_session_transaction_fini(cm_session *s)
{
    while (s->savepoint != NULL) {
        pop(s, false);
    }
    cm_cursors_close(s, 0);
}

/* ---- blocks ------------------------------------------------------------------------------- */

void cm_session_begin(cm_session *s, const cm_stmt *stmt)
{
    if (s->transaction == 'I') {
        s->transaction = 'T';
        cm_session_settings_keep(s, &s->setting_before);
    } else {
        cm_session_notice(s, CM_SQL_IN_TRANSACTION, "there is already a transaction in progress");
    }
    cm_session_done(s, stmt->tag);
}

void cm_session_end_transaction(cm_session *s, bool commit)
{
    commit = commit && s->transaction != 'E';
    if (s->transaction == 'I') {
        cm_session_notice(s, "25P01", "there is no transaction in progress");
    } else {
        while (s->savepoint != NULL) {
            pop(s, false);
        }
        if (commit) {
            cm_cursors_commit(s);
            cm_session_settings_forget(&s->setting_before);
            cm_session_settings_end_local(s);
        } else {
            cm_cursors_close(s, 1);
            cm_session_settings_restore(s, &s->setting_before);
        }
    }
    s->transaction = 'I';
    cm_session_done(s, commit ? "COMMIT" : "ROLLBACK");
}

/* ---- savepoints --------------------------------------------------------------------------- */

static cm_status only_in_blocks(const cm_session *s, const char *what, cm_diag *diag)
{
    return s->transaction != 'I' ? CM_OK
                                 : cm_fail(diag, CM_EINVAL, "25P01",
                                           "%s can only be used in transaction blocks", what);
}

static cm_status push(cm_session *s, const char *name, cm_diag *diag)
{
    if (s->savepoints >= SAVEPOINTS_MAX) {
        return cm_fail(diag, CM_EDENIED, CM_SQL_TOO_MANY, "too many savepoints");
    }
    cm_savepoint *p = calloc(1, sizeof *p);
    if (p == NULL || (p->name = strdup(name)) == NULL) {
        free(p);
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    cm_session_settings_keep(s, &p->setting);
    p->below = s->savepoint;
    s->savepoint = p;
    s->savepoints++;
    return CM_OK;
}

static cm_status find(const cm_session *s, const char *name, cm_diag *diag)
{
    const cm_savepoint *p = s->savepoint;
    while (p != NULL && strcmp(p->name, name) != 0) {
        p = p->below;
    }
    return p != NULL
               ? CM_OK
               : cm_fail(diag, CM_ENOTFOUND, "3B001", "savepoint \"%s\" does not exist", name);
}

cm_status cm_session_savepoint(cm_session *s, const cm_stmt *stmt, cm_diag *diag)
{
    cm_status st = only_in_blocks(s, "SAVEPOINT", diag);
    return st == CM_OK ? push(s, stmt->name, diag) : st;
}

cm_status cm_session_release(cm_session *s, const cm_stmt *stmt, cm_diag *diag)
{
    cm_status st = only_in_blocks(s, "RELEASE SAVEPOINT", diag);
    if (st == CM_OK) {
        st = find(s, stmt->name, diag);
    }
    for (bool found = false; st == CM_OK && !found;) {
        found = strcmp(s->savepoint->name, stmt->name) == 0;
        pop(s, false);
    }
    if (st == CM_OK) {
        cm_cursors_release(s, s->savepoints + 1);
    }
    return st;
}

/* The savepoint stays, for another time. */
cm_status cm_session_rollback_to(cm_session *s, const cm_stmt *stmt, cm_diag *diag)
{
    cm_status st = only_in_blocks(s, "ROLLBACK TO SAVEPOINT", diag);
    if (st == CM_OK) {
        st = find(s, stmt->name, diag);
    }
    for (bool found = false; st == CM_OK && !found;) {
        found = strcmp(s->savepoint->name, stmt->name) == 0;
        pop(s, true);
    }
    if (st == CM_OK) {
        st = push(s, stmt->name, diag);
    }
    if (st == CM_OK) {
        cm_cursors_close(s, s->savepoints + 1);
        s->transaction = 'T';
    }
    return st;
}
