/* node/address.h - "host:port", "[host]:port", "unix:/path". */
#ifndef CM_NODE_ADDRESS_H
#define CM_NODE_ADDRESS_H

#include "base/base.h"

typedef struct cm_address {
    const char *unix_path; /* borrowed from the text, or NULL */
    char host[256];
    char port[8];
} cm_address;

/* 22023 when it is of none of these forms. */
CM_MUST cm_status cm_address_parse(const char *text, cm_address *ret, cm_diag *diag);

struct addrinfo;
/* A name that stands for several addresses: its first IPv4 one, else the first.  Listening and
 * connecting choose alike. */
const struct addrinfo *cm_address_choose(const struct addrinfo *list);

#endif
