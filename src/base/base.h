/*
 * base/base.h - what every file of Comity may use: status codes, diagnostics, asserts, attributes.
 *
 * Errors come in three kinds and are handled in three ways:
 *   our bug           CM_ASSERT, on in release builds too, aborts the process;
 *   operating error   a cm_status is returned, its detail is written once, at the origin, into the
 *                     caller's cm_diag;
 *   possible cheating CM_ECHEAT: the session is dead, outputs are wiped, nothing more is opened.
 * Outputs named ret_ are written on success only, or wiped.
 */
#ifndef CM_BASE_BASE_H
#define CM_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CM_MUST __attribute__((warn_unused_result))
#define CM_PRINTF(format_index, args_index)                                                        \
    __attribute__((format(printf, format_index, args_index)))
#define CM_NORETURN __attribute__((noreturn))
#define CM_CLEANUP(function) __attribute__((cleanup(function)))
#define CM_UNUSED __attribute__((unused))

#define CM_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Aborts with file, line and condition.  Never given a secret. */
CM_NORETURN void cm_assert_failed(const char *condition, const char *file, int line);
#define CM_ASSERT(condition)                                                                       \
    ((condition) ? (void)0 : cm_assert_failed(#condition, __FILE__, __LINE__))

__extension__ typedef __int128 cm_i128;
__extension__ typedef unsigned __int128 cm_u128;

typedef enum cm_status {
    CM_OK = 0,
    CM_EINVAL,       /* bad input from outside: SQL, a file, a message */
    CM_ENOMEM,       /* a size that comes from outside could not be had */
    CM_EIO,          /* the operating system refused: disk, socket */
    CM_EPEER,        /* a party is gone or was silent past its deadline */
    CM_EPROTO,       /* a party sent what the protocol does not allow */
    CM_ECHEAT,       /* a check against active cheating failed */
    CM_EDEAD,        /* the session failed before and refuses further work */
    CM_EDENIED,      /* policy or authentication says no */
    CM_EUNSUPPORTED, /* understood, and not supported yet */
    CM_ERANGE,       /* a value is out of its range or would overflow */
    CM_ECANCELLED,   /* the user cancelled */
    CM_ENOTFOUND,
    CM_EEXISTS,
} cm_status;

/* "operating system error" and the like; never NULL. */
const char *cm_status_text(cm_status status);

/*
 * The one description of a failure, filled at its origin and passed up untouched.  The first
 * failure wins: filling a diag that already holds one is a no-op.
 */
typedef struct cm_diag {
    cm_status status;
    char sqlstate[6]; /* PostgreSQL's code, e.g. "42501" */
    char party[64];   /* organisation that failed or refused, or "" */
    char message[512];
    char detail[1024];
    char hint[512];
    int position; /* character in the SQL text, from 1; 0 when there is none */
} cm_diag;

/* Fills diag (NULL is allowed) and returns status, so that callers write return cm_fail(...). */
CM_MUST CM_PRINTF(4, 5) cm_status
    cm_fail(cm_diag *diag, cm_status status, const char *sqlstate, const char *format, ...);
CM_PRINTF(2, 3) void cm_diag_detail(cm_diag *diag, const char *format, ...);
CM_PRINTF(2, 3) void cm_diag_hint(cm_diag *diag, const char *format, ...);
void cm_diag_party(cm_diag *diag, const char *party);
void cm_diag_reset(cm_diag *diag);

/* SQLSTATE codes that more than one module raises. */
#define CM_SQL_SYNTAX "42601"
#define CM_SQL_UNDEFINED_TABLE "42P01"
#define CM_SQL_UNDEFINED_COLUMN "42703"
#define CM_SQL_UNDEFINED_FUNCTION "42883"
#define CM_SQL_UNDEFINED_OBJECT "42704"
#define CM_SQL_DUPLICATE_OBJECT "42710"
#define CM_SQL_AMBIGUOUS_COLUMN "42702"
#define CM_SQL_GROUPING "42803"
#define CM_SQL_DATATYPE_MISMATCH "42804"
#define CM_SQL_DENIED "42501"
#define CM_SQL_UNSUPPORTED "0A000"
#define CM_SQL_CARDINALITY "21000"
#define CM_SQL_RANGE "22003"
#define CM_SQL_DIVISION_BY_ZERO "22012"
#define CM_SQL_BAD_TEXT "22P02"
#define CM_SQL_CHECK "23514"
#define CM_SQL_CANCELLED "57014"
#define CM_SQL_SHUTDOWN "57P01"
#define CM_SQL_CANNOT_CONNECT_NOW "57P03"
#define CM_SQL_CONNECTION_FAILURE "08006"
#define CM_SQL_PROTOCOL "08P01"
#define CM_SQL_NOT_READY "55000"
#define CM_SQL_TOO_MANY "53300"
#define CM_SQL_OUT_OF_MEMORY "53200"
#define CM_SQL_DISK_FULL "53100"
#define CM_SQL_TOO_MANY_ROWS "54000"
#define CM_SQL_IO "58030"
#define CM_SQL_FDW "HV000"
#define CM_SQL_INTERNAL "XX000"

#endif
