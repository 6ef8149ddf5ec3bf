/* Functions of text, which only an owner can evaluate, on its own columns. */
#include "sql/bind_int.h"

#include <string.h>

static cm_status no_such(const cm_call *c)
{
    return cm_bind_no_function(c->b, c->ast, c->args, c->count);
}

static bool is_text(const cm_expr *expr)
{
    return expr->type.kind == CM_TYPE_TEXT;
}

static const cm_expr *text(const cm_call *c, const char *value)
{
    return cm_expr_const(c->b->arena, cm_bind_text(strlen(value)), (cm_value){.text = value},
                         c->position);
}

static const cm_expr *integer(const cm_call *c, cm_i128 value)
{
    return cm_bind_number(c->b, cm_bind_plain(CM_TYPE_INT4), value, c->position);
}

/* All arguments are text. */
static cm_status settle(const cm_call *c, size_t least, size_t most)
{
    cm_status st = CM_OK;

    for (size_t i = 0; i < c->count && st == CM_OK; i++) {
        st = cm_bind_coerce_unknown(c->b, c->args[i], cm_bind_text(0), &c->args[i]);
    }
    for (size_t i = 0; i < c->count && st == CM_OK; i++) {
        st = is_text(c->args[i]) ? CM_OK : no_such(c);
    }
    return st == CM_OK && (c->count < least || c->count > most) ? no_such(c) : st;
}

/* Which ends: 0 both, 1 the left, 2 the right. */
static cm_status bind_trim(const cm_call *c, unsigned ends, const cm_expr **ret)
{
    cm_status st = settle(c, 1, 2);

    if (st != CM_OK) {
        return st;
    }
    const cm_expr *args[2] = {c->args[0], c->count > 1 ? c->args[1] : text(c, " ")};
    return cm_bind_op(c->b, CM_X_TRIM, cm_bind_text(args[0]->type.max_bytes), args, 2, ends, 0,
                      c->position, ret);
}

cm_status cm_bind_btrim(const cm_call *c, const cm_expr **ret)
{
    return bind_trim(c, 0, ret);
}

cm_status cm_bind_ltrim(const cm_call *c, const cm_expr **ret)
{
    return bind_trim(c, 1, ret);
}

cm_status cm_bind_rtrim(const cm_call *c, const cm_expr **ret)
{
    return bind_trim(c, 2, ret);
}

/* As many times as what is replaced fits, the longer of both. */
cm_status cm_bind_replace(const cm_call *c, const cm_expr **ret)
{
    cm_status st = settle(c, 3, 3);

    if (st != CM_OK) {
        return st;
    }
    bool known = cm_bind_is_const(c->args[1]) && !c->args[1]->value.null;
    size_t from = known ? strlen(c->args[1]->value.text) : 1, to = c->args[2]->type.max_bytes;
    size_t bytes = c->args[0]->type.max_bytes;
    from = from == 0 ? 1 : from;
    size_t most = to > from ? bytes / from * to + bytes % from : bytes;
    return cm_bind_op(c->b, CM_X_REPLACE, cm_bind_text(most), c->args, 3, 0, 0, c->position, ret);
}

/* position(a IN b) comes as position(b, a), as strpos is called. */
cm_status cm_bind_position(const cm_call *c, const cm_expr **ret)
{
    cm_status st = settle(c, 2, 2);

    return st != CM_OK ? st
                       : cm_bind_op2(c->b, CM_X_POSITION, cm_bind_plain(CM_TYPE_INT4), c->args[0],
                                     c->args[1], c->position, ret);
}

static cm_status substring(const cm_call *c, const cm_expr *of, const cm_expr *from,
                           const cm_expr *count, const cm_expr **ret)
{
    const cm_expr *args[3] = {of, from, count};

    return cm_bind_op(c->b, CM_X_SUBSTRING, cm_bind_text(of->type.max_bytes), args,
                      count == NULL ? 2 : 3, 0, 0, c->position, ret);
}

/* length(of) + add, but not less than `least`. */
static cm_status length_plus(const cm_call *c, const cm_expr *of, cm_i128 add, cm_i128 least,
                             const cm_expr **ret)
{
    const cm_type int4 = cm_bind_plain(CM_TYPE_INT4);

    cm_status st = cm_bind_op1(c->b, CM_X_LENGTH, int4, of, c->position, ret);
    if (st == CM_OK && add != 0) {
        st = cm_bind_op2(c->b, CM_X_ADD, int4, *ret, integer(c, add), c->position, ret);
    }
    return st != CM_OK
               ? st
               : cm_bind_op2(c->b, CM_X_GREATEST, int4, *ret, integer(c, least), c->position, ret);
}

