/*
 * Settings: what PostgreSQL's clients set on connecting, Comity's own of one session
 * (comity.pushdown, ...), and the node's (comity.job_limit, ...: node/jobs.h), which administrators
 * change for everybody and durably.
 */
#include "node/session_int.h"

#include "base/fabric.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "node/federation.h"
#include "node/peers.h"

#define NODE_PREFIX "comity."

typedef enum rule {
    FIXED,  /* cannot be changed */
    ANY,    /* any text */
    SWITCH, /* a boolean */
    NUMBER, /* a whole number, as it is */
    TIME,   /* milliseconds, or a number with ms, s, min, h */
    ONE_OF, /* one of `values`, any case; kept as the default is written */
} rule;

typedef struct setting_def {
    const char *name;
    const char *value; /* by default */
    rule rule;
    bool reported; /* the protocol tells the client */
    const char *values;
    const char *what;
} setting_def;

/* Ordered by name, without regard to case. */
static const setting_def defs[] = {
    {"application_name", "", ANY, true, NULL, "name of the client program"},
    {"bytea_output", "hex", ONE_OF, false, "hex|escape", "form of bytea"},
    {"check_function_bodies", "on", SWITCH, false, NULL, "no effect"},
    {"client_encoding", "UTF8", ONE_OF, true, "utf8|utf-8|unicode", "the client's encoding"},
    {"client_min_messages", "notice", ANY, false, NULL, "no effect"},
    {"comity.cross_owner_keys", "on", SWITCH, false, NULL,
     "presume that a key of each owner's table is a key of their union; checked while joining"},
    {"comity.domain_max", "4096", NUMBER, false, NULL, "most groups of a public domain"},
    {"comity.join_rows", "0", NUMBER, false, NULL,
     "most rows of a join where neither side is unique; 0: no bound"},
    {"comity.lanes", "0", NUMBER, false, NULL,
     "threads and links of each computing party; 0: as many as its cores, if there is work"},
    {"comity.pushdown", "on", SWITCH, false, NULL, "owners evaluate what they can by themselves"},
    {"comity.sorted_runs", "auto", ONE_OF, false, "auto|off|always",
     "owners sort their rows, and the parties merge: where that is cheaper, never, always"},
    {"comity.timing", "off", SWITCH, false, NULL, "tell seconds, bytes and rounds of queries"},
    {"DateStyle", "ISO, MDY", ONE_OF, true, "iso|iso, mdy|iso, dmy|iso, ymd", "form of dates"},
    {"default_table_access_method", "heap", FIXED, false, NULL, "no effect"},
    {"default_transaction_deferrable", "off", SWITCH, false, NULL, "no effect"},
    {"default_transaction_isolation", "read committed", ANY, false, NULL, "no effect"},
    {"default_transaction_read_only", "off", SWITCH, true, NULL, "no effect"},
    {"escape_string_warning", "on", SWITCH, false, NULL, "no effect"},
    {"extra_float_digits", "1", NUMBER, false, NULL, "no effect"},
    {"idle_in_transaction_session_timeout", "0", TIME, false, NULL, "no effect"},
    {"in_hot_standby", "off", FIXED, true, NULL, "always off"},
    {"integer_datetimes", "on", FIXED, true, NULL, "always on"},
    {"IntervalStyle", "postgres", ONE_OF, true, "postgres", "form of intervals"},
    {"is_superuser", "off", FIXED, true, NULL, "always off"},
    {"jit", "off", SWITCH, false, NULL, "no effect"},
    {"lc_collate", "C", FIXED, false, NULL, "order of texts: by bytes"},
    {"lc_ctype", "C.UTF-8", FIXED, false, NULL, "classes of characters"},
    {"lc_messages", "C", ANY, false, NULL, "no effect"},
    {"lc_monetary", "C", ANY, false, NULL, "no effect"},
    {"lc_numeric", "C", ANY, false, NULL, "no effect"},
    {"lc_time", "C", ANY, false, NULL, "no effect"},
    {"lock_timeout", "0", TIME, false, NULL, "no effect"},
    {"max_identifier_length", "63", FIXED, false, NULL, "longest name in bytes"},
    {"max_index_keys", "32", FIXED, false, NULL, "no effect"},
    {"password_encryption", "scram-sha-256", FIXED, false, NULL, "how passwords are kept"},
    {"role", "none", ONE_OF, false, "none", "no effect"},
    {"row_security", "on", SWITCH, false, NULL, "no effect"},
    {"search_path", "\"$user\", public", ONE_OF, false,
     "\"$user\", public|$user, public|public|pg_catalog|",
     "an unqualified table is the union of "
     "all organisations' tables of the name"},
    {"server_encoding", "UTF8", FIXED, true, NULL, "the node's encoding"},
    {"server_version", "15.0 (Comity " CM_VERSION ")", FIXED, true, NULL, "version"},
    {"server_version_num", "150000", FIXED, false, NULL, "version of PostgreSQL's dialect"},
    {"session_authorization", "", FIXED, true, NULL, "the role that connected"},
    {"session_replication_role", "origin", FIXED, false, NULL, "no effect"},
    {"standard_conforming_strings", "on", ONE_OF, true, "on", "backslashes mean themselves"},
    {"statement_timeout", "0", TIME, false, NULL, "a query is ended after so long"},
    {"synchronous_commit", "on", ANY, false, NULL, "no effect"},
    {"TimeZone", "UTC", ANY, true, NULL, "no effect: timestamps have no zone"},
    {"transaction_deferrable", "off", SWITCH, false, NULL, "no effect"},
    {"transaction_isolation", "read committed", ANY, false, NULL, "no effect"},
    {"transaction_read_only", "off", SWITCH, false, NULL, "no effect"},
    {"work_mem", "4MB", ANY, false, NULL, "no effect"},
    {"xmloption", "content", ANY, false, NULL, "no effect"},
};
_Static_assert(CM_COUNT(defs) <= CM_SESSION_SETTINGS, "more settings than slots");

