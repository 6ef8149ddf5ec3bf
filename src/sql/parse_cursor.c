/* Statements that hand out a SELECT's rows otherwise: DECLARE, FETCH, MOVE, CLOSE, COPY ... TO. */
#include "sql/parse_pg.h"

#include <string.h>

/* ---- cursors ------------------------------------------------------------------------------ */

/* Of PostgreSQL's DeclareCursorStmt. */
enum { CURSOR_BINARY = 0x1, CURSOR_NO_SCROLL = 0x4, CURSOR_HOLD = 0x20 };

static cm_status parse_declare(cm_parser *p, const PgQuery__DeclareCursorStmt *s, cm_stmt *stmt)
{
    stmt->kind = CM_STMT_DECLARE;
    stmt->tag = "DECLARE CURSOR";
    stmt->name = cm_arena_strdup(p->arena, s->portalname);
    stmt->cursor.hold = (s->options & CURSOR_HOLD) != 0;
    stmt->cursor.forward_only = (s->options & CURSOR_NO_SCROLL) != 0;
    if ((s->options & CURSOR_BINARY) != 0) {
        return cm_parser_refuse(p, -1, "a BINARY cursor");
    }
    return cm_parse_inner(p, s->query, "DECLARE", stmt);
}

static cm_status parse_fetch(cm_parser *p, const PgQuery__FetchStmt *s, cm_stmt *stmt)
{
    stmt->kind = CM_STMT_FETCH;
    stmt->tag = s->ismove ? "MOVE" : "FETCH";
    stmt->name = cm_arena_strdup(p->arena, s->portalname);
    stmt->cursor.move = s->ismove;
    stmt->cursor.count = s->how_many;
    switch ((int)s->direction) {
    case PG_QUERY__FETCH_DIRECTION__FETCH_BACKWARD:
        stmt->cursor.fetch = CM_FETCH_BACKWARD;
        return CM_OK;
    case PG_QUERY__FETCH_DIRECTION__FETCH_ABSOLUTE:
        stmt->cursor.fetch = CM_FETCH_ABSOLUTE;
        return CM_OK;
    case PG_QUERY__FETCH_DIRECTION__FETCH_RELATIVE:
        stmt->cursor.fetch = CM_FETCH_RELATIVE;
        return CM_OK;
    default:
        stmt->cursor.fetch = CM_FETCH_FORWARD;
        return CM_OK;
    }
}

static cm_status parse_close(cm_parser *p, const PgQuery__ClosePortalStmt *s, cm_stmt *stmt)
{
    stmt->kind = CM_STMT_CLOSE;
    stmt->name = cm_parser_text(p, s->portalname);
    stmt->tag = stmt->name == NULL ? "CLOSE CURSOR ALL" : "CLOSE CURSOR";
    return CM_OK;
}

/* ---- COPY ... TO STDOUT -------------------------------------------------------------------- */

static bool is_on(const PgQuery__Node *arg)
{
    const char *text = cm_pg_string(arg);

    if (arg == NULL) {
        return true;
    }
    if (arg->node_case == PG_QUERY__NODE__NODE_BOOLEAN) {
        return arg->boolean->boolval;
    }
    if (arg->node_case == PG_QUERY__NODE__NODE_INTEGER) {
        return arg->integer->ival != 0;
    }
    return text != NULL && (strcmp(text, "true") == 0 || strcmp(text, "on") == 0);
}

/* A single character of one byte that can stand for itself. */
static cm_status copy_char(cm_parser *p, const PgQuery__DefElem *def, char *ret)
{
    const char *text = cm_pg_string(def->arg);

    if (text == NULL || strlen(text) != 1 || strchr("\r\n", text[0]) != NULL) {
        cm_parser_at(p, def->location);
        return cm_fail(p->diag, CM_EINVAL, CM_SQL_BAD_PARAMETER,
                       "COPY %s must be a single one-byte character", def->defname);
    }
    *ret = text[0];
    return CM_OK;
}

static cm_status copy_format(cm_parser *p, const PgQuery__DefElem *def, cm_stmt *stmt)
{
    const char *format = cm_pg_string(def->arg);

    stmt->copy.csv = format != NULL && strcmp(format, "csv") == 0;
    if (stmt->copy.csv || (format != NULL && strcmp(format, "text") == 0)) {
        return CM_OK;
    }
    if (format != NULL && strcmp(format, "binary") == 0) {
        return cm_parser_refuse(p, def->location, "COPY in binary format");
    }
    cm_parser_at(p, def->location);
    return cm_fail(p->diag, CM_EINVAL, CM_SQL_BAD_PARAMETER,
                   "COPY format \"" CM_QUOTE "\" not recognized", format == NULL ? "" : format);
}

