#include "pgwire/message.h"

size_t cm_pg_begin(cm_buf *out, char type)
{
    cm_buf_put_u8(out, (uint8_t)type);
    size_t mark = out->bytes;
    cm_buf_put_u32(out, 0);
    return mark;
}

void cm_pg_end(cm_buf *out, size_t mark)
{
    if (out->failed) {
        return;
    }
    uint32_t bytes = (uint32_t)(out->bytes - mark);
    for (unsigned i = 0; i < 4; i++) {
        out->data[mark + i] = (uint8_t)(bytes >> (24 - 8 * i));
    }
}

cm_diag cm_pg_diag(const char *sqlstate, const char *format, va_list args)
{
    cm_diag diag = {0};
    cm_buf text = {0};
    cm_buf_vprintf(&text, format, args);
    cm_status st = cm_fail(&diag, CM_EPROTO, sqlstate, "%s", cm_buf_text(&text));
    CM_ASSERT(st == CM_EPROTO);
    cm_buf_free(&text);
    return diag;
}

static void put_field(cm_buf *out, char code, const char *text)
{
    if (text[0] != '\0') {
        cm_buf_put_u8(out, (uint8_t)code);
        cm_buf_put_cstr(out, text);
    }
}

void cm_pg_put_diag(cm_buf *out, cm_pg_severity severity, const cm_diag *diag)
{
    static const char *const NAMES[] = {"ERROR", "FATAL", "NOTICE"};
    size_t mark = cm_pg_begin(out, severity == CM_PG_NOTICE ? 'N' : 'E');
    put_field(out, 'S', NAMES[severity]);
    put_field(out, 'V', NAMES[severity]);
    put_field(out, 'C', diag->sqlstate[0] != '\0' ? diag->sqlstate : CM_SQL_INTERNAL);
    put_field(out, 'M', diag->message[0] != '\0' ? diag->message : "unknown error");
    put_field(out, 'D', diag->detail);
    put_field(out, 'H', diag->hint);
    if (diag->position > 0) {
        char position[41];
        put_field(out, 'P', cm_i128_print(diag->position, position));
    }
    cm_buf_put_u8(out, 0);
    cm_pg_end(out, mark);
}

void cm_pg_put_row_description(cm_buf *out, const cm_result_col *col, size_t cols,
                               const uint16_t *formats)
{
    size_t mark = cm_pg_begin(out, 'T');
    cm_buf_put_u16(out, (uint16_t)cols);
    for (size_t i = 0; i < cols; i++) {
        cm_buf_put_cstr(out, col[i].name);
        cm_buf_put_u32(out, 0); /* no table */
        cm_buf_put_u16(out, 0);
        cm_buf_put_u32(out, col[i].oid);
        cm_buf_put_u16(out, (uint16_t)col[i].len);
        cm_buf_put_u32(out, (uint32_t)col[i].mod);
        cm_buf_put_u16(out, formats != NULL ? formats[i] : 0);
    }
    cm_pg_end(out, mark);
}

void cm_pg_put_command_complete(cm_buf *out, const char *tag)
{
    size_t mark = cm_pg_begin(out, 'C');
    cm_buf_put_cstr(out, tag);
    cm_pg_end(out, mark);
}

void cm_pg_put_parameter_status(cm_buf *out, const char *name, const char *value)
{
    size_t mark = cm_pg_begin(out, 'S');
    cm_buf_put_cstr(out, name);
    cm_buf_put_cstr(out, value);
    cm_pg_end(out, mark);
}

void cm_pg_put_ready(cm_buf *out, char transaction_state)
{
    size_t mark = cm_pg_begin(out, 'Z');
    cm_buf_put_u8(out, (uint8_t)transaction_state);
    cm_pg_end(out, mark);
}

void cm_pg_put_empty(cm_buf *out, char type)
{
    cm_pg_end(out, cm_pg_begin(out, type));
}