static int find(const char *name)
{
    for (size_t i = 0; i < CM_COUNT(defs); i++) {
        if (strcasecmp(defs[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static const char *value_of(const cm_session *s, size_t i)
{
    return s->setting.value[i] != NULL ? s->setting.value[i] : defs[i].value;
}

/* ---- life --------------------------------------------------------------------------------- */

cm_status cm_session_settings_init(cm_session *s, cm_diag *diag)
{
    int role = find("session_authorization");
    CM_ASSERT(role >= 0);
    s->setting.value[role] = strdup(s->role);
    return s->setting.value[role] != NULL
               ? CM_OK
               : cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
}

void cm_session_settings_forget(cm_own_settings *kept)
{
    for (size_t i = 0; i < CM_SESSION_SETTINGS; i++) {
        free(kept->value[i]);
        free(kept->outside[i]);
    }
    *kept = (cm_own_settings){0};
}

void cm_session_settings_fini(cm_session *s)
{
    cm_session_settings_forget(&s->setting);
    cm_session_settings_forget(&s->setting_before);
}

size_t cm_session_settings(const cm_session *session, const cm_option **ret)
{
    /* The list is a cache of what the session knows. */
    cm_session *s = (cm_session *)(uintptr_t)session;
    size_t count = 0;
    for (size_t i = 0; i < CM_COUNT(defs); i++) {
        if (defs[i].reported) {
            s->reported[count++] = (cm_option){defs[i].name, value_of(s, i)};
        }
    }
    *ret = s->reported;
    return count;
}

static char *copy_of(const char *value)
{
    return value != NULL ? strdup(value) : NULL;
}

/* Out of memory leaves a setting at its default: nothing that a statement needs to fail for. */
void cm_session_settings_keep(cm_session *s, cm_own_settings *kept)
{
    const cm_own_settings *now = &s->setting;
    cm_session_settings_forget(kept);
    for (size_t i = 0; i < CM_COUNT(defs); i++) {
        kept->value[i] = copy_of(now->value[i]);
        kept->outside[i] = copy_of(now->outside[i]);
        kept->local[i] = now->local[i];
    }
}

static void report(cm_session *s, size_t i)
{
    if (defs[i].reported) {
        s->sink.setting(s->sink.arg, defs[i].name, value_of(s, i));
    }
}

/* Takes a malloced value, or NULL. */
static void take(cm_session *s, size_t i, char *value)
{
    char *was = s->setting.value[i];
    s->setting.value[i] = value;
    if (strcmp(value_of(s, i), was != NULL ? was : defs[i].value) != 0) {
        report(s, i);
    }
    free(was);
}

void cm_session_settings_restore(cm_session *s, cm_own_settings *kept)
{
    for (size_t i = 0; i < CM_COUNT(defs); i++) {
        free(s->setting.outside[i]);
        s->setting.outside[i] = kept->outside[i];
        s->setting.local[i] = kept->local[i];
        take(s, i, kept->value[i]);
    }
    *kept = (cm_own_settings){0};
}

void cm_session_settings_end_local(cm_session *s)
{
    for (size_t i = 0; i < CM_COUNT(defs); i++) {
        if (s->setting.local[i]) {
            take(s, i, s->setting.outside[i]);
            s->setting.outside[i] = NULL;
            s->setting.local[i] = false;
        }
    }
}

/* ---- reading ------------------------------------------------------------------------------ */

/* A setting of the node under its SQL name, or NULL. */
static const cm_setting *find_node_setting(const char *name)
{
    size_t count;
    const cm_setting *settings = cm_settings(&count);
    if (strncasecmp(name, NODE_PREFIX, strlen(NODE_PREFIX)) != 0) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(settings[i].name, name + strlen(NODE_PREFIX)) == 0) {
            return &settings[i];
        }
    }
    return NULL;
}

const char *cm_session_setting(cm_session *s, const char *name, cm_arena *arena)
{
    int i = find(name);
    const cm_setting *of_node = find_node_setting(name);
    if (i >= 0) {
        return value_of(s, (size_t)i);
    }
    if (of_node != NULL) {
        return cm_arena_printf(arena, "%lld", (long long)cm_node_setting(s->node, of_node->name));
    }
    return NULL;
}

void cm_session_settings_walk(cm_session *s, cm_setting_fn fn, void *arg)
{
    size_t count;
    const cm_setting *settings = cm_settings(&count);
    char name[96], value[32];
    for (size_t i = 0; i < CM_COUNT(defs); i++) {
        fn(arg, defs[i].name, value_of(s, i), defs[i].what);
    }
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(name, sizeof name, NODE_PREFIX "%s", settings[i].name);
        (void)snprintf(value, sizeof value, "%lld",
                       (long long)cm_node_setting(s->node, settings[i].name));
        fn(arg, name, value, settings[i].what);
    }
}

static void show_row(void *arg, const char *name, const char *value, const char *what)
{
    cm_session *s = arg;
    const char *const row[] = {name, value, what};
    s->sink.row(s->sink.arg, row);
}

void cm_session_show(cm_session *s, const cm_stmt *stmt)
{
    static const char *const all[] = {"name", "setting", "description"};
    cm_diag diag = {0};
    if (strcmp(stmt->name, "all") == 0) {
        cm_session_text_columns(s, all, CM_COUNT(all));
        cm_session_settings_walk(s, show_row, s);
        cm_session_done(s, "SHOW");
        return;
    }
    const char *value = cm_session_setting(s, stmt->name, &s->arena);
    if (value == NULL) {
        cm_status st = cm_fail(&diag, CM_ENOTFOUND, CM_SQL_UNDEFINED_OBJECT,
                               "unrecognized configuration parameter \"%s\"", stmt->name);
        CM_ASSERT(st == CM_ENOTFOUND);
        cm_session_fail(s, &diag);
        return;
    }
    int i = find(stmt->name);
    const char *const name[] = {i >= 0 ? defs[i].name : stmt->name};
    cm_session_text_columns(s, name, 1);
    s->sink.row(s->sink.arg, &value);
    cm_session_done(s, "SHOW");
}

/* ---- SET ---------------------------------------------------------------------------------- */

static cm_status bad_value(const setting_def *def, const char *value, cm_diag *diag)
{
    return cm_fail(diag, CM_EINVAL, CM_SQL_BAD_VALUE,
                   "invalid value for parameter \"%s\": \"%.100s\"", def->name, value);
}

/* "on" or "off", NULL: no boolean. */
static const char *read_switch(const char *value)
{
    static const char *const yes[] = {"on", "true", "yes", "1", "t", "y"};
    static const char *const no[] = {"off", "false", "no", "0", "f", "n"};
    for (size_t i = 0; i < CM_COUNT(yes); i++) {
        if (strcasecmp(value, yes[i]) == 0) {
            return "on";
        }
        if (strcasecmp(value, no[i]) == 0) {
            return "off";
        }
    }
    return NULL;
}

static bool read_number(const char *value, int64_t *ret, const char **ret_unit)
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    while (isspace((unsigned char)*end)) {
        end++;
    }
    *ret = number;
    *ret_unit = end;
    return errno == 0 && end != value && number >= -INT32_MAX && number <= INT32_MAX;
}

/* Milliseconds of "1500", "30s", "5 min"; -1 when it is none. */
static int64_t read_time(const char *value)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"", 1}, {"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}};
    int64_t number;
    const char *unit;
    if (!read_number(value, &number, &unit) || number < 0) {
        return -1;
    }
    for (size_t i = 0; i < CM_COUNT(units); i++) {
        if (strcmp(units[i].name, unit) == 0) {
            return number * units[i].ms;
        }
    }
    return -1;
}

