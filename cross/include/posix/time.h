/* SPDX-License-Identifier: MIT */
/* As POSIX.1-2008 has it; numbers and types are those of the system. */
#ifndef CROSS_TIME_H
#define CROSS_TIME_H

#include <system.h>

struct tm {
    int tm_sec, tm_min, tm_hour, tm_mday, tm_mon, tm_year, tm_wday, tm_yday, tm_isdst;
};

int clock_gettime(clockid_t clock, struct timespec *ts);
int nanosleep(const struct timespec *time, struct timespec *left);
struct tm *gmtime_r(const time_t *time, struct tm *t);
size_t strftime(char *text, size_t size, const char *format, const struct tm *t);

#endif
