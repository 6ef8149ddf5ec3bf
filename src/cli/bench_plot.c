/*
 * Growth as a picture: seconds over rows, both axes logarithmic, one line per operation with its
 * name at the right end.  The SVG brings its colours for light and dark pages, and a ground of its
 * own, so that it can be read wherever it is shown.
 */
#include "cli/bench.h"

#include <math.h>
#include <string.h>

enum {
    WIDTH = 880,
    HEIGHT = 520,
    LEFT = 70,
    RIGHT = 720,
    TOP = 60,
    BOTTOM = 470,
    LINES_MAX = 10,
    LABEL_STEP = 15, /* between names that would cover each other */
};

/* Without variables, which not every viewer knows; one that knows no media shows the light page. */
static const char STYLE[] =
    "<style>\n"
    "  .ground { fill: #ffffff } text { font: 12px sans-serif; fill: #59636e }\n"
    "  .title { font-size: 15px; font-weight: bold; fill: #1f2328 }\n"
    "  .grid { stroke: #e4e7eb } .guide { stroke: #59636e; stroke-dasharray: 2 5 }\n"
    "  .c0 { stroke: #0b65c2; fill: #0b65c2 } .c1 { stroke: #c2410c; fill: #c2410c }\n"
    "  .c2 { stroke: #12805c; fill: #12805c } .c3 { stroke: #a21caf; fill: #a21caf }\n"
    "  .c4 { stroke: #8a6a00; fill: #8a6a00 } .c5 { stroke: #0e7490; fill: #0e7490 }\n"
    "  .c6 { stroke: #b4235a; fill: #b4235a } .c7 { stroke: #5b50d6; fill: #5b50d6 }\n"
    "  .c8 { stroke: #5c6b1f; fill: #5c6b1f } .c9 { stroke: #57534e; fill: #57534e }\n"
    "  @media (prefers-color-scheme: dark) {\n"
    "    .ground { fill: #15181d } text { fill: #9aa4af } .title { fill: #e6e9ed }\n"
    "    .grid { stroke: #2b3138 } .guide { stroke: #9aa4af }\n"
    "    .c0 { stroke: #6cb2ff; fill: #6cb2ff } .c1 { stroke: #ff9a62; fill: #ff9a62 }\n"
    "    .c2 { stroke: #4fd0a0; fill: #4fd0a0 } .c3 { stroke: #e58cf0; fill: #e58cf0 }\n"
    "    .c4 { stroke: #e0bd4a; fill: #e0bd4a } .c5 { stroke: #5fd0e6; fill: #5fd0e6 }\n"
    "    .c6 { stroke: #ff8db5; fill: #ff8db5 } .c7 { stroke: #a8a0ff; fill: #a8a0ff }\n"
    "    .c8 { stroke: #b7c95a; fill: #b7c95a } .c9 { stroke: #b9b2aa; fill: #b9b2aa }\n"
    "  }\n"
    "  .line { fill: none; stroke-width: 2; stroke-linejoin: round } .name { stroke: none }\n"
    "</style>\n";

typedef struct plot {
    cm_buf *out;
    const cm_bench_result *results;
    size_t count;
    double min_x, max_x; /* log2 of rows */
    double min_y, max_y; /* log10 of seconds, whole decades */
} plot;

typedef struct plot_line {
    const cm_bench_op *op;
    unsigned bits;
    double label_y;
} plot_line;

static double x_of(const plot *p, double log_rows)
{
    double span = p->max_x > p->min_x ? p->max_x - p->min_x : 1;
    return LEFT + (log_rows - p->min_x) / span * (RIGHT - LEFT);
}

static double y_of(const plot *p, double log_seconds)
{
    return BOTTOM - (log_seconds - p->min_y) / (p->max_y - p->min_y) * (BOTTOM - TOP);
}

static double x_of_result(const plot *p, const cm_bench_result *r)
{
    return x_of(p, log2((double)r->c.rows));
}

static double y_of_result(const plot *p, const cm_bench_result *r)
{
    return y_of(p, log10(r->seconds));
}

static void find_ranges(plot *p)
{
    p->min_x = p->min_y = INFINITY;
    p->max_x = p->max_y = -INFINITY;
    for (size_t i = 0; i < p->count; i++) {
        double x = log2((double)p->results[i].c.rows);
        double y = log10(p->results[i].seconds);
        p->min_x = fmin(p->min_x, x);
        p->max_x = fmax(p->max_x, x);
        p->min_y = fmin(p->min_y, floor(y));
        p->max_y = fmax(p->max_y, ceil(y));
    }
    p->max_y = p->max_y > p->min_y ? p->max_y : p->min_y + 1;
}

/* ---- axes --------------------------------------------------------------------------------- */

/* "100 ms" for 10^-1. */
static void put_seconds(cm_buf *out, int decade)
{
    static const char *const UNITS[] = {"ns", "us", "ms", "s"};
    int unit = decade >= 0 ? 3 : decade >= -3 ? 2 : decade >= -6 ? 1 : 0;
    cm_buf_printf(out, "%.0f %s", pow(10, decade + 3 * (3 - unit)), UNITS[unit]);
}

static void put_y_axis(const plot *p)
{
    for (int decade = (int)p->min_y; decade <= (int)p->max_y; decade++) {
        double y = y_of(p, decade);
        cm_buf_printf(p->out,
                      "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                      "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">",
                      LEFT, RIGHT, y, y, LEFT - 8, y + 4);
        put_seconds(p->out, decade);
        cm_buf_printf(p->out, "</text>\n");
    }
}