static bool is_one_of(const char *values, const char *value)
{
    size_t bytes = strlen(value);
    for (const char *at = values;; at++) {
        size_t length = strcspn(at, "|");
        if (length == bytes && strncasecmp(at, value, bytes) == 0) {
            return true;
        }
        at += length;
        if (*at == '\0') {
            return false;
        }
    }
}

static cm_status check_one_of(const setting_def *def, const char *value, cm_diag *diag)
{
    if (is_one_of(def->values, value)) {
        return CM_OK;
    }
    cm_status st = cm_fail(diag, CM_EUNSUPPORTED, CM_SQL_UNSUPPORTED,
                           "parameter \"%s\" cannot be \"%.100s\"", def->name, value);
    if (strcmp(def->name, "search_path") == 0) {
        cm_diag_hint(diag, "Write organisation.table for one organisation's table; a table name "
                           "alone is the union of everybody's.");
    } else {
        cm_diag_hint(diag, "It is \"%s\".", def->value);
    }
    return st;
}

/* The value as it is kept: borrowed from value, the definition or a constant. */
static cm_status check_value(const setting_def *def, const char *value, const char **ret,
                             cm_diag *diag)
{
    int64_t number;
    const char *unit, *text;
    *ret = value;
    switch (def->rule) {
    case FIXED:
        if (strcmp(value, def->value) == 0) {
            return CM_OK;
        }
        return cm_fail(diag, CM_EDENIED, "55P02", "parameter \"%s\" cannot be changed", def->name);
    case ANY:
        return strlen(value) <= 1024 ? CM_OK : bad_value(def, value, diag);
    case SWITCH:
        text = read_switch(value);
        if (text == NULL) {
            return bad_value(def, value, diag);
        }
        *ret = text;
        return CM_OK;
    case NUMBER:
        return read_number(value, &number, &unit) && *unit == '\0' ? CM_OK
                                                                   : bad_value(def, value, diag);
    case TIME:
        return read_time(value) >= 0 ? CM_OK : bad_value(def, value, diag);
    case ONE_OF:
        *ret = strcmp(def->name, "search_path") == 0 ? value : def->value;
        return check_one_of(def, value, diag);
    }
    return CM_OK;
}

