#include "base/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cm_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "comity: %s:%d: assertion failed: %s\n", file, line, condition);
    abort();
}

const char *cm_status_text(cm_status status)
{
    switch (status) {
    case CM_OK:
        return "success";
    case CM_EINVAL:
        return "invalid input";
    case CM_ENOMEM:
        return "out of memory";
    case CM_EIO:
        return "operating system error";
    case CM_EPEER:
        return "a party is gone";
    case CM_EPROTO:
        return "protocol violation";
    case CM_ECHEAT:
        return "a check against cheating failed";
    case CM_EDEAD:
        return "the session failed before";
    case CM_EDENIED:
        return "permission denied";
    case CM_EUNSUPPORTED:
        return "not supported";
    case CM_ERANGE:
        return "out of range";
    case CM_ECANCELLED:
        return "cancelled";
    case CM_ENOTFOUND:
        return "not found";
    case CM_EEXISTS:
        return "already exists";
    }
    return "unknown status";
}

/*
 * Drops a UTF-8 sequence that truncation cut in the middle: clients check the encoding of messages.
 * Text that was not valid UTF-8 is left alone.
 */
static void trim_partial_character(char *text)
{
    size_t bytes = strlen(text);
    size_t tail = 0;

    while (tail < bytes && tail < 3 && ((uint8_t)text[bytes - 1 - tail] & 0xc0) == 0x80) {
        tail++;
    }
    if (tail == bytes) {
        return;
    }
    uint8_t lead = (uint8_t)text[bytes - 1 - tail];
    size_t wanted = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
    if (tail < wanted) {
        text[bytes - 1 - tail] = '\0';
    }
}

CM_PRINTF(3, 0)
static void print_into(char *text, size_t capacity, const char *format, va_list args)
{
    int bytes = vsnprintf(text, capacity, format, args);
    if (bytes < 0) {
        text[0] = '\0';
    } else if ((size_t)bytes >= capacity) {
        trim_partial_character(text);
    }
}

cm_status cm_fail(cm_diag *diag, cm_status status, const char *sqlstate, const char *format, ...)
{
    CM_ASSERT(status != CM_OK);
    CM_ASSERT(strlen(sqlstate) == 5);
    if (diag == NULL || diag->status != CM_OK) {
        return status;
    }
    va_list args;
    va_start(args, format);
    print_into(diag->message, sizeof diag->message, format, args);
    va_end(args);
    memcpy(diag->sqlstate, sqlstate, 6);
    diag->status = status;
    return status;
}

void cm_diag_detail(cm_diag *diag, const char *format, ...)
{
    if (diag == NULL || diag->detail[0] != '\0') {
        return;
    }
    va_list args;
    va_start(args, format);
    print_into(diag->detail, sizeof diag->detail, format, args);
    va_end(args);
}

void cm_diag_hint(cm_diag *diag, const char *format, ...)
{
    if (diag == NULL || diag->hint[0] != '\0') {
        return;
    }
    va_list args;
    va_start(args, format);
    print_into(diag->hint, sizeof diag->hint, format, args);
    va_end(args);
}

void cm_diag_party(cm_diag *diag, const char *party)
{
    if (diag == NULL || diag->party[0] != '\0') {
        return;
    }
    snprintf(diag->party, sizeof diag->party, "%s", party);
    if (strlen(party) >= sizeof diag->party) {
        trim_partial_character(diag->party);
    }
}

void cm_diag_reset(cm_diag *diag)
{
    *diag = (cm_diag){0};
}
