/*
 * node/wire.h - the messages of a job as bytes: between nodes, and between a node and its job's
 * process.  Encoders write what decoders accept; decoders bound every count and check every field.
 */
#ifndef CM_NODE_WIRE_H
#define CM_NODE_WIRE_H

#include "node/catalog.h"
#include "node/jobs.h"
#include "node/state.h"
#include "node/stored_file.h"

enum {
    CM_WIRE_VERSION = 1,
    CM_PARAMS_MAX = 1000,
    CM_PARAM_MAX_BYTES = 1 << 20,
    CM_PLAN_MAX_NODES = 100000,
};

/* Fills a diag where there is no status to return. */
CM_PRINTF(4, 5)
void cm_diag_set(cm_diag *diag, cm_status status, const char *sqlstate, const char *format, ...);

/* Texts from outside keep printable UTF-8 only, since they end on terminals and in logs. */
void cm_diag_encode(const cm_diag *diag, cm_buf *out);
void cm_diag_decode(cm_reader *reader, cm_diag *ret);

/* ---- proposals ---------------------------------------------------------------------------- */

typedef struct cm_named_catalog {
    const char *org;
    cm_catalog_id id;
} cm_named_catalog;

typedef struct cm_proposal {
    uint8_t job[CM_JOB_ID_BYTES];
    cm_hash federation; /* digest */
    const char *coordinator;
    const char *role;
    const char *sql;
    size_t params;
    const char *const *param;
    cm_plan_settings settings;
    size_t catalogs;
    const cm_named_catalog *catalog; /* of every member, in order */
    cm_hash plan;
    int64_t created_unix, expires_unix;
    uint32_t deadline_ms;
} cm_proposal;
/* Signed with context "comity propose 1". */
void cm_proposal_encode(const cm_proposal *proposal, const cm_identity *identity, cm_buf *out);
CM_MUST cm_status cm_proposal_decode(const uint8_t *data, size_t bytes, const cm_cert *cert,
                                     cm_arena *arena, cm_proposal *ret, cm_diag *diag);

typedef struct cm_consent {
    uint8_t job[CM_JOB_ID_BYTES];
    cm_hash plan;
    bool allowed;
    bool stale;  /* refused because catalogs differ: may be tried again */
    cm_diag why; /* when refused */
} cm_consent;
/* Signed with context "comity consent 1". */
void cm_consent_encode(const cm_consent *consent, const cm_identity *identity, cm_buf *out);
CM_MUST cm_status cm_consent_decode(const uint8_t *data, size_t bytes, const cm_cert *cert,
                                    cm_consent *ret);

/* ---- reports ------------------------------------------------------------------------------ */

/* What one participant measured.  measured has `nodes` entries in an arena. */
typedef struct cm_job_report {
    bool ok;
    cm_diag why; /* when not ok */
    uint64_t bytes, rounds, microseconds;
    uint64_t peak_memory_bytes; /* rounded up to 64 MiB */
    uint64_t opened[3];
    size_t nodes;
    const cm_measured *measured;
} cm_job_report;
void cm_job_report_encode(const cm_job_report *report, cm_buf *out);
CM_MUST bool cm_job_report_decode(cm_reader *reader, cm_arena *arena, cm_job_report *ret);

/* ---- between comityd and comity-job ------------------------------------------------------- */

/*
 * comity-job has two sockets: fd 3, a stream of frames (node/channel.h); fd 4, sequenced packets,
 * each with a cm_job_link and one descriptor: the socket of a link that came to the node port.
 *   to the job: JOB, then START; the end of the stream means: give up
 *   from it:    PROGRESS (u32 node), ROWS (coordinator), then one REPORT
 */
typedef enum cm_job_message {
    CM_JOBMSG_JOB = 1,
    CM_JOBMSG_START,
    CM_JOBMSG_PROGRESS,
    CM_JOBMSG_ROWS, /* u32 rows, then each row's plan->outputs texts */
    CM_JOBMSG_REPORT,
} cm_job_message;

enum {
    CM_JOB_CONTROL_FD = 3,
    CM_JOB_LINKS_FD = 4,
    CM_JOBMSG_MAX_BYTES = 256 << 20,
    CM_ROWS_BYTES = 256 << 10, /* a ROWS message is sent when it is so long */
};

typedef struct cm_job_link {
    uint32_t sender; /* participant */
    uint32_t lane;
} cm_job_link;

/* All that a job's process is told: the same bytes that were agreed on, and its own secrets. */
typedef struct cm_job_order {
    uint8_t job[CM_JOB_ID_BYTES];
    const char *org;        /* this node */
    const char *federation; /* the complete file */
    size_t catalogs;
    const cm_state_catalog *catalog; /* signed bytes of members that publish */
    const char *coordinator;
    const char *sql;
    size_t params;
    const char *const *param;
    cm_plan_settings settings;
    cm_hash plan;
    const char *identity_pem; /* secret */
    size_t servers;
    const cm_state_server *server; /* may hold passwords */
    size_t tables;
    const cm_state_table *table;
    const char *cache_dir;
    const char *stored_dir;
    size_t
        stored; /* keys of materialized views that are read; first, if it is written, the new one */
    const cm_stored_key *stored_key; /* secret */
    uint32_t idle_timeout_ms;
    uint32_t source_timeout_ms;
} cm_job_order;
void cm_job_order_encode(const cm_job_order *order, cm_buf *out);
CM_MUST cm_status cm_job_order_decode(const uint8_t *data, size_t bytes, cm_arena *arena,
                                      cm_job_order *ret, cm_diag *diag);

/* Shared pieces of codecs. */
void cm_reader_fixed(cm_reader *reader, void *ret, size_t bytes);
void cm_put_double(cm_buf *out, double value);
double cm_reader_double(cm_reader *reader); /* fails the reader unless finite and not negative */
void cm_options_encode(const cm_options *options, cm_buf *out);
CM_MUST bool cm_options_decode(cm_reader *reader, cm_arena *arena, cm_options *ret);

#endif
