// SPDX-License-Identifier: MIT
/*
 * The options of every verb, in one table that parses them and prints the help.
 *
 * Promises: a wrong argument is one line on standard error that says what was wrong and what would be right, and exit
 * status 2; a verb refuses the options that it has no use for, because an option without effect is a silent mistake.
 *
 * getopt_long(3) permutes: the program after -- is cut off before it sees the arguments, or it would take the program's
 * options for ours.
 */
#include "tool.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unx/activation.h>

struct option_info {
    const char *name;
    unsigned bit;
    const char *arg;
    const char *help;
};

static const struct option_info infos[] = {
    {"type", OPT_TYPE, "TYPE", "seqpacket (the default), stream or dgram"},
    {"seqpacket", OPT_SEQPACKET, NULL, "the same as --type seqpacket"},
    {"accept", OPT_ACCEPT, NULL, "a program for each connection, which is its descriptor 3"},
    {"children", OPT_CHILDREN, "N", "with --accept: so many at once, the others wait; 64"},
    {"name", OPT_NAME, "NAME", "a name for LISTEN_FDNAMES; once for each ADDR"},
    {"mode", OPT_MODE, "OCTAL", "mode of the socket file, exactly; without it the umask decides"},
    {"backlog", OPT_BACKLOG, "N", "connections that may wait to be accepted; as many as the system allows"},
    {"allow", OPT_ALLOW, "LIST", "who may talk: user:NAME, group:NAME (or numbers), same-user, root, or anyone"},
    {"max", OPT_MAX, "BYTES", "largest message that is taken, and largest answer of PROGRAM; 64 MiB"},
    {"once", OPT_ONCE, NULL, "end after one connection, or one datagram"},
    {"count", OPT_COUNT, "N", "end after N messages; 1"},
    {"echo", OPT_ECHO, NULL, "send the bytes of each message back"},
    {"data", OPT_DATA, "TEXT", "send TEXT instead of standard input"},
    {"empty", OPT_EMPTY, NULL, "an empty input is one empty packet instead of an error"},
    {"lines", OPT_LINES, NULL, "one line is one packet, without its line end; what comes is printed likewise"},
    {"reply", OPT_REPLY, NULL, "wait for a reply (with --lines: to each line) and print it"},
    {"fd", OPT_FD, "PATH|NUMBER", "lend a descriptor with the first packet: PATH opened for reading, or an open one"},
    {"no-fds", OPT_NO_FDS, NULL, "refuse descriptors: whoever sends some is told so"},
    {"cred", OPT_CRED, NULL, "credentials with each message: attach ours, or show those of each sender"},
    {"time", OPT_TIME, NULL, "when each message was sent; a stream has no such time"},
    {"pidfd", OPT_PIDFD, NULL, "ask for a pidfd of each sender, and show whether it still runs"},
    {"engine", OPT_ENGINE, "NAME", "how to wait: io_uring, epoll or poll; the first of them that works"},
    {"timeout", OPT_TIMEOUT, "MS", "wait no longer than so many milliseconds; no limit"},
    {"json", OPT_JSON, NULL, "print one JSON object per line"},
    {"quiet", OPT_QUIET, NULL, "print no messages and no notes, errors alone"},
};
#define NINFOS (sizeof(infos) / sizeof(*infos))

/* What getopt_long() returns: above every letter. */
#define VALUE_TABLE 256
#define VALUE_HELP 257

static const struct {
    const char *name;
    int type;
} types[] = {{"seqpacket", SOCK_SEQPACKET}, {"stream", SOCK_STREAM}, {"dgram", SOCK_DGRAM}};

static const struct {
    const char *name;
    unsigned flag;
} engines[] = {{"io_uring", UNX_ENGINE_URING}, {"epoll", UNX_ENGINE_EPOLL}, {"poll", UNX_ENGINE_POLL}};

const char *type_name(int type)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        if (types[i].type == type) {
            return types[i].name;
        }
    }
    return "unknown";
}

static const char *program_of(const struct verb *verb)
{
    return verb->options & OPT_MANY      ? " -- PROGRAM [ARGUMENTS]"
           : verb->options & OPT_COMMAND ? " [-- PROGRAM [ARGUMENTS]]"
                                         : "";
}