static cm_status copy_option(cm_parser *p, const PgQuery__DefElem *def, cm_stmt *stmt)
{
    const char *text = cm_pg_string(def->arg);

    if (strcmp(def->defname, "format") == 0) {
        return copy_format(p, def, stmt);
    }
    if (strcmp(def->defname, "header") == 0) {
        stmt->copy.header = is_on(def->arg);
        return CM_OK;
    }
    if (strcmp(def->defname, "delimiter") == 0) {
        return copy_char(p, def, &stmt->copy.delimiter);
    }
    if (strcmp(def->defname, "quote") == 0) {
        return copy_char(p, def, &stmt->copy.quote);
    }
    if (strcmp(def->defname, "escape") == 0) {
        return copy_char(p, def, &stmt->copy.escape);
    }
    if (strcmp(def->defname, "null") == 0 && text != NULL) {
        stmt->copy.null = cm_arena_strdup(p->arena, text);
        return CM_OK;
    }
    if (strcmp(def->defname, "force_quote") == 0 && def->arg != NULL &&
        def->arg->node_case == PG_QUERY__NODE__NODE_A_STAR) {
        stmt->copy.quote_all = true;
        return CM_OK;
    }
    return cm_parser_refuse(p, def->location, "COPY option \"" CM_QUOTE "\"", def->defname);
}

/* COPY t (a, b) TO STDOUT is COPY (SELECT a, b FROM t) TO STDOUT. */
static cm_status select_all(cm_parser *p, const PgQuery__CopyStmt *s, cm_stmt *stmt)
{
    cm_buf text = {0};

    cm_buf_printf(&text, "SELECT %s", s->n_attlist == 0 ? "*" : "");
    for (size_t i = 0; i < s->n_attlist; i++) {
        const char *name = cm_pg_string(s->attlist[i]);
        cm_buf_printf(&text, "%s", i == 0 ? "" : ", ");
        cm_buf_put_quoted(&text, name == NULL ? "" : name, '"');
    }
    cm_buf_printf(&text, " FROM ");
    if (s->relation->schemaname != NULL && s->relation->schemaname[0] != '\0') {
        cm_buf_put_quoted(&text, s->relation->schemaname, '"');
        cm_buf_printf(&text, ".");
    }
    cm_buf_put_quoted(&text, s->relation->relname, '"');
    stmt->query = text.failed ? NULL : cm_arena_strdup(p->arena, cm_buf_text(&text));
    cm_buf_free(&text);
    return stmt->query != NULL ? CM_OK
                               : cm_fail(p->diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
}

static cm_status parse_copy(cm_parser *p, const PgQuery__CopyStmt *s, cm_stmt *stmt)
{
    stmt->kind = CM_STMT_COPY;
    stmt->tag = "COPY";
    if (s->is_from) {
        return cm_parser_refuse(p, (int32_t)p->start, "COPY FROM");
    }
    if (s->is_program || (s->filename != NULL && s->filename[0] != '\0')) {
        return cm_parser_refuse(p, (int32_t)p->start, "COPY to anything but STDOUT");
    }
    for (size_t i = 0; i < s->n_options; i++) {
        cm_status st = copy_option(p, s->options[i]->def_elem, stmt);
        if (st != CM_OK) {
            return st;
        }
    }
    stmt->copy.delimiter = stmt->copy.delimiter != 0 ? stmt->copy.delimiter
                           : stmt->copy.csv          ? ','
                                                     : '\t';
    stmt->copy.quote = stmt->copy.quote != 0 ? stmt->copy.quote : '"';
    stmt->copy.escape = stmt->copy.escape != 0 ? stmt->copy.escape : stmt->copy.quote;
    stmt->copy.null = stmt->copy.null != NULL ? stmt->copy.null : stmt->copy.csv ? "" : "\\N";
    return s->query != NULL ? cm_parse_inner(p, s->query, "COPY", stmt) : select_all(p, s, stmt);
}

cm_status cm_parse_cursor(cm_parser *p, const PgQuery__Node *node, cm_stmt *stmt, bool *ret_known)
{
    *ret_known = true;
    switch ((int)node->node_case) {
    case PG_QUERY__NODE__NODE_DECLARE_CURSOR_STMT:
        return parse_declare(p, node->declare_cursor_stmt, stmt);
    case PG_QUERY__NODE__NODE_FETCH_STMT:
        return parse_fetch(p, node->fetch_stmt, stmt);
    case PG_QUERY__NODE__NODE_CLOSE_PORTAL_STMT:
        return parse_close(p, node->close_portal_stmt, stmt);
    case PG_QUERY__NODE__NODE_COPY_STMT:
        return parse_copy(p, node->copy_stmt, stmt);
    default:
        *ret_known = false;
        return CM_OK;
    }
}
