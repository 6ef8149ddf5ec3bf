/* pgwire/server.h - the SQL port of a node: PostgreSQL clients over TCP, TLS or a unix socket. */
#ifndef CM_PGWIRE_SERVER_H
#define CM_PGWIRE_SERVER_H

#include "node/node.h"

typedef struct cm_pg_server cm_pg_server;

/*
 * Listens on address ("127.0.0.1:5433", "unix:/path").  Clients from other hosts must use TLS.
 * At most 500 connections, 60 s to authenticate.  Everything is borrowed and outlives the server.
 */
CM_MUST cm_status cm_pg_server_new(cm_loop *loop, cm_node *node, const char *address,
                                   cm_pg_server **ret, cm_diag *diag);
/* Tells clients 57P01 and closes.  NULL allowed. */
void cm_pg_server_free(cm_pg_server *server);

#endif
