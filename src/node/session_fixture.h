/* node/session_fixture.h - a session that is talked to in texts, for tests. */
#ifndef CM_NODE_SESSION_FIXTURE_H
#define CM_NODE_SESSION_FIXTURE_H

#include "node/nodes_fixture.h"
#include "node/session.h"

typedef struct talk {
    world *w;
    cm_session *session;
    cm_arena arena;
    cm_buf out;
    size_t cols;
    bool over;
    char wipe_check[64]; /* the parser's copy of the last password after the statement */
} talk;

talk *talk_new(world *w, int i, const char *role);
void talk_free(talk *t);

/*
 * Runs every statement of sql and gives back what came: columns as "a:oid|b:oid", rows as "1|NULL",
 * "NOTICE text", "SETTING name=value", the tag, "ERROR sqlstate text"; one line each.  Borrowed
 * until the next call.
 */
const char *say(talk *t, const char *sql);
/* The same with parameters, through describe. */
const char *say_with(talk *t, const char *sql, const char *const *params);
/* Starts the last statement of sql and does not wait. */
void say_only(talk *t, const char *sql);
const char *heard(talk *t); /* waits */

/* say gave exactly that; "..." at the end of a line matches anything. */
void expect_said(const char *got, const char *expected);

#endif
