#include "node/address.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

cm_status cm_address_parse(const char *text, cm_address *ret, cm_diag *diag)
{
    memset(ret, 0, sizeof *ret);
    if (strncmp(text, "unix:", 5) == 0 && text[5] != 0) {
        ret->unix_path = text + 5;
        return CM_OK;
    }
    const char *colon = strrchr(text, ':');
    const char *host = text;
    size_t host_bytes = colon != NULL ? (size_t)(colon - text) : 0;
    if (host_bytes >= 2 && host[0] == '[' && host[host_bytes - 1] == ']') {
        host++;
        host_bytes -= 2;
    }
    char *end = NULL;
    long port = colon != NULL ? strtol(colon + 1, &end, 10) : 0;
    if (host_bytes == 0 || host_bytes >= sizeof ret->host || port < 1 || port > 65535 ||
        *end != 0) {
        return cm_fail(diag, CM_EINVAL, "22023",
                       "address \"%.100s\" is not of the form host:port, [host]:port or unix:path",
                       text);
    }
    memcpy(ret->host, host, host_bytes);
    snprintf(ret->port, sizeof ret->port, "%ld", port);
    return CM_OK;
}

const struct addrinfo *cm_address_choose(const struct addrinfo *list)
{
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next) {
        if (a->ai_family == AF_INET) {
            return a;
        }
    }
    return list;
}
