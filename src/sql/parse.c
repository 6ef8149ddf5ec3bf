/*
 * From text to statements, over libpg_query: PostgreSQL's parser, whose tree comes back as a
 * protobuf message that the parse_*.c files translate.
 *
 * libpg_query, protobuf-c and the translation recurse as deep as expressions nest, with some 3 KB
 * of stack a token in the worst case and without a check.  So the text is scanned first, the tokens
 * of each statement that can nest are counted and bounded, and all of it runs on a thread whose
 * stack is larger than that bound needs.  libpg_query keeps its memory by thread and frees it when
 * the thread ends.
 */
#include "sql/parse_pg.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHARS_STEP = 256,
    NESTING_TOKENS_MAX = 16000,
    STACK_BYTES = 96 << 20,
    TYPE_BYTES_MAX = 100,
    /* A node of the tree takes two bytes of text at least and less than 512 bytes of arena. */
    ARENA_BYTES_PER_BYTE = 256,
    ARENA_BYTES_LEAST = 64 << 10,
};

typedef struct cm_span { /* bytes of the text */
    size_t from, to;
} cm_span;

int cm_parser_position(const cm_parser *p, int32_t location)
{
    if (location < 0 || (size_t)location > p->bytes) {
        return 0;
    }
    size_t at = (size_t)location;
    size_t known = at / CHARS_STEP;
    return (int)p->chars[known] +
           cm_utf8_chars(p->sql + known * CHARS_STEP, at - known * CHARS_STEP) + 1;
}

static const uint32_t *count_chars(const char *sql, size_t bytes, cm_arena *arena)
{
    uint32_t *chars = CM_NEW_SMALL(arena, uint32_t, bytes / CHARS_STEP + 1);

    for (size_t i = CHARS_STEP; i <= bytes; i += CHARS_STEP) {
        chars[i / CHARS_STEP] =
            chars[i / CHARS_STEP - 1] + (uint32_t)cm_utf8_chars(sql + i - CHARS_STEP, CHARS_STEP);
    }
    return chars;
}

int32_t cm_parser_find(const cm_parser *p, int token)
{
    for (size_t i = 0; i < p->tokens->n_tokens; i++) {
        if ((int)p->tokens->tokens[i]->token == token &&
            (size_t)p->tokens->tokens[i]->start >= p->start) {
            return p->tokens->tokens[i]->start;
        }
    }
    return -1;
}

const char *cm_parser_text(cm_parser *p, const char *text)
{
    return text == NULL || text[0] == '\0' ? NULL : cm_arena_strdup(p->arena, text);
}

void cm_parser_at(cm_parser *p, int32_t location)
{
    if (p->diag != NULL && p->diag->status == CM_OK && location >= 0) {
        p->diag->position = cm_parser_position(p, location);
    }
}

cm_status cm_parser_refuse(cm_parser *p, int32_t location, const char *format, ...)
{
    char what[128];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    cm_parser_at(p, location);
    return cm_fail(p->diag, CM_EUNSUPPORTED, CM_SQL_UNSUPPORTED, "%s is not supported", what);
}

cm_status cm_parser_deeper(cm_parser *p)
{
    if (p->depth >= CM_AST_MAX_DEPTH) {
        return cm_fail(p->diag, CM_EINVAL, CM_SQL_TOO_COMPLEX,
                       "statement is nested more than %d levels deep", CM_AST_MAX_DEPTH);
    }
    p->depth++;
    return CM_OK;
}

const char *cm_pg_string(const PgQuery__Node *node)
{
    return node != NULL && node->node_case == PG_QUERY__NODE__NODE_STRING ? node->string->sval
                                                                          : NULL;
}

bool cm_pg_name(PgQuery__Node *const *names, size_t count, const char **ret_schema,
                const char **ret_name)
{
    const char *name = count > 0 ? cm_pg_string(names[count - 1]) : NULL;
    const char *schema = count > 1 ? cm_pg_string(names[count - 2]) : NULL;

    if (name == NULL || count > 2 || (count == 2 && schema == NULL)) {
        return false;
    }
    *ret_name = name;
    *ret_schema = schema != NULL && strcmp(schema, "pg_catalog") == 0 ? NULL : schema;
    return true;
}

