/* node/nodes_fixture.h - four nodes on one loop, for tests. */
#ifndef CM_NODE_NODES_FIXTURE_H
#define CM_NODE_NODES_FIXTURE_H

#include "node/audit.h"
#include "node/catalog.h"
#include "node/federation.h"
#include "node/jobs.h"
#include "node/node.h"
#include "node/peers.h"
#include "node/state.h"

enum { NODES = 4 };

extern const char *const orgs[NODES]; /* north, south, east compute; research asks */

typedef struct world {
    cm_loop *loop;
    const char *job_program;
    char root[64];
    char dir[NODES][100];
    char address[NODES][32], sql[NODES][32];
    cm_node *node[NODES];
    cm_arena arena;
} world;

int shell(const char *command);
world *world_new(const char *job_program);
void world_free(world *w);
void open_node(world *w, int i);

/* Runs the loop until it is so, or fails after 20 s. */
void run_until(world *w, bool (*is_so)(world *w, void *arg), void *arg);
void run_for(world *w, int ms);
bool is_set(world *w, void *arg); /* arg: a bool */
bool all_connected(world *w, void *arg);
bool all_see_two_tables(world *w, void *arg);

/* Invitations of node 0, and one's token among them. */
const char *invite(world *w);
char *token_of(world *w, const char *invitations, const char *org);
/* Message "" when the founder accepted. */
cm_diag join(world *w, int i, const char *token);
void found(world *w);
/* Table name (id int join, cost int aggregate) over CSV files in the node's directory. */
void publish(world *w, int i, const char *name);
/* Writes lines to that table's file. */
void write_rows(world *w, int i, const char *name, const char *lines);

typedef struct outcome {
    bool over, started, ok;
    size_t rows;
    char text[10][64]; /* first rows, columns with | between */
    cm_diag why;
    cm_job_stats stats; /* without measured */
} outcome;
cm_status start(world *w, int i, const char *sql, outcome *o, cm_job **ret);
/* Entries of the audit log about jobs. */
int job_entries(world *w, int i);

#endif
