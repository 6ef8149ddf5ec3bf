/*
 * SELECT that reads no table.  It is planned like any other, for a federation of this node alone
 * without protection, and its gate programs run here in the clear: one planner and one evaluator,
 * so the same types, digits and errors as in a query over tables.  On a thread of its own, since
 * VALUES can be long and the loop must not stand still.
 */
#include "node/session_int.h"

#include "exec/exec.h"
#include "node/wire.h"

#include <stdlib.h>

enum { IDLE_MS = 1000 };
static const size_t WORK_BYTES = (size_t)1 << 32; /* address space */

typedef struct cm_plain {
    cm_session *session;
    cm_arena planned, shares, answers;
    const cm_plan *plan;
    cm_exec_result result;
    cm_measured *measured;
    cm_status status;
    cm_diag diag;
} cm_plain;

static void plain_free(void *arg)
{
    cm_plain *p = arg;
    cm_arena_fini(&p->answers);
    cm_arena_fini(&p->shares);
    cm_arena_fini(&p->planned);
    free(p);
}

/* ---- planning ----------------------------------------------------------------------------- */

cm_status cm_session_schema(cm_session *s, const cm_stmt *stmt, cm_arena *arena,
                            const cm_schema **ret, cm_diag *diag)
{
    if (stmt->reads != CM_STMT_PLAIN_SELECT) {
        *ret = cm_node_schema(s->node);
        return CM_OK;
    }
    const cm_member alone = {.org = cm_node_org(s->node), .computes = true};
    return cm_schema_build("", "clear", &alone, 1, NULL, 0, arena, ret, diag);
}

static cm_status plan(cm_plain *p, const cm_stmt *stmt, const char *const *params, cm_diag *diag)
{
    cm_session *s = p->session;
    const cm_schema *schema = NULL;
    const cm_query *query = NULL;
    const cm_plan_settings settings = cm_session_plan_settings(s);
    cm_status st = cm_session_schema(s, stmt, &p->planned, &schema, diag);
    if (st == CM_OK) {
        st = cm_sql_prepare(stmt->query, schema, cm_node_org(s->node), params, (size_t)stmt->params,
                            &settings, &p->planned, &query, &p->plan, diag);
    }
    if (st == CM_OK) {
        p->measured = CM_NEW_SMALL(&p->planned, cm_measured, p->plan->nodes + 1);
    }
    return st;
}

/* ---- computing, on the thread -------------------------------------------------------------- */

static cm_status compute_with(cm_plain *p, cm_mesh *mesh)
{
    cm_mpc *mpc = NULL;
    cm_status st = cm_mpc_new(CM_PROTOCOL_CLEAR, mesh, 1, NULL, &mpc, &p->diag);
    if (st != CM_OK) {
        return st;
    }
    const cm_exec_options options = {.plan = p->plan, .mpc = mpc, .measured = p->measured};
    st = cm_exec_run(&options, &p->shares, &p->answers, &p->result, &p->diag);
    cm_mpc_free(mpc);
    return st;
}

static void compute(void *arg)
{
    cm_plain *p = arg;
    cm_mesh *mesh = NULL;
    p->status = cm_mesh_new_memory(1, IDLE_MS, &mesh);
    if (p->status == CM_OK) {
        p->status = compute_with(p, mesh);
        cm_mesh_free(mesh);
    }
    if (p->status != CM_OK && p->diag.status == CM_OK) {
        cm_diag_set(&p->diag, p->status, CM_SQL_INTERNAL, "%s", cm_status_text(p->status));
    }
}

/* ---- the answer, on the loop --------------------------------------------------------------- */

static void ended(void *arg)
{
    cm_plain *p = arg;
    cm_session *s = p->session;
    s->work = NULL;
    if (p->status != CM_OK) {
        const cm_diag diag = p->diag;
        plain_free(p);
        cm_session_fail(s, &diag);
        return;
    }
    cm_session_answer(s, p->plan, &p->result);
    const cm_job_stats stats = {.nodes = p->plan->nodes, .measured = p->measured};
    const char *tag = cm_session_finish(s, p->plan, &stats);
    plain_free(p);
    cm_session_done(s, tag);
}

static cm_status start(cm_session *s, const cm_stmt *stmt, const char *const *params, cm_diag *diag)
{
    cm_plain *p = calloc(1, sizeof *p);
    if (p == NULL || cm_arena_init(&p->planned, WORK_BYTES) != CM_OK ||
        cm_arena_init(&p->shares, WORK_BYTES) != CM_OK ||
        cm_arena_init(&p->answers, WORK_BYTES) != CM_OK) {
        if (p != NULL) {
            plain_free(p);
        }
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    p->session = s;
    const cm_work_task task = {.arg = p, .run = compute, .ended = ended, .free = plain_free};
    cm_status st = plan(p, stmt, params, diag);
    if (st == CM_OK) {
        st = cm_work_start(cm_node_loop(s->node), &task, &s->work, diag);
    }
    if (st != CM_OK) {
        plain_free(p);
    }
    return st;
}

cm_status cm_session_plain(cm_session *s, const cm_stmt *stmt, const char *const *params,
                           cm_diag *diag)
{
    cm_status st = start(s, stmt, params, diag);
    if (st != CM_OK) {
        s->work = NULL;
    }
    return st;
}