static cm_status check_bounds(const setting_def *def, const char *value, cm_diag *diag)
{
    long number = strtol(value, NULL, 10);
    bool wrong =
        (strcmp(def->name, "comity.domain_max") == 0 &&
         (number < 0 || number > CM_PLAN_DOMAIN_MAX)) ||
        (strcmp(def->name, "comity.lanes") == 0 && (number < 0 || number > CM_LANES_MAX)) ||
        (strcmp(def->name, "comity.join_rows") == 0 && (number < 0 || number > 1 << 30));
    if (wrong) {
        return bad_value(def, value, diag);
    }
    return CM_OK;
}

/* Takes a malloced value, or NULL; what SET LOCAL had covered is no more. */
static void put(cm_session *s, size_t i, char *value)
{
    free(s->setting.value[i]);
    free(s->setting.outside[i]);
    s->setting.value[i] = value;
    s->setting.outside[i] = NULL;
    s->setting.local[i] = false;
    report(s, i);
}

static cm_status set_own(cm_session *s, size_t i, const char *value, cm_diag *diag)
{
    const char *kept = NULL;
    char *copy = NULL;
    if (value == NULL && defs[i].rule == FIXED) {
        return CM_OK; /* it never left its default */
    }
    if (value != NULL) {
        cm_status st = check_value(&defs[i], value, &kept, diag);
        if (st == CM_OK) {
            st = check_bounds(&defs[i], kept, diag);
        }
        if (st != CM_OK) {
            return st;
        }
        copy = strdup(kept);
        if (copy == NULL) {
            return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
        }
        if (defs[i].rule == FIXED) {
            free(copy);
            return CM_OK;
        }
    }
    put(s, i, copy);
    return CM_OK;
}

