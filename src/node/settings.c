/* A node's settings: one table of names, defaults and bounds. */
#include "node/jobs.h"
#include "node/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const cm_setting settings[] = {
    {"job_deadline", 600, 1, 86400, "seconds until a job is ended"},
    {"job_idle_timeout", 300, 1, 3600, "seconds that a participant of a job may be silent"},
    {"job_limit", 8, 1, 1000, "jobs that this node takes part in at once"},
    {"job_memory", 0, 0, 1 << 20, "megabytes of one job; 0: half of the machine's memory"},
    {"job_result", 256, 1, 1 << 16, "megabytes of one answer"},
    {"session_limit", 200, 1, 10000, "SQL sessions at once"},
    {"source_timeout", 300, 1, 86400, "seconds for each statement of a source"},
};

const cm_setting *cm_settings(size_t *ret_count)
{
    *ret_count = CM_COUNT(settings);
    return settings;
}

static const cm_setting *find(const char *name)
{
    for (size_t i = 0; i < CM_COUNT(settings); i++) {
        if (strcmp(settings[i].name, name) == 0) {
            return &settings[i];
        }
    }
    return NULL;
}

static bool parse(const cm_setting *setting, const char *text, int64_t *ret)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != 0 || value < setting->min || value > setting->max) {
        return false;
    }
    *ret = value;
    return true;
}

int64_t cm_node_setting(cm_node *node, const char *name)
{
    CM_CLEANUP(cm_arena_fini) cm_arena arena = {0};
    const cm_setting *setting = find(name);
    CM_ASSERT(setting != NULL);
    int64_t value = setting->value;
    const char *text = NULL;
    if (cm_arena_init(&arena, 1 << 16) == CM_OK &&
        cm_state_setting_get(cm_node_state(node), name, &arena, &text, NULL) == CM_OK &&
        text != NULL && !parse(setting, text, &value)) {
        value = setting->value;
    }
    return value;
}

cm_status cm_node_setting_put(cm_node *node, const char *name, const char *value, cm_diag *diag)
{
    const cm_setting *setting = find(name);
    int64_t number;
    if (setting == NULL) {
        return cm_fail(diag, CM_ENOTFOUND, CM_SQL_UNDEFINED_OBJECT,
                       "unrecognized configuration parameter \"%.63s\"", name);
    }
    if (value != NULL && !parse(setting, value, &number)) {
        return cm_fail(diag, CM_EINVAL, "22023",
                       "invalid value for parameter \"%s\": a number from %lld to %lld", name,
                       (long long)setting->min, (long long)setting->max);
    }
    return cm_state_setting_put(cm_node_state(node), name, value, diag);
}
