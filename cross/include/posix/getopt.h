/* SPDX-License-Identifier: MIT */
/* As getopt_long(3) of all these systems has it. */
#ifndef CROSS_GETOPT_H
#define CROSS_GETOPT_H

#include <system.h>

struct option {
    const char *name;
    int has_arg;
    int *flag;
    int val;
};
#define no_argument 0
#define required_argument 1
#define optional_argument 2
extern char *optarg;
extern int optind, opterr, optopt;
int getopt_long(int argc, char *const *argv, const char *letters, const struct option *options, int *index);

#endif