void options_help(const struct verb *verb)
{
    struct text t = {0};
    text_printf(&t, "Usage: unx %s [OPTIONS] %s%s\n%s\n\nOptions:\n", verb->name, verb->operand, program_of(verb),
                verb->summary);
    for (size_t i = 0; i < NINFOS; i++) {
        if (verb->options & infos[i].bit) {
            char left[64];
            snprintf(left, sizeof(left), "--%s%s%s", infos[i].name, infos[i].arg ? " " : "",
                     infos[i].arg ? infos[i].arg : "");
            text_printf(&t, "  %-18s  %s\n", left, infos[i].help);
        }
    }
    text_printf(&t, "  %-18s  %s\n", "--help", "print this");
    if (strncmp(verb->operand, "ADDR", strlen("ADDR")) == 0) {
        text_puts(&t, "\nADDR is /path, ./path or @abstract-name; \\xHH and \\\\ stand for bytes. See unx(1).\n");
    }
    out_write(t.p, t.len);
    text_free(&t);
}

static bool number(const char *name, const char *s, int base, long long low, long long high, long long *out)
{
    char *end;
    errno = 0;
    const long long n = strtoll(s, &end, base);
    if (*s == '\0' || strchr(" \t\n+", *s) || *end || errno || n < low || n > high) {
        report_fail(STATUS_USAGE,
                    base == 8 ? "--%s %s: not an octal number from %llo to %llo"
                              : "--%s %s: not a number from %lld to %lld",
                    name, s, low, high);
        return false;
    }
    *out = n;
    return true;
}

static bool set_type(struct options *o, const char *arg)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        if (strcasecmp(types[i].name, arg) == 0) {
            o->type = types[i].type;
            o->type_given = true;
            return true;
        }
    }
    report_fail(STATUS_USAGE, "--type %s: not a type of socket; there are seqpacket, stream and dgram", arg);
    return false;
}

static bool set_engine(struct options *o, const char *arg)
{
    for (size_t i = 0; i < sizeof(engines) / sizeof(*engines); i++) {
        if (strcmp(engines[i].name, arg) == 0) {
            o->engine = engines[i].flag;
            o->engine_name = engines[i].name;
            return true;
        }
    }
    report_fail(STATUS_USAGE, "--engine %s: there are io_uring, epoll and poll", arg);
    return false;
}

static bool add_fd(struct options *o, const char *arg)
{
    if (*arg == '\0') {
        report_fail(STATUS_USAGE, "--fd: empty; give a path, or the number of an open descriptor");
        return false;
    }
    if (o->nfds == FDS_MAX) {
        report_fail(STATUS_USAGE, "--fd %s: too many; one message holds at most %d descriptors", arg, FDS_MAX);
        return false;
    }
    o->fds = must_alloc(o->fds, (o->nfds + 1) * sizeof(*o->fds));
    o->fds[o->nfds++] = arg;
    return true;
}

static bool add_name(struct options *o, const char *arg)
{
    bool good = strlen(arg) <= UNX_ACTIVATION_NAME;
    for (const char *s = arg; *s; s++) {
        good &= *s >= 0x20 && *s < 0x7f && *s != ':' && *s != '\\';
    }
    if (!good) {
        report_fail(STATUS_USAGE, "--name %s: a name is at most %d bytes of ASCII, without : and \\", arg,
                    UNX_ACTIVATION_NAME);
        return false;
    }
    o->names = must_alloc(o->names, (o->nnames + 1) * sizeof(*o->names));
    o->names[o->nnames++] = arg;
    return true;
}

static bool set_number(struct options *o, const struct option_info *info, const char *arg)
{
    long long n = 0;
    bool good = false;
    switch (info->bit) {
    case OPT_TIMEOUT:
        good = number(info->name, arg, 10, 0, INT_MAX, &n);
        o->timeout = (int)n;
        break;
    case OPT_MODE:
        good = number(info->name, arg, 8, 0, 07777, &n);
        o->mode = (mode_t)n;
        o->mode_given = true;
        break;
    case OPT_BACKLOG:
        good = number(info->name, arg, 10, 0, INT_MAX, &n);
        o->backlog = (int)n;
        o->backlog_given = true;
        break;
    case OPT_MAX:
        good = number(info->name, arg, 10, 1, INT_MAX, &n);
        o->max = (size_t)n;
        break;
    case OPT_CHILDREN:
        good = number(info->name, arg, 10, 1, INT_MAX, &n);
        o->children = (unsigned)n;
        o->children_given = true;
        break;
    case OPT_COUNT:
        good = number(info->name, arg, 10, 1, INT_MAX, &n);
        o->count = (unsigned)n;
        break;
    }
    return good;
}

