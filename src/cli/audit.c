/* comity audit: shows and checks the hash-chained log of a node. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "node/audit.h"

static int run(int argc, char **argv);

const cm_command CM_COMMAND_AUDIT = {
    .name = "audit",
    .summary = "shows or verifies a node's audit log",
    .usage =
        "usage: comity audit verify DIR\n"
        "       comity audit show DIR [FROM]\n\n"
        "verify walks the whole log, running node or not: every entry holds the hash of the one\n"
        "before it and the node's signature. It names the first entry that was changed, dropped,\n"
        "inserted or moved, and says when the end was cut off. show prints entries, from number\n"
        "FROM on.\n",
    .run = run,
};

static int verify(const char *dir)
{
    cm_diag diag = {0};
    uint64_t entries = 0;
    cm_hash head;
    char hex[65];
    if (cm_audit_verify(dir, &entries, &head, &diag) != CM_OK) {
        return cm_cli_failed("audit verify", &diag);
    }
    cm_hash_hex(&head, hex);
    (void)printf("%llu entries, unbroken; last hash %s\n", (unsigned long long)entries, hex);
    return 0;
}

static cm_status show_entry(void *arg, const cm_audit_entry *entry, cm_diag *diag)
{
    static const char *const KINDS[] = {"", "consent", "outcome", "change"};
    char when[32] = "";
    time_t seconds = (time_t)entry->unix_time;
    struct tm utc;
    (void)arg;
    (void)diag;
    if (gmtime_r(&seconds, &utc) != NULL) {
        (void)strftime(when, sizeof when, "%Y-%m-%d %H:%M:%SZ", &utc);
    }
    (void)printf("%llu  %s  %-7s  %s by %s/%s%s%s\n", (unsigned long long)entry->sequence, when,
                 KINDS[entry->kind], entry->allowed ? "yes" : "no ", entry->coordinator,
                 entry->role, entry->allowed ? "" : ": ", entry->allowed ? "" : entry->message);
    (void)printf("    %s\n", entry->sql);
    for (size_t i = 0; i < entry->disclosures; i++) {
        (void)printf("    disclosed to %s\n", entry->disclosure[i]);
    }
    if (entry->kind == CM_AUDIT_OUTCOME) {
        (void)printf("    %llu bytes sent, %llu rounds, %.3f s\n", (unsigned long long)entry->bytes,
                     (unsigned long long)entry->rounds, (double)entry->milliseconds / 1000.0);
    }
    return CM_OK;
}

static int show(const char *dir, const char *from)
{
    cm_diag diag = {0};
    cm_state *state = NULL;
    cm_buf path = {0};
    cm_buf_printf(&path, "%s/state.db", dir);
    cm_status st = cm_state_open_readonly(cm_buf_text(&path), &state, &diag);
    if (st == CM_OK) {
        uint64_t first = from != NULL ? strtoull(from, NULL, 10) : 1;
        st = cm_audit_walk(state, first, show_entry, NULL, &diag);
    }
    cm_state_close(state);
    cm_buf_free(&path);
    return st == CM_OK ? 0 : cm_cli_failed("audit show", &diag);
}

static int run(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "verify") == 0) {
        return verify(argv[2]);
    }
    if ((argc == 3 || argc == 4) && strcmp(argv[1], "show") == 0) {
        return show(argv[2], argc == 4 ? argv[3] : NULL);
    }
    return cm_cli_usage(&CM_COMMAND_AUDIT);
}