/* libpg_query does not pass the SQLSTATE on: syntax, unless the text says otherwise. */
static cm_status fail_as_pg(cm_parser *p, const PgQueryError *error)
{
    bool unsupported = strstr(error->message, "not supported") != NULL ||
                       strstr(error->message, "not yet") != NULL ||
                       strstr(error->message, "not implemented") != NULL;

    if (p->diag != NULL && p->diag->status == CM_OK && error->cursorpos > 0) {
        p->diag->position = error->cursorpos;
    }
    if (strncmp(error->message, "memory exhausted", 16) == 0) { /* bison's own stack */
        return cm_fail(p->diag, CM_EINVAL, CM_SQL_TOO_COMPLEX, "statement is too complex");
    }
    return cm_fail(p->diag, unsupported ? CM_EUNSUPPORTED : CM_EINVAL,
                   unsupported ? CM_SQL_UNSUPPORTED : CM_SQL_SYNTAX, "%s", error->message);
}

/* Constants, names, commas and comments lie flat, however many there are. */
static bool can_nest(PgQuery__Token token)
{
    switch ((int)token) {
    case PG_QUERY__TOKEN__ASCII_44:
    case PG_QUERY__TOKEN__ASCII_46:
    case PG_QUERY__TOKEN__IDENT:
    case PG_QUERY__TOKEN__UIDENT:
    case PG_QUERY__TOKEN__FCONST:
    case PG_QUERY__TOKEN__SCONST:
    case PG_QUERY__TOKEN__USCONST:
    case PG_QUERY__TOKEN__BCONST:
    case PG_QUERY__TOKEN__XCONST:
    case PG_QUERY__TOKEN__ICONST:
    case PG_QUERY__TOKEN__PARAM:
    case PG_QUERY__TOKEN__SQL_COMMENT:
    case PG_QUERY__TOKEN__C_COMMENT:
        return false;
    default:
        return true;
    }
}

static cm_status bound_nesting(cm_parser *p)
{
    size_t nesting = 0;

    for (size_t i = 0; i < p->tokens->n_tokens; i++) {
        const PgQuery__ScanToken *token = p->tokens->tokens[i];
        if ((int)token->token == PG_QUERY__TOKEN__ASCII_59) {
            nesting = 0;
        } else if (can_nest(token->token) && ++nesting > NESTING_TOKENS_MAX) {
            cm_parser_at(p, token->start);
            return cm_fail(p->diag, CM_EINVAL, CM_SQL_TOO_COMPLEX, "statement is too complex");
        }
    }
    return CM_OK;
}

