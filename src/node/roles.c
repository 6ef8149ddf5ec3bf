/*
 * Roles of a node's own people: CREATE, ALTER, DROP ROLE, and GRANT of the three rights.  A
 * password is kept as its SCRAM verifier alone; psql's \password sends a verifier that it made
 * itself.
 */
#include "node/session_int.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"
#include "node/names.h"

#define VERIFIER_PREFIX "SCRAM-SHA-256$"

/* ---- passwords ---------------------------------------------------------------------------- */

/* Base64 with padding of exactly `bytes` bytes, ended by `stop`; the text after it, or NULL. */
static const char *read_base64(const char *text, char stop, uint8_t *ret, size_t bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    unsigned have = 0;
    size_t out = 0;
    for (; *text != stop && *text != '\0' && *text != '='; text++) {
        const char *at = strchr(digits, *text);
        if (at == NULL) {
            return NULL;
        }
        bits = bits << 6 | (uint32_t)(at - digits);
        have += 6;
        if (have >= 8) {
            have -= 8;
            if (out == bytes) {
                return NULL;
            }
            ret[out++] = (uint8_t)(bits >> have);
            bits &= (1U << have) - 1;
        }
    }
    while (*text == '=') {
        text++;
    }
    return out == bytes && *text == stop ? text + (stop != '\0') : NULL;
}

/* SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey> */
static bool read_verifier(const char *text, cm_scram_verifier *ret)
{
    cm_scram_verifier v;
    char *end = NULL;
    unsigned long iterations = strtoul(text + strlen(VERIFIER_PREFIX), &end, 10);
    if (iterations < 4096 || iterations > 10000000 || *end != ':') {
        return false;
    }
    v.iterations = (unsigned)iterations;
    const char *at = read_base64(end + 1, '$', v.salt, sizeof v.salt);
    at = at != NULL ? read_base64(at, ':', v.stored_key, sizeof v.stored_key) : NULL;
    at = at != NULL ? read_base64(at, '\0', v.server_key, sizeof v.server_key) : NULL;
    if (at != NULL) {
        *ret = v;
    }
    cm_wipe(&v, sizeof v);
    return at != NULL;
}

static cm_status set_password(cm_state_role *role, const char *password, cm_diag *diag)
{
    if (password[0] == '\0') {
        return cm_fail(diag, CM_EINVAL, CM_SQL_BAD_VALUE, "the password is empty");
    }
    if (strncmp(password, VERIFIER_PREFIX, strlen(VERIFIER_PREFIX)) != 0) {
        role->verifier = cm_scram_verifier_of(password);
    } else if (!read_verifier(password, &role->verifier)) {
        return cm_fail(diag, CM_EINVAL, CM_SQL_BAD_VALUE,
                       "the password has the form of a SCRAM verifier, and is none");
    }
    role->login = true;
    return CM_OK;
}

/* ---- rights ------------------------------------------------------------------------------- */

static bool *right_of(cm_state_role *role, const char *name)
{
    return strcmp(name, cm_right_name(CM_RIGHT_ADMINISTRATOR)) == 0 ? &role->administrator
           : strcmp(name, cm_right_name(CM_RIGHT_PUBLISHER)) == 0   ? &role->publisher
           : strcmp(name, cm_right_name(CM_RIGHT_ANALYST)) == 0     ? &role->analyst
                                                                    : NULL;
}

static cm_status set_rights(cm_state_role *role, const cm_stmt *stmt, bool value, cm_diag *diag)
{
    for (size_t i = 0; i < stmt->grant.roles; i++) {
        bool *right = right_of(role, stmt->grant.role[i]);
        if (right == NULL) {
            cm_status st = cm_fail(diag, CM_ENOTFOUND, CM_SQL_UNDEFINED_OBJECT,
                                   "role \"%.63s\" does not exist", stmt->grant.role[i]);
            cm_diag_hint(diag, "Rights of a node's people are administrator, publisher and "
                               "analyst.  GRANT SELECT ON table TO organisation is for others.");
            return st;
        }
        *right = value;
    }
    return CM_OK;
}