static bool set(struct options *o, const struct option_info *info, const char *arg)
{
    switch (info->bit) {
    case OPT_TYPE:
        return set_type(o, arg);
    case OPT_ENGINE:
        return set_engine(o, arg);
    case OPT_FD:
        return add_fd(o, arg);
    case OPT_NAME:
        return add_name(o, arg);
    case OPT_ALLOW:
        return allow_add(&o->allow, arg);
    case OPT_DATA:
        o->data = arg;
        return true;
    default:
        break;
    }
    if (info->arg) {
        return set_number(o, info, arg);
    }
    o->json |= info->bit == OPT_JSON;
    o->lines |= info->bit == OPT_LINES;
    o->no_fds |= info->bit == OPT_NO_FDS;
    o->cred |= info->bit == OPT_CRED;
    o->quiet |= info->bit == OPT_QUIET;
    o->once |= info->bit == OPT_ONCE;
    o->echo |= info->bit == OPT_ECHO;
    o->reply |= info->bit == OPT_REPLY;
    o->empty |= info->bit == OPT_EMPTY;
    o->accept |= info->bit == OPT_ACCEPT;
    if (info->bit == OPT_SEQPACKET) {
        o->type = SOCK_SEQPACKET;
    }
    o->time |= info->bit == OPT_TIME;
    o->pidfd |= info->bit == OPT_PIDFD;
    return true;
}

/* Cuts the program off at the first "--": where the arguments end that are ours. */
static int split_command(struct options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            o->command = argv + i + 1;
            return i;
        }
    }
    return argc;
}

static bool check_operands(struct options *o, const struct verb *verb, int argc, char **argv)
{
    if (o->command && !o->command[0]) {
        report_fail(STATUS_USAGE, "no program after --");
    } else if (optind == argc) {
        report_fail(STATUS_USAGE, "%s is missing; usage: unx %s [OPTIONS] %s%s", verb->operand, verb->name,
                    verb->operand, program_of(verb));
    } else if (verb->options & OPT_MANY && !o->command) {
        report_fail(STATUS_USAGE, "PROGRAM is missing; usage: unx %s [OPTIONS] %s%s", verb->name, verb->operand,
                    program_of(verb));
    } else if (optind + 1 < argc && !(verb->options & OPT_MANY)) {
        report_fail(STATUS_USAGE,
                    verb->options & OPT_COMMAND ? "%s: one %s is enough; a program goes after --"
                                                : "%s: one %s is enough",
                    argv[optind + 1], verb->operand);
    } else {
        o->operand = argv[optind];
        o->operands = argv + optind;
        o->noperands = (unsigned)(argc - optind);
        return true;
    }
    return false;
}

/* optopt is 0 for an unknown long option, else what the table says, else a letter. */
static void bad_option(const struct verb *verb, const char *arg, int c)
{
    if (c == ':') {
        report_fail(STATUS_USAGE, "%s: its value is missing; see unx %s --help", arg, verb->name);
    } else if (optopt == 0) {
        report_fail(STATUS_USAGE, "%s: not an option of this verb, or not clear which; see unx %s --help", arg,
                    verb->name);
    } else if (optopt == VALUE_TABLE || optopt == VALUE_HELP) {
        report_fail(STATUS_USAGE, "%s: this option takes no value; see unx %s --help", arg, verb->name);
    } else {
        report_fail(STATUS_USAGE, "-%c: there are no short options; see unx %s --help", optopt, verb->name);
    }
}

bool options_parse(struct options *o, const struct verb *verb, int argc, char **argv, int *status)
{
    *o = (struct options){.type = SOCK_SEQPACKET,
                          .timeout = -1,
                          .backlog = -1,
                          .max = MAX_DEFAULT,
                          .count = 1,
                          .children = 64,
                          .mode = UNX_MODE_UMASK};
    struct option longs[NINFOS + 2] = {0};
    int indexes[NINFOS + 2];
    size_t n = 0;
    for (size_t i = 0; i < NINFOS; i++) {
        if (verb->options & infos[i].bit) {
            longs[n] =
                (struct option){infos[i].name, infos[i].arg ? required_argument : no_argument, NULL, VALUE_TABLE};
            indexes[n++] = (int)i;
        }
    }
    longs[n] = (struct option){"help", no_argument, NULL, VALUE_HELP};
    if (verb->options & OPT_COMMAND) {
        argc = split_command(o, argc, argv);
    }
    *status = STATUS_USAGE;
    opterr = 0;
    // Tells getopt(3) that this is another argument vector than the one before.
    optind = 0;
    int c, index = -1;
    while ((c = getopt_long(argc, argv, ":", longs, &index)) != -1) {
        if (c == VALUE_HELP) {
            options_help(verb);
            *status = report_status();
            return false;
        }
        if (c != VALUE_TABLE) {
            bad_option(verb, argv[optind - 1], c);
            return false;
        }
        if (!set(o, &infos[indexes[index]], optarg)) {
            return false;
        }
    }
    return check_operands(o, verb, argc, argv);
}