/* A text that does not scan does not parse either: the parser's message is the better one. */
static cm_status scan(cm_parser *p)
{
    PgQueryScanResult result = pg_query_scan(p->sql);
    cm_status st = CM_OK;

    if (result.error == NULL) {
        p->tokens =
            pg_query__scan_result__unpack(NULL, result.pbuf.len, (const uint8_t *)result.pbuf.data);
        st = p->tokens == NULL ? cm_fail(p->diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory")
                               : bound_nesting(p);
    }
    pg_query_free_scan_result(result);
    return st;
}

static bool starts_select(int token)
{
    return token == PG_QUERY__TOKEN__SELECT || token == PG_QUERY__TOKEN__WITH ||
           token == PG_QUERY__TOKEN__VALUES || token == PG_QUERY__TOKEN__TABLE ||
           token == PG_QUERY__TOKEN__ASCII_40;
}

static size_t skip_parentheses(const PgQuery__ScanResult *tokens, size_t i)
{
    int open = 0;

    for (; i < tokens->n_tokens; i++) {
        int token = (int)tokens->tokens[i]->token;
        open += token == PG_QUERY__TOKEN__ASCII_40;
        open -= token == PG_QUERY__TOKEN__ASCII_41;
        if (open == 0) {
            return i + 1;
        }
    }
    return i;
}

/* Where the SELECT begins in EXPLAIN [options] SELECT, PREPARE name AS SELECT, CREATE VIEW name
 * AS SELECT, DECLARE name CURSOR FOR SELECT and COPY (SELECT ...): a byte offset. */
static size_t find_query(const cm_parser *p, cm_stmt_kind kind, size_t from, size_t to)
{
    const PgQuery__ScanResult *tokens = p->tokens;
    size_t i = 0;

    while (i < tokens->n_tokens && (size_t)tokens->tokens[i]->start < from) {
        i++;
    }
    const int before = kind == CM_STMT_DECLARE ? PG_QUERY__TOKEN__FOR
                       : kind == CM_STMT_COPY  ? PG_QUERY__TOKEN__ASCII_40
                                               : PG_QUERY__TOKEN__AS;
    for (i++; i + 1 < tokens->n_tokens && (size_t)tokens->tokens[i]->start < to; i++) {
        int token = (int)tokens->tokens[i]->token;
        if (kind != CM_STMT_EXPLAIN) {
            if (token == before) {
                return (size_t)tokens->tokens[i + 1]->start;
            }
            continue;
        }
        if (token == PG_QUERY__TOKEN__ASCII_40 &&
            !starts_select((int)tokens->tokens[i + 1]->token)) {
            i = skip_parentheses(tokens, i) - 1;
        } else if (starts_select(token)) {
            return (size_t)tokens->tokens[i]->start;
        }
    }
    return from;
}

/* Where the query ends in CREATE MATERIALIZED VIEW ... AS SELECT ... [WITH [NO] DATA]. */
static size_t end_of_query(const cm_parser *p, size_t from, size_t to)
{
    const PgQuery__ScanToken *last[3] = {NULL, NULL, NULL}; /* the last one first */

    for (size_t i = 0; i < p->tokens->n_tokens; i++) {
        const PgQuery__ScanToken *token = p->tokens->tokens[i];
        bool comment = (int)token->token == PG_QUERY__TOKEN__SQL_COMMENT ||
                       (int)token->token == PG_QUERY__TOKEN__C_COMMENT;
        if ((size_t)token->start >= from && (size_t)token->end <= to && !comment) {
            last[2] = last[1];
            last[1] = last[0];
            last[0] = token;
        }
    }
    if (last[1] == NULL || (int)last[0]->token != PG_QUERY__TOKEN__DATA_P) {
        return to;
    }
    bool no = (int)last[1]->token == PG_QUERY__TOKEN__NO && last[2] != NULL;
    const PgQuery__ScanToken *with = no ? last[2] : last[1];
    bool cut =
        (int)with->token == PG_QUERY__TOKEN__WITH || (int)with->token == PG_QUERY__TOKEN__WITH_LA;
    return cut ? (size_t)with->start : to;
}

/* Where the parenthesis closes that was opened before the query of COPY. */
static size_t end_of_copy(const cm_parser *p, size_t query, size_t to)
{
    int open = 1;

    for (size_t i = 0; i < p->tokens->n_tokens; i++) {
        const PgQuery__ScanToken *token = p->tokens->tokens[i];
        if ((size_t)token->start >= query) {
            open += (int)token->token == PG_QUERY__TOKEN__ASCII_40;
            open -= (int)token->token == PG_QUERY__TOKEN__ASCII_41;
            if (open == 0) {
                return (size_t)token->start;
            }
        }
    }
    return to;
}

/* The types of PREPARE name (type, ...), as they are written: i is the first token. */
static void find_types(cm_parser *p, size_t i, cm_span *types)
{
    int open = 0;
    size_t found = 0;

    while (i < p->tokens->n_tokens &&
           (int)p->tokens->tokens[i]->token != PG_QUERY__TOKEN__ASCII_40) {
        i++;
    }
    for (; i < p->tokens->n_tokens && found < p->param_types; i++) {
        int token = (int)p->tokens->tokens[i]->token;
        size_t start = (size_t)p->tokens->tokens[i]->start;
        bool separates = (token == PG_QUERY__TOKEN__ASCII_44 && open == 1) ||
                         (token == PG_QUERY__TOKEN__ASCII_41 && open == 1);
        if (separates) {
            types[found++].to = start;
        }
        open += (token == PG_QUERY__TOKEN__ASCII_40) - (token == PG_QUERY__TOKEN__ASCII_41);
        bool opens = token == PG_QUERY__TOKEN__ASCII_40 && open == 1;
        if ((opens || separates) && found < p->param_types) {
            types[found].from = start + 1;
        }
    }
}

/* The query of PREPARE with types: each parameter is cast to its own. */
static cm_status cast_params(cm_parser *p, size_t from, size_t query, size_t to, const char **ret)
{
    cm_span *types = CM_NEW_SMALL(p->arena, cm_span, p->param_types);
    size_t at = query, i = 0;
    cm_buf text = {0};

    while (i < p->tokens->n_tokens && (size_t)p->tokens->tokens[i]->start < from) {
        i++;
    }
    find_types(p, i, types);
    for (size_t t = 0; t < p->param_types; t++) {
        if (types[t].to - types[t].from > TYPE_BYTES_MAX) { /* it is written for every use */
            return cm_parser_refuse(p, (int32_t)types[t].from, "a type of so many characters");
        }
    }
    for (; i < p->tokens->n_tokens && (size_t)p->tokens->tokens[i]->start < to; i++) {
        size_t start = (size_t)p->tokens->tokens[i]->start;
        size_t end = (size_t)p->tokens->tokens[i]->end;
        if ((int)p->tokens->tokens[i]->token != PG_QUERY__TOKEN__PARAM || start < query) {
            continue;
        }
        unsigned long number = strtoul(p->sql + start + 1, NULL, 10);
        if (number >= 1 && number <= p->param_types) {
            const cm_span *type = &types[number - 1];
            cm_buf_put(&text, p->sql + at, start - at);
            cm_buf_printf(&text, "CAST($%lu AS %.*s)", number, (int)(type->to - type->from),
                          p->sql + type->from);
            at = end;
        }
    }
    cm_buf_put(&text, p->sql + at, to - at);
    cm_status st = CM_OK;
    if (text.failed) {
        st = cm_fail(p->diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    } else {
        *ret = cm_arena_strdup(p->arena, cm_buf_text(&text));
    }
    cm_buf_free(&text);
    return st;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The statement's own text, without the blanks around it. */
static cm_status cut_text(cm_parser *p, const PgQuery__RawStmt *raw, cm_stmt *stmt)
{
    size_t from = raw->stmt_location > 0 ? (size_t)raw->stmt_location : 0;
    size_t to = raw->stmt_len > 0 ? from + (size_t)raw->stmt_len : p->bytes;

    CM_ASSERT(from <= to && to <= p->bytes);
    while (from < to && is_blank(p->sql[from])) {
        from++;
    }
    while (to > from && is_blank(p->sql[to - 1])) {
        to--;
    }
    stmt->sql = cm_arena_strndup(p->arena, p->sql + from, to - from);
    stmt->offset = cm_parser_position(p, (int32_t)from) - 1;
    if (stmt->kind == CM_STMT_COPY && stmt->query != NULL) { /* made of a table's name */
        return CM_OK;
    }
    stmt->query = stmt->sql;
    stmt->query_offset = stmt->offset;
    if (stmt->kind == CM_STMT_DECLARE || stmt->kind == CM_STMT_COPY ||
        stmt->kind == CM_STMT_EXPLAIN || stmt->kind == CM_STMT_PREPARE ||
        stmt->kind == CM_STMT_CREATE_VIEW || stmt->kind == CM_STMT_CREATE_MATVIEW) {
        size_t query = find_query(p, stmt->kind, from, to);
        stmt->query = stmt->sql + (query - from);
        stmt->query_offset = cm_parser_position(p, (int32_t)query) - 1;
        if (stmt->kind == CM_STMT_COPY) {
            size_t end = end_of_copy(p, query, to);
            stmt->query = cm_arena_strndup(p->arena, p->sql + query, end - query);
        }
        if (stmt->kind == CM_STMT_CREATE_MATVIEW || stmt->explain.matview) {
            size_t end = end_of_query(p, query, to);
            stmt->query = cm_arena_strndup(p->arena, p->sql + query, end - query);
        }
        if (p->param_types > 0) {
            return cast_params(p, from, query, to, &stmt->query);
        }
    }
    return CM_OK;
}

/* "CREATE TABLE" of a statement that is not supported: its first one or two words. */
static cm_status refuse_statement(cm_parser *p, const PgQuery__RawStmt *raw)
{
    static const char *const first_of_two[] = {"CREATE",   "ALTER",    "DROP",    "REFRESH",
                                               "REASSIGN", "SECURITY", "COMMENT", NULL};
    const size_t start = raw->stmt_location > 0 ? (size_t)raw->stmt_location : 0;
    char what[64];
    size_t bytes = 0;
    int words = 0;

    for (size_t i = 0; i < p->tokens->n_tokens && words < 2; i++) {
        const PgQuery__ScanToken *token = p->tokens->tokens[i];
        size_t length = (size_t)(token->end - token->start);
        if ((size_t)token->start < start || (int)token->token == PG_QUERY__TOKEN__SQL_COMMENT ||
            (int)token->token == PG_QUERY__TOKEN__C_COMMENT) {
            continue;
        }
        if (bytes + length + 2 > sizeof what) {
            break;
        }
        if (words > 0) {
            what[bytes++] = ' ';
        }
        for (size_t c = 0; c < length; c++) {
            char ch = p->sql[(size_t)token->start + c];
            what[bytes++] = ch >= 'a' && ch <= 'z' ? (char)(ch - 'a' + 'A') : ch;
        }
        what[bytes] = '\0';
        words++;
        size_t two = 0;
        while (first_of_two[two] != NULL && strcmp(first_of_two[two], what) != 0) {
            two++;
        }
        if (words == 1 && first_of_two[two] == NULL) {
            break;
        }
    }
    return cm_parser_refuse(p, raw->stmt_location, "%s", what);
}

static cm_status parse_select_stmt(cm_parser *p, const PgQuery__Node *node, cm_stmt *stmt)
{
    cm_status st = cm_parse_select(p, node->select_stmt, &stmt->select);

    stmt->kind = CM_STMT_SELECT;
    stmt->tag = "SELECT";
    return st;
}

static cm_stmt_kind kind_of_select(const cm_parser *p)
{
    if (p->system_tables == 0 && p->user_tables > 0) {
        return CM_STMT_SELECT;
    }
    return p->system_tables > 0 || p->node_values > 0 ? CM_STMT_SYSTEM_SELECT
                                                      : CM_STMT_PLAIN_SELECT;
}

static void list_relations(cm_parser *p, cm_stmt *stmt)
{
    cm_relation_name *list;

    for (const cm_named_relation *r = p->named; r != NULL; r = r->next) {
        stmt->relations++;
    }
    list = CM_NEW_SMALL(p->arena, cm_relation_name, stmt->relations + 1);
    stmt->relation = list;
    for (const cm_named_relation *r = p->named; r != NULL; r = r->next) {
        *list++ = r->name;
    }
}

static cm_status parse_stmt(cm_parser *p, const PgQuery__RawStmt *raw, cm_stmt *stmt)
{
    bool known = true;
    cm_status st;

    p->start = raw->stmt_location > 0 ? (size_t)raw->stmt_location : 0;
    p->params = 0;
    p->param_types = 0;
    p->user_tables = 0;
    p->system_tables = 0;
    p->node_values = 0;
    p->with_names = NULL;
    p->named = NULL;
    p->depth = 0;
    if (raw->stmt->node_case == PG_QUERY__NODE__NODE_SELECT_STMT) {
        st = parse_select_stmt(p, raw->stmt, stmt);
    } else {
        st = cm_parse_session(p, raw->stmt, stmt, &known);
        if (st == CM_OK && !known) {
            st = cm_parse_ddl(p, raw->stmt, stmt, &known);
        }
        if (st == CM_OK && !known) {
            st = cm_parse_rights(p, raw->stmt, stmt, &known);
        }
        if (st == CM_OK && !known) {
            st = cm_parse_view(p, raw->stmt, stmt, &known);
        }
    }
    if (st != CM_OK) {
        return st;
    }
    if (!known) {
        return refuse_statement(p, raw);
    }
    stmt->reads = kind_of_select(p);
    if (stmt->kind == CM_STMT_SELECT) {
        stmt->kind = stmt->reads;
    }
    stmt->params = p->params;
    list_relations(p, stmt);
    return cut_text(p, raw, stmt);
}

static cm_status parse_tree(cm_parser *p, const PgQuery__ParseResult *tree, cm_stmts *ret)
{
    cm_stmt *stmts = CM_NEW_SMALL(p->arena, cm_stmt, tree->n_stmts + 1);

    for (size_t i = 0; i < tree->n_stmts; i++) {
        cm_status st = parse_stmt(p, tree->stmts[i], &stmts[i]);
        if (st != CM_OK) {
            return st;
        }
    }
    *ret = (cm_stmts){tree->n_stmts, stmts};
    return CM_OK;
}

static cm_status parse_text(cm_parser *p, cm_stmts *ret)
{
    cm_status st = scan(p);
    if (st != CM_OK) {
        return st;
    }
    PgQueryProtobufParseResult result = pg_query_parse_protobuf(p->sql);
    if (result.error != NULL) {
        st = fail_as_pg(p, result.error);
    } else {
        PgQuery__ParseResult *tree = pg_query__parse_result__unpack(
            NULL, result.parse_tree.len, (const uint8_t *)result.parse_tree.data);
        st = tree == NULL || p->tokens == NULL
                 ? cm_fail(p->diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory")
                 : parse_tree(p, tree, ret);
        if (tree != NULL) {
            pg_query__parse_result__free_unpacked(tree, NULL);
        }
    }
    pg_query_free_protobuf_parse_result(result);
    return st;
}

static cm_status fingerprint_text(cm_parser *p, const char **ret)
{
    cm_status st = scan(p);
    if (st != CM_OK) {
        return st;
    }
    PgQueryFingerprintResult result = pg_query_fingerprint(p->sql);
    if (result.error != NULL) {
        st = fail_as_pg(p, result.error);
    } else {
        *ret = cm_arena_strdup(p->arena, result.fingerprint_str);
    }
    pg_query_free_fingerprint_result(result);
    return st;
}

typedef struct job {
    cm_parser parser;
    cm_stmts *stmts;          /* parse */
    const char **fingerprint; /* or fingerprint */
    cm_status status;
} job;

static void *run_job(void *arg)
{
    job *j = arg;

    j->status = j->stmts != NULL ? parse_text(&j->parser, j->stmts)
                                 : fingerprint_text(&j->parser, j->fingerprint);
    if (j->parser.tokens != NULL) {
        pg_query__scan_result__free_unpacked(j->parser.tokens, NULL);
    }
    return NULL;
}

static cm_status run_on_thread(job *j)
{
    pthread_attr_t attr;
    pthread_t thread;

    bool started = pthread_attr_init(&attr) == 0;
    if (started) {
        started = pthread_attr_setstacksize(&attr, STACK_BYTES) == 0 &&
                  pthread_create(&thread, &attr, run_job, j) == 0;
        pthread_attr_destroy(&attr);
    }
    if (!started) {
        return cm_fail(j->parser.diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY,
                       "no memory to parse a statement");
    }
    CM_ASSERT(pthread_join(thread, NULL) == 0);
    return j->status;
}

static cm_status begin(job *j, const char *sql, cm_arena *arena, cm_diag *diag)
{
    size_t bytes = strnlen(sql, CM_SQL_MAX_BYTES + 1);

    if (bytes > CM_SQL_MAX_BYTES) {
        return cm_fail(diag, CM_EINVAL, "54000", "SQL text is longer than %d bytes",
                       CM_SQL_MAX_BYTES);
    }
    if (!cm_utf8_valid(sql, bytes)) {
        return cm_fail(diag, CM_EINVAL, CM_SQL_BAD_ENCODING,
                       "invalid byte sequence for encoding \"UTF8\"");
    }
    if ((size_t)(arena->end - arena->mark) < bytes * ARENA_BYTES_PER_BYTE + ARENA_BYTES_LEAST) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "no memory to parse a statement");
    }
    j->parser = (cm_parser){.sql = sql,
                            .bytes = bytes,
                            .chars = count_chars(sql, bytes, arena),
                            .arena = arena,
                            .diag = diag};
    return CM_OK;
}

cm_status cm_sql_parse(const char *sql, cm_arena *arena, cm_stmts *ret, cm_diag *diag)
{
    job j = {.stmts = ret};

    cm_status st = begin(&j, sql, arena, diag);
    return st == CM_OK ? run_on_thread(&j) : st;
}

cm_status cm_sql_fingerprint(const char *sql, cm_arena *arena, const char **ret, cm_diag *diag)
{
    job j = {.fingerprint = ret};

    cm_status st = begin(&j, sql, arena, diag);
    return st == CM_OK ? run_on_thread(&j) : st;
}

cm_status cm_sql_parse_query(const char *sql, cm_arena *arena, const cm_stmt **ret, cm_diag *diag)
{
    cm_stmts stmts = {0};

    cm_status st = cm_sql_parse(sql, arena, &stmts, diag);
    if (st != CM_OK) {
        return st;
    }
    const cm_stmt *query = stmts.count > 0 ? &stmts.stmt[stmts.count - 1] : NULL;
    bool good = query != NULL && query->select != NULL && query->kind != CM_STMT_CREATE_VIEW;
    for (size_t i = 0; good && i + 1 < stmts.count; i++) {
        good = stmts.stmt[i].kind == CM_STMT_CREATE_VIEW;
    }
    if (!good) {
        return cm_fail(diag, CM_EINVAL, CM_SQL_SYNTAX, "one SELECT statement was expected");
    }
    cm_ast_select *select = (cm_ast_select *)(uintptr_t)query->select; /* made above */
    select->views = stmts.count - 1;
    select->view = stmts.stmt;
    *ret = query;
    return CM_OK;
}

void cm_sql_query_position(const cm_stmt *query, cm_diag *diag)
{
    if (diag != NULL && query->select->views > 0) {
        diag->position = diag->position > query->offset ? diag->position - query->offset : 0;
    }
}
