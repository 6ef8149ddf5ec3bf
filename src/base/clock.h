/* base/clock.h - monotonic time and deadlines.  Every wait has one. */
#ifndef CM_BASE_CLOCK_H
#define CM_BASE_CLOCK_H

#include "base/base.h"

/* Milliseconds and nanoseconds of the monotonic clock. */
int64_t cm_clock_ms(void);
int64_t cm_clock_ns(void);
/* Seconds since 1970, for records shown to people only. */
int64_t cm_clock_unix(void);
/* Remaining milliseconds until deadline_ms, 0 when it has passed. */
int cm_clock_left_ms(int64_t deadline_ms);

#endif