/* After a change that took a right away: somebody must be left who can administer. */
static cm_status check_administrator_left(cm_session *s, cm_diag *diag)
{
    const cm_state_role *role = NULL;
    size_t count = 0;
    cm_status st = cm_state_role_list(cm_node_state(s->node), &s->arena, &role, &count, diag);
    for (size_t i = 0; st == CM_OK && i < count; i++) {
        if (role[i].administrator && role[i].login) {
            return CM_OK;
        }
    }
    return st != CM_OK ? st
                       : cm_fail(diag, CM_EINVAL, CM_SQL_DEPENDS,
                                 "the node's last administrator cannot be taken away");
}

/* ---- statements --------------------------------------------------------------------------- */

cm_status cm_role_create(cm_session *s, const cm_stmt *stmt, cm_diag *diag)
{
    cm_state_role role = {.name = stmt->name};
    if (!cm_name_valid(stmt->name) || right_of(&role, stmt->name) != NULL) {
        cm_status bad = cm_fail(diag, CM_EINVAL, CM_SQL_BAD_NAME,
                                "\"%.63s\" cannot be the name of a role", stmt->name);
        cm_diag_hint(diag, "Use lower-case letters, digits and _, beginning with a letter.");
        return bad;
    }
    cm_status st = stmt->password != NULL ? set_password(&role, stmt->password, diag) : CM_OK;
    if (st == CM_OK) {
        st = set_rights(&role, stmt, true, diag);
    }
    if (st == CM_OK) {
        st = cm_state_role_add(cm_node_state(s->node), &role, diag);
    }
    cm_wipe(&role.verifier, sizeof role.verifier);
    if (st == CM_OK && stmt->password == NULL) {
        cm_session_notice(s, "00000", "role \"%s\" has no password and cannot connect yet",
                          stmt->name);
    }
    return st;
}

cm_status cm_role_alter(cm_session *s, const cm_stmt *stmt, cm_diag *diag)
{
    cm_state_role role = {0};
    cm_status st = cm_state_role_get(cm_node_state(s->node), stmt->name, &s->arena, &role, diag);
    if (st == CM_OK && stmt->password != NULL) {
        st = set_password(&role, stmt->password, diag);
    } else if (st == CM_OK) {
        st = cm_fail(diag, CM_EUNSUPPORTED, CM_SQL_UNSUPPORTED,
                     "ALTER ROLE without a password is not supported");
        cm_diag_hint(diag, "Rights are changed by GRANT and REVOKE.");
    }
    if (st == CM_OK) {
        st = cm_state_role_replace(cm_node_state(s->node), &role, diag);
    }
    cm_wipe(&role.verifier, sizeof role.verifier);
    return st;
}

cm_status cm_role_drop(cm_session *s, const cm_stmt *stmt, cm_diag *diag)
{
    if (strcmp(stmt->name, s->role) == 0) {
        return cm_fail(diag, CM_EINVAL, "55006", "current user cannot be dropped");
    }
    cm_status st = cm_state_role_drop(cm_node_state(s->node), stmt->name, diag);
    if (st == CM_ENOTFOUND && stmt->if_exists) {
        cm_diag_reset(diag);
        cm_session_notice(s, "00000", "role \"%s\" does not exist, skipping", stmt->name);
        return CM_OK;
    }
    return st == CM_OK ? check_administrator_left(s, diag) : st;
}

cm_status cm_role_grant(cm_session *s, const cm_stmt *stmt, cm_diag *diag)
{
    cm_status st = CM_OK;
    for (size_t i = 0; st == CM_OK && i < stmt->grant.grantees; i++) {
        cm_state_role role;
        st = cm_state_role_get(cm_node_state(s->node), stmt->grant.grantee[i], &s->arena, &role,
                               diag);
        if (st == CM_OK) {
            st = set_rights(&role, stmt, !stmt->grant.revoke, diag);
        }
        if (st == CM_OK) {
            st = cm_state_role_replace(cm_node_state(s->node), &role, diag);
        }
        cm_wipe(&role.verifier, sizeof role.verifier);
    }
    return st == CM_OK && stmt->grant.revoke ? check_administrator_left(s, diag) : st;
}