static void put_x_axis(const plot *p)
{
    for (int power = (int)ceil(p->min_x); power <= (int)floor(p->max_x); power += 2) {
        double x = x_of(p, power);
        cm_buf_printf(p->out,
                      "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>"
                      "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">2<tspan dy=\"-5\" "
                      "font-size=\"9\">%d</tspan></text>\n",
                      x, x, TOP, BOTTOM, x, BOTTOM + 20, power);
    }
    cm_buf_printf(p->out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">rows</text>\n",
                  (LEFT + RIGHT) / 2, BOTTOM + 40);
}

/* Ten times the rows in ten times the seconds, through the lower left corner, for the eye. */
static void put_guide(const plot *p)
{
    double decades = fmin((p->max_x - p->min_x) * log10(2), p->max_y - p->min_y);
    cm_buf_printf(p->out,
                  "<line class=\"guide\" x1=\"%d\" y1=\"%d\" x2=\"%.1f\" y2=\"%.1f\"/>"
                  "<text x=\"%d\" y=\"%d\">dotted: as rows</text>\n",
                  LEFT, BOTTOM, x_of(p, p->min_x + decades / log10(2)), y_of(p, p->min_y + decades),
                  RIGHT + 10, BOTTOM + 40);
}

/* ---- lines -------------------------------------------------------------------------------- */

/* Operations in the order of their first result; where their last one lies. */
static size_t find_lines(const plot *p, plot_line lines[static LINES_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < p->count; i++) {
        size_t at = 0;
        while (at < count && lines[at].op != p->results[i].c.op) {
            at++;
        }
        if (at == LINES_MAX) {
            continue;
        }
        const cm_bench_result *r = &p->results[i];
        lines[at] = (plot_line){.op = r->c.op, .bits = r->c.bits, .label_y = y_of_result(p, r)};
        count += at == count;
    }
    return count;
}

static void put_line(const plot *p, const plot_line *line, size_t colour)
{
    cm_buf_printf(p->out,
                  "<g class=\"c%zu\">\n<polyline class=\"line\" "
                  "points=\"",
                  colour);
    for (size_t i = 0; i < p->count; i++) {
        if (p->results[i].c.op == line->op) {
            cm_buf_printf(p->out, "%.1f,%.1f ", x_of_result(p, &p->results[i]),
                          y_of_result(p, &p->results[i]));
        }
    }
    cm_buf_printf(p->out, "\"/>\n");
    for (size_t i = 0; i < p->count; i++) {
        const cm_bench_result *r = &p->results[i];
        if (r->c.op == line->op) {
            cm_buf_printf(p->out,
                          "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\"><title>%s, %zu rows: %.4g "
                          "s</title></circle>\n",
                          x_of_result(p, r), y_of_result(p, r), r->c.op->name, r->c.rows,
                          r->seconds);
        }
    }
    cm_buf_printf(p->out, "</g>\n");
}

/* Names from the highest down, each below the one before. */
static void put_names(const plot *p, plot_line *lines, size_t count)
{
    bool put[LINES_MAX] = {false};
    double free_y = TOP - LABEL_STEP;
    for (size_t i = 0; i < count; i++) {
        size_t next = count;
        for (size_t k = 0; k < count; k++) {
            if (!put[k] && (next == count || lines[k].label_y < lines[next].label_y)) {
                next = k;
            }
        }
        put[next] = true;
        free_y = fmax(lines[next].label_y, free_y + LABEL_STEP);
        cm_buf_printf(p->out, "<text x=\"%d\" y=\"%.1f\" class=\"name c%zu\">%s, %u bits</text>\n",
                      RIGHT + 10, free_y + 4, next, lines[next].op->name, lines[next].bits);
    }
}

static void put_head(cm_buf *out, const cm_bench_options *o)
{
    cm_buf_printf(out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
                  "height=\"%d\" role=\"img\" aria-label=\"seconds over rows\">\n%s"
                  "<rect width=\"%d\" height=\"%d\" class=\"ground\"/>\n"
                  "<text class=\"title\" x=\"%d\" y=\"28\">Seconds over rows: three parties, %s",
                  WIDTH, HEIGHT, WIDTH, HEIGHT, STYLE, WIDTH, HEIGHT, LEFT,
                  o->plain ? "plain TCP" : "TLS 1.3");
    if (o->rtt_ms > 0) {
        cm_buf_printf(out, ", %g ms round trip", o->rtt_ms);
    }
    if (o->rate_mbit > 0) {
        cm_buf_printf(out, ", %g Mbit/s", o->rate_mbit);
    }
    cm_buf_printf(out, ", %u lane%s</text>\n", o->lanes, o->lanes > 1 ? "s" : "");
}

void cm_bench_plot(cm_buf *out, const cm_bench_options *options, const cm_bench_result *results,
                   size_t count)
{
    plot p = {.out = out, .results = results, .count = count};
    plot_line lines[LINES_MAX];
    put_head(out, options);
    if (count > 0) {
        find_ranges(&p);
        put_y_axis(&p);
        put_x_axis(&p);
        put_guide(&p);
        size_t line_count = find_lines(&p, lines);
        for (size_t i = 0; i < line_count; i++) {
            put_line(&p, &lines[i], i);
        }
        put_names(&p, lines, line_count);
    }
    cm_buf_printf(out, "</svg>\n");
}