/* Durable, for the whole node. */
static cm_status set_of_node(cm_session *s, const cm_setting *setting, const char *value,
                             cm_diag *diag)
{
    cm_status st =
        cm_session_require(s, CM_RIGHT_ADMINISTRATOR, "change settings of the node", diag);
    if (st == CM_OK && s->transaction != 'I') {
        st = cm_fail(diag, CM_EINVAL, CM_SQL_IN_TRANSACTION,
                     "a setting of the node cannot be changed inside a transaction block");
    }
    if (st == CM_OK) {
        st = cm_node_change_begin(s->node, diag);
    }
    if (st != CM_OK) {
        return st;
    }
    st = cm_node_setting_put(s->node, setting->name, value, diag);
    if (st != CM_OK) {
        cm_node_change_rollback(s->node);
        return st;
    }
    const char *sql =
        value != NULL
            ? cm_arena_printf(&s->arena, "SET " NODE_PREFIX "%s = '%s'", setting->name, value)
            : cm_arena_printf(&s->arena, "RESET " NODE_PREFIX "%s", setting->name);
    return cm_node_change_commit(s->node, s->role, sql, diag);
}

static void reset_all(cm_session *s)
{
    int role = find("session_authorization");
    for (size_t i = 0; i < CM_COUNT(defs); i++) {
        if ((int)i != role && (s->setting.value[i] != NULL || s->setting.local[i])) {
            put(s, i, NULL);
        }
    }
}

cm_status cm_session_set(cm_session *s, const char *name, const char *value, cm_diag *diag)
{
    if (value == NULL && strcmp(name, "all") == 0) {
        reset_all(s);
        return CM_OK;
    }
    if (strcmp(name, "transaction") == 0) {
        return CM_OK; /* every statement stands alone */
    }
    /* SET SESSION AUTHORIZATION to what it is, or back to it. */
    if (strcasecmp(name, "session_authorization") == 0) {
        return value == NULL || strcmp(value, s->role) == 0
                   ? CM_OK
                   : cm_fail(diag, CM_EDENIED, CM_SQL_DENIED,
                             "permission denied to set session authorization");
    }
    int i = find(name);
    const cm_setting *of_node = find_node_setting(name);
    if (i >= 0) {
        return set_own(s, (size_t)i, value, diag);
    }
    if (of_node != NULL) {
        return set_of_node(s, of_node, value, diag);
    }
    cm_status st = cm_fail(diag, CM_ENOTFOUND, CM_SQL_UNDEFINED_OBJECT,
                           "unrecognized configuration parameter \"%s\"", name);
    cm_diag_hint(diag, "SHOW ALL lists them.");
    return st;
}

cm_status cm_session_set_local(cm_session *s, const char *name, const char *value, cm_diag *diag)
{
    int i = find(name);
    if (s->transaction == 'I') {
        cm_session_notice(s, "25P01", "SET LOCAL can only be used in transaction blocks");
        return CM_OK;
    }
    if (i < 0) { /* the node's own cannot change in a block */
        return cm_session_set(s, name, value, diag);
    }
    bool local = s->setting.local[i];
    char *outside = local ? s->setting.outside[i] : copy_of(s->setting.value[i]);
    s->setting.outside[i] = NULL;
    cm_status st = cm_session_set(s, name, value, diag);
    if (st != CM_OK && !local) {
        free(outside);
        return st;
    }
    s->setting.local[i] = true;
    s->setting.outside[i] = outside;
    return st;
}

