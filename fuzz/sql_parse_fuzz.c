/*
 * SQL texts into statements.  Each statement's own text, and the query inside EXPLAIN and PREPARE,
 * must parse alone to the same kind; columns of tables resolve or say why not.
 */
#include "fuzz.h"

#include "sql/stmt.h"

#include <stdlib.h>
#include <string.h>

static const char *const labels[] = {"north", "south"};
static const cm_enum region = {"region", CM_COUNT(labels), labels};
static const cm_enum *const enums[] = {&region};

static void resolve_columns(const cm_stmt *stmt, cm_arena *arena)
{
    for (size_t i = 0; i < stmt->columns; i++) {
        cm_column column;
        cm_diag diag = {0};
        cm_status st =
            cm_column_resolve(&stmt->columndef[i], enums, CM_COUNT(enums), arena, &column, &diag);
        CM_ASSERT((st == CM_OK) == (diag.status == CM_OK));
        if (st == CM_OK) {
            CM_ASSERT(column.range.lo <= column.range.hi);
            CM_ASSERT(cm_range_planes(column.range) <= 127);
        }
    }
}

static void check_again(const char *text, cm_stmt_kind kind, cm_arena *arena)
{
    cm_stmts again;
    cm_status st = cm_sql_parse(text, arena, &again, NULL);
    CM_ASSERT(st == CM_OK);
    CM_ASSERT(again.count == 1 && again.stmt->kind == kind);
}

static void use(const cm_stmt *stmt, size_t text_bytes, cm_arena *arena)
{
    const char *fingerprint = NULL;

    CM_ASSERT(stmt->tag != NULL && stmt->tag[0] != '\0');
    CM_ASSERT(stmt->offset >= 0 && (size_t)stmt->offset <= text_bytes);
    CM_ASSERT(stmt->params >= 0 && stmt->params <= CM_SQL_MAX_PARAMS);
    check_again(stmt->sql, stmt->kind, arena);
    if (stmt->kind == CM_STMT_SELECT) {
        cm_status st = cm_sql_fingerprint(stmt->sql, arena, &fingerprint, NULL);
        CM_ASSERT(st == CM_OK && fingerprint[0] != '\0');
    }
    resolve_columns(stmt, arena);
    if (stmt->kind == CM_STMT_LABEL && stmt->value != NULL) {
        cm_label label;
        cm_status st = cm_label_parse(stmt->value, &label, NULL);
        CM_ASSERT(st == CM_OK || st == CM_EINVAL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *sql = cm_fuzz_text(data, bytes);
    cm_arena arena;
    cm_stmts stmts;
    cm_diag diag = {0};

    CM_ASSERT(cm_arena_init(&arena, (size_t)1 << 30) == CM_OK);
    cm_status st = cm_sql_parse(sql, &arena, &stmts, &diag);
    CM_ASSERT((st == CM_OK) == (diag.status == CM_OK));
    for (size_t i = 0; st == CM_OK && i < stmts.count && i < 8; i++) {
        use(&stmts.stmt[i], strlen(sql), &arena);
    }
    cm_arena_fini(&arena);
    free(sql);
    return 0;
}

bool cm_fuzz_seed(unsigned number, cm_buf *out)
{
    (void)number;
    (void)out;
    return false;
}
