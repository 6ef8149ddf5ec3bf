#include "base/clock.h"

#include <limits.h>
#include <time.h>

int64_t cm_clock_ns(void)
{
    struct timespec now;

    CM_ASSERT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t cm_clock_ms(void)
{
    return cm_clock_ns() / 1000000;
}

int64_t cm_clock_unix(void)
{
    return (int64_t)time(NULL);
}

int cm_clock_left_ms(int64_t deadline_ms)
{
    int64_t now = cm_clock_ms();
    if (deadline_ms <= now) {
        return 0;
    }
    int64_t left = deadline_ms - now;
    return left > INT_MAX ? INT_MAX : (int)left;
}
