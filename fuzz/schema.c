#include "schema.h"

#include "sql/stmt.h"

#include <stdlib.h>
#include <string.h>

static const char *const labels[] = {"north", "south", "east", "west"};
static const cm_enum region = {"region", CM_COUNT(labels), labels};
static const char *const granted[] = {"public"};

typedef struct table_text {
    const char *ddl;
    const char *labels; /* of each column, separated by commas */
} table_text;

static const table_text visits = {
    "CREATE FOREIGN TABLE visits (person varchar(16) NOT NULL, region region NOT NULL,"
    " year int CHECK (year BETWEEN 2000 AND 2030), cost numeric(10,2), seen date, at timestamp,"
    " ok bool, note text, secret int8) SERVER s",
    "join,group,group min 5,aggregate min 10,filter,filter,reveal,filter,private",
};
static const table_text tumours = {
    "CREATE FOREIGN TABLE tumours (person varchar(16) NOT NULL UNIQUE, stage int2 NOT NULL"
    " CHECK (stage BETWEEN 0 AND 4), size int, found date NOT NULL) SERVER s",
    "join,group,aggregate,reveal",
};
static const table_text regions = {
    "CREATE FOREIGN TABLE regions (region region NOT NULL UNIQUE, name varchar(20),"
    " people int8 CHECK (people BETWEEN 0 AND 1000000)) SERVER s",
    "reveal,reveal,reveal",
};

static cm_label next_label(const char **texts, cm_arena *arena)
{
    size_t bytes = strcspn(*texts, ",");
    cm_label ret;

    cm_status st = cm_label_parse(cm_arena_strndup(arena, *texts, bytes), &ret, NULL);
    CM_ASSERT(st == CM_OK);
    *texts += bytes + ((*texts)[bytes] == ',' ? 1 : 0);
    return ret;
}

static cm_org_table make_table(const char *org, const table_text *text, cm_arena *arena)
{
    static const cm_enum *const enums[] = {&region};
    const char *label_texts = text->labels;
    cm_stmts stmts;

    cm_status st = cm_sql_parse(text->ddl, arena, &stmts, NULL);
    CM_ASSERT(st == CM_OK && stmts.count == 1 && stmts.stmt->kind == CM_STMT_CREATE_TABLE);
    cm_column *col = CM_NEW_SMALL(arena, cm_column, stmts.stmt->columns);
    for (size_t i = 0; i < stmts.stmt->columns; i++) {
        st = cm_column_resolve(&stmts.stmt->columndef[i], enums, CM_COUNT(enums), arena, &col[i],
                               NULL);
        CM_ASSERT(st == CM_OK);
        col[i].label = next_label(&label_texts, arena);
    }
    return (cm_org_table){.org = org,
                          .name = stmts.stmt->name,
                          .cols = stmts.stmt->columns,
                          .col = col,
                          .rows = 1024,
                          .grants = CM_COUNT(granted),
                          .granted_to = granted};
}

const cm_schema *cm_fuzz_schema(cm_arena *arena)
{
    static const cm_member members[] = {{"north", true}, {"south", true}, {"registry", true}};
    const cm_org_table tables[] = {
        make_table("north", &visits, arena),
        make_table("south", &visits, arena),
        make_table("registry", &tumours, arena),
        make_table("registry", &regions, arena),
    };
    const cm_schema *ret = NULL;

    cm_status st = cm_schema_build("fuzz", "rep3", members, CM_COUNT(members), tables,
                                   CM_COUNT(tables), arena, &ret, NULL);
    CM_ASSERT(st == CM_OK);
    return ret;
}