/* ---- what queries take from settings ------------------------------------------------------ */

/* The slowest known link to a computing party, in steps of 1/16 ms below 1 ms and of 0.5 ms above;
 * 0 when none is known. */
static double measured_rtt(cm_node *node)
{
    const cm_federation *federation = cm_node_federation(node);
    double slowest_ms = 0;
    for (size_t i = 0; federation != NULL && i < federation->members; i++) {
        double ms = cm_peers_rtt_ms(cm_node_peers(node), (unsigned)i);
        if (federation->member[i].computes && ms > slowest_ms) {
            slowest_ms = ms;
        }
    }
    double steps = slowest_ms < 1 ? 16 : 2;
    return (double)(int64_t)(slowest_ms * steps + 0.999) / (1000 * steps);
}

/* The least known rate to a computing party, rounded down to a power of 2; 0 when none is known. */
static double measured_rate(cm_node *node)
{
    const cm_federation *federation = cm_node_federation(node);
    double least = 0, rate = 1024;
    for (size_t i = 0; federation != NULL && i < federation->members; i++) {
        double own = cm_peers_bytes_per_second(cm_node_peers(node), (unsigned)i);
        if (federation->member[i].computes && own > 0 && (least <= 0 || own < least)) {
            least = own;
        }
    }
    while (rate * 2 <= least) {
        rate *= 2;
    }
    return least > 0 ? rate : 0;
}

/* The fewest cores that a computing party has; 1 where that is not known. */
static uint32_t fewest_cores(cm_node *node)
{
    const cm_federation *federation = cm_node_federation(node);
    unsigned fewest = federation != NULL ? CM_LANES_MAX : 1;
    for (size_t i = 0; federation != NULL && i < federation->members; i++) {
        unsigned cores = cm_peers_cores(cm_node_peers(node), (unsigned)i);
        if (federation->member[i].computes && cores < fewest) {
            fewest = cores;
        }
    }
    return fewest;
}

cm_plan_settings cm_session_plan_settings(cm_session *s)
{
    cm_plan_settings settings = cm_plan_settings_default();
    double rtt = measured_rtt(s->node), rate = measured_rate(s->node);
    settings.pushdown = strcmp(cm_session_setting(s, "comity.pushdown", &s->arena), "on") == 0;
    settings.domain_max =
        (uint32_t)strtoul(cm_session_setting(s, "comity.domain_max", &s->arena), NULL, 10);
    settings.cross_owner_keys =
        strcmp(cm_session_setting(s, "comity.cross_owner_keys", &s->arena), "on") == 0;
    settings.join_rows = strtoull(cm_session_setting(s, "comity.join_rows", &s->arena), NULL, 10);
    uint32_t lanes = (uint32_t)strtoul(cm_session_setting(s, "comity.lanes", &s->arena), NULL, 10);
    settings.lanes = lanes > 0 ? lanes : fewest_cores(s->node);
    settings.lanes_fixed = lanes > 0;
    const char *runs = cm_session_setting(s, "comity.sorted_runs", &s->arena);
    settings.runs = strcasecmp(runs, "off") == 0      ? CM_RUNS_NEVER
                    : strcasecmp(runs, "always") == 0 ? CM_RUNS_ALWAYS
                                                      : CM_RUNS_WHERE_CHEAPER;
    if (rtt > 0) {
        settings.rtt_seconds = rtt;
    }
    if (rate > 0) {
        settings.bytes_per_second = rate;
    }
    settings.now = s->now;
    return settings;
}

int cm_session_deadline_ms(cm_session *s)
{
    int64_t ms = read_time(cm_session_setting(s, "statement_timeout", &s->arena));
    return ms < 0 ? 0 : ms > INT32_MAX ? INT32_MAX : (int)ms;
}
