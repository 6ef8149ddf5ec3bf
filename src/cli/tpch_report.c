/* A line or an object per query. */
#include "cli/tpch.h"

#include <stdio.h>
#include <string.h>

void cm_tpch_report_begin(const cm_tpch_options *options, const cm_tpch_run *run)
{
    const cm_tpch_data *data = run->data;
    if (options->json) {
        (void)printf("[");
        return;
    }
    (void)printf("%s; lineitem has %llu rows; links: %.0f MB/s a party, %.0f us a round\n\n",
                 options->data != NULL ? options->data : "made data",
                 (unsigned long long)data->rows[CM_TPCH_LINEITEM],
                 run->settings.bytes_per_second / 1e6, run->settings.rtt_seconds / 2 * 1e6);
    (void)printf("query pushdown  seconds predicted  MB/party predicted  rounds  peak MB  rows\n");
    (void)fflush(stdout);
}

/* A message of ours as a JSON string. */
static void put_json_text(const char *text)
{
    (void)putchar('"');
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            (void)printf("\\%c", c);
        } else if (c < ' ') {
            (void)printf("\\u%04x", c);
        } else {
            (void)putchar(c);
        }
    }
    (void)putchar('"');
}

static void put_json(const cm_tpch_result *r, bool first)
{
    (void)printf("%s\n{\"query\": \"q%02u\", \"pushdown\": %s, ", first ? "" : ",", r->query + 1,
                 r->pushdown ? "true" : "false");
    if (r->good) {
        (void)printf("\"seconds\": %.6f, \"bytes_sent\": %llu, \"rounds\": %llu, "
                     "\"peak_bytes\": %llu, \"answer_rows\": %llu, ",
                     r->seconds, (unsigned long long)r->bytes_sent, (unsigned long long)r->rounds,
                     (unsigned long long)r->peak_bytes, (unsigned long long)r->rows);
    } else {
        (void)printf("\"seconds\": null, \"bytes_sent\": null, \"rounds\": null, "
                     "\"peak_bytes\": null, \"error\": ");
        put_json_text(r->why.message);
        (void)printf(", ");
    }
    (void)printf("\"predicted_seconds\": %.6f, \"predicted_bytes\": %.0f, "
                 "\"predicted_peak_bytes\": %.0f}",
                 r->predicted_seconds, r->predicted_bytes, r->predicted_memory);
}

static void put_explain(const cm_tpch_result *r)
{
    const cm_explain explain = {.analyze = true, .cost = true};
    cm_buf text = {0};
    if (r->plan != NULL) {
        cm_explain_print(r->plan, &explain, r->good ? r->measured : NULL, &text);
        (void)printf("%s\n", cm_buf_text(&text));
    }
    cm_buf_free(&text);
}

void cm_tpch_report_row(const cm_tpch_options *options, const cm_tpch_result *r, bool first)
{
    if (options->json) {
        put_json(r, first);
    } else if (!r->good) {
        (void)printf("q%02u   %-8s  failed: %s %s\n", r->query + 1, r->pushdown ? "on" : "off",
                     r->why.sqlstate, r->why.message);
    } else {
        (void)printf("q%02u   %-8s %8.3f  %8.3f  %8.1f  %8.1f  %6llu  %7.0f  %4llu\n", r->query + 1,
                     r->pushdown ? "on" : "off", r->seconds, r->predicted_seconds,
                     (double)r->bytes_sent / 1e6, r->predicted_bytes / 1e6,
                     (unsigned long long)r->rounds, (double)r->peak_bytes / 1e6,
                     (unsigned long long)r->rows);
    }
    if (options->explain && !options->json) {
        put_explain(r);
    }
    (void)fflush(stdout);
}

static void put_sum(const cm_tpch_result *results, size_t count, bool pushdown)
{
    cm_tpch_result sum = {.pushdown = pushdown};
    unsigned queries = 0;
    for (size_t i = 0; i < count; i++) {
        const cm_tpch_result *r = &results[i];
        if (r->good && r->pushdown == pushdown) {
            queries++;
            sum.seconds += r->seconds;
            sum.bytes_sent += r->bytes_sent;
            sum.rounds += r->rounds;
            sum.predicted_seconds += r->predicted_seconds;
            sum.predicted_bytes += r->predicted_bytes;
            sum.peak_bytes = r->peak_bytes > sum.peak_bytes ? r->peak_bytes : sum.peak_bytes;
        }
    }
    if (queries > 0) {
        (void)printf("%3u   %-8s %8.3f  %8.3f  %8.1f  %8.1f  %6llu  %7.0f\n", queries,
                     pushdown ? "on" : "off", sum.seconds, sum.predicted_seconds,
                     (double)sum.bytes_sent / 1e6, sum.predicted_bytes / 1e6,
                     (unsigned long long)sum.rounds, (double)sum.peak_bytes / 1e6);
    }
}

void cm_tpch_report_end(const cm_tpch_options *options, const cm_tpch_result *results, size_t count)
{
    if (options->json) {
        (void)printf("\n]\n");
        return;
    }
    (void)printf("\n");
    put_sum(results, count, true);
    put_sum(results, count, false);
}