/* left and right: all but so many characters of the other side, where the count is negative. */
static cm_status bind_side(const cm_call *c, bool right, const cm_expr **ret)
{
    const cm_expr *of, *from, *count;

    if (c->count != 2 || !cm_bind_is_int(&c->args[1]->type)) {
        return no_such(c);
    }
    cm_status st = cm_bind_coerce_unknown(c->b, c->args[0], cm_bind_text(0), &of);
    if (st != CM_OK || !is_text(of)) {
        return st != CM_OK ? st : no_such(c);
    }
    if (!cm_bind_is_const(c->args[1]) || c->args[1]->value.null ||
        c->args[1]->value.number > INT16_MAX || c->args[1]->value.number < -INT16_MAX) {
        return cm_bind_refuse(c->b, c->position, "%s with a count that is not a constant",
                              c->ast->text);
    }
    const cm_i128 n = c->args[1]->value.number;
    if (!right) {
        count = integer(c, n);
        st = n < 0 ? length_plus(c, of, n, 0, &count) : CM_OK;
        return st != CM_OK ? st : substring(c, of, integer(c, 1), count, ret);
    }
    if (n < 0) {
        return substring(c, of, integer(c, 1 - n), NULL, ret);
    }
    st = length_plus(c, of, 1 - n, 1, &from);
    return st != CM_OK ? st : substring(c, of, from, integer(c, n), ret);
}

cm_status cm_bind_left(const cm_call *c, const cm_expr **ret)
{
    return bind_side(c, false, ret);
}

cm_status cm_bind_right(const cm_call *c, const cm_expr **ret)
{
    return bind_side(c, true, ret);
}

cm_status cm_bind_starts_with(const cm_call *c, const cm_expr **ret)
{
    const cm_expr *length, *start;
    cm_status st = settle(c, 2, 2);

    if (st == CM_OK) {
        st = cm_bind_op1(c->b, CM_X_LENGTH, cm_bind_plain(CM_TYPE_INT4), c->args[1], c->position,
                         &length);
    }
    if (st == CM_OK) {
        st = substring(c, c->args[0], integer(c, 1), length, &start);
    }
    return st != CM_OK ? st
                       : cm_bind_op2(c->b, CM_X_EQ, cm_bind_plain(CM_TYPE_BOOL), start, c->args[1],
                                     c->position, ret);
}

static cm_status concat(const cm_call *c, const cm_expr *left, const cm_expr *right,
                        const cm_expr **ret)
{
    size_t bytes = (size_t)left->type.max_bytes + right->type.max_bytes;

    return cm_bind_op2(c->b, CM_X_CONCAT, cm_bind_text(bytes), left, right, c->position, ret);
}

/* Every part that is not NULL with the separator before it; then without the first separator. */
cm_status cm_bind_concat_ws(const cm_call *c, const cm_expr **ret)
{
    const cm_expr *joined = text(c, ""), *from;
    cm_status st = settle(c, 1, SIZE_MAX);

    for (size_t i = 1; i < c->count && st == CM_OK; i++) {
        const cm_expr *part, *absent;
        if (c->args[i]->type.text == CM_TEXT_CHAR) { /* with all its blanks */
            return cm_bind_refuse(c->b, c->args[i]->position, "concat_ws of type character");
        }
        st = concat(c, c->args[0], c->args[i], &part);
        if (st == CM_OK && c->args[i]->nullable) {
            st = cm_bind_op1(c->b, CM_X_IS_NULL, cm_bind_plain(CM_TYPE_BOOL), c->args[i],
                             c->position, &absent);
            const cm_expr *args[3] = {absent, text(c, ""), part};
            if (st == CM_OK) {
                st = cm_bind_op(c->b, CM_X_CASE, part->type, args, 3, 0, 0, c->position, &part);
            }
        }
        if (st == CM_OK) {
            st = concat(c, joined, part, &joined);
        }
    }
    if (st == CM_OK) {
        st = length_plus(c, c->args[0], 1, 1, &from);
    }
    return st != CM_OK ? st : substring(c, joined, from, NULL, ret);
}
