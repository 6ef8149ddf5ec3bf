/* Groups of public domains: all combinations of the keys' values, first key slowest, NULL last. */
#include "sql/plan.h"

static size_t values_of(const cm_domain *domain)
{
    return (size_t)(domain->range.hi - domain->range.lo) + 1 + (domain->nullable ? 1 : 0);
}

size_t cm_fragment_groups(const cm_fragment *f)
{
    size_t groups = 1;

    for (size_t i = 0; i < f->keys; i++) {
        CM_ASSERT(!__builtin_mul_overflow(groups, values_of(&f->domain[i]), &groups));
    }
    return groups;
}

bool cm_fragment_position(const cm_fragment *f, const cm_value *keys, size_t *ret)
{
    size_t at = 0;

    for (size_t i = 0; i < f->keys; i++) {
        const cm_domain *domain = &f->domain[i];
        size_t values = values_of(domain), index = values - 1;
        if (keys[i].null && !domain->nullable) {
            return false;
        }
        if (!keys[i].null) {
            if (keys[i].number < domain->range.lo || keys[i].number > domain->range.hi) {
                return false;
            }
            index = (size_t)(keys[i].number - domain->range.lo);
        }
        at = at * values + index;
    }
    *ret = at;
    return true;
}

void cm_fragment_keys_at(const cm_fragment *f, size_t position, cm_value *ret_keys)
{
    for (size_t i = f->keys; i-- > 0;) {
        const cm_domain *domain = &f->domain[i];
        size_t values = values_of(domain), index = position % values;
        bool null = domain->nullable && index == values - 1;
        ret_keys[i] =
            (cm_value){.null = null, .number = null ? 0 : domain->range.lo + (cm_i128)index};
        position /= values;
    }
}
