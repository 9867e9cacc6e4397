// SPDX-License-Identifier: MIT
/*
 * The command `unx`: the table of verbs, and what has to be true of the process before any of them runs.
 *
 * Promises: descriptors 0, 1 and 2 are open, so that no socket becomes standard output by accident; what was inherited
 * above 2 reaches no program that is run; a reader of standard output that has gone ends the command by an error of
 * write(2) and not by a signal, so that socket files are removed.
 */
#include "tool.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct verb verbs[] = {
    {"listen", cmd_listen,
     OPT_TYPE | OPT_JSON | OPT_TIMEOUT | OPT_NO_FDS | OPT_CRED | OPT_QUIET | OPT_ONCE | OPT_ECHO | OPT_MODE |
         OPT_BACKLOG | OPT_MAX | OPT_COMMAND | OPT_ALLOW | OPT_TIME | OPT_PIDFD | OPT_ENGINE,
     "ADDR",
     "Serves connections or datagrams: prints who sent what, and answers with --echo or by PROGRAM,\n"
     "which gets each message on standard input and its descriptors from 3 on."},
    {"connect", cmd_connect, OPT_TYPE | OPT_JSON | OPT_TIMEOUT | OPT_LINES | OPT_FD | OPT_NO_FDS | OPT_CRED | OPT_QUIET,
     "ADDR",
     "Sends standard input, and prints what comes back, both at once, until the peer's end.\n"
     "Without --lines the whole input is one packet (on a stream: bytes as they come)."},
    {"send", cmd_send,
     OPT_TYPE | OPT_JSON | OPT_TIMEOUT | OPT_LINES | OPT_FD | OPT_NO_FDS | OPT_CRED | OPT_QUIET | OPT_REPLY | OPT_DATA |
         OPT_EMPTY,
     "ADDR", "Sends standard input as one packet, or each line as one."},
    {"recv", cmd_recv,
     OPT_TYPE | OPT_JSON | OPT_TIMEOUT | OPT_NO_FDS | OPT_CRED | OPT_QUIET | OPT_MODE | OPT_BACKLOG | OPT_MAX |
         OPT_COUNT | OPT_COMMAND | OPT_ALLOW | OPT_TIME | OPT_PIDFD | OPT_ENGINE,
     "ADDR",
     "Binds ADDR, receives one message or --count of them, and prints it or gives it to PROGRAM,\n"
     "which gets it on standard input and its descriptors from 3 on."},
    {"activate", cmd_activate,
     OPT_TYPE | OPT_SEQPACKET | OPT_TIMEOUT | OPT_NO_FDS | OPT_QUIET | OPT_MODE | OPT_BACKLOG | OPT_COMMAND |
         OPT_ALLOW | OPT_ACCEPT | OPT_CHILDREN | OPT_NAME | OPT_MANY,
     "ADDR...",
     "Listens, and becomes PROGRAM when somebody comes: a service started with its sockets.\n"
     "It gets them from descriptor 3 on, as sd_listen_fds(3) has it."},
    {"peer", cmd_peer, OPT_TYPE | OPT_JSON | OPT_TIMEOUT, "ADDR", "Connects, and prints who serves there."},
    {"addr", cmd_addr, OPT_JSON, "TEXT",
     "Prints what an address in text form means: kind, length, name, canonical text."},
};
#define NVERBS (sizeof(verbs) / sizeof(*verbs))

static int help(void)
{
    struct text t = {0};
    text_puts(
        &t,
        "Usage: unx VERB [OPTIONS] ADDR\nMessages, descriptors and identities over Unix domain sockets.\n\nVerbs:\n");
    for (size_t i = 0; i < NVERBS; i++) {
        const int first_line = (int)strcspn(verbs[i].summary, "\n");
        text_printf(&t, "  %-8s %-7s %.*s\n", verbs[i].name, verbs[i].operand, first_line, verbs[i].summary);
    }
    text_puts(&t, "\nunx VERB --help tells the options of a verb; unx(1) tells all.\n");
    out_write(t.p, t.len);
    text_free(&t);
    return report_status();
}

static int no_verb(const char *what, const char *why)
{
    struct text names = {0};
    for (size_t i = 0; i < NVERBS; i++) {
        text_printf(&names, "%s%s", i == 0 ? "" : i + 1 == NVERBS ? " or " : ", ", verbs[i].name);
    }
    report_fail(STATUS_USAGE, "%s%s; say %s, or --help", what, why, names.p);
    text_free(&names);
    return STATUS_USAGE;
}

int main(int argc, char **argv)
{
    standard_open();
    run_keep_private();
    signal(SIGPIPE, SIG_IGN);
    const char *name = argc > 1 ? argv[1] : NULL;
    if (!name) {
        return no_verb("no verb", "");
    }
    if (strcmp(name, "--help") == 0) {
        return help();
    }
    if (strcmp(name, "--version") == 0) {
        struct text t = {0};
        text_printf(&t, "unx %s\n", unx_version());
        out_write(t.p, t.len);
        text_free(&t);
        return report_status();
    }
    for (size_t i = 0; i < NVERBS; i++) {
        if (strcmp(verbs[i].name, name) == 0) {
            report_verb = name;
            struct options o;
            int status;
            if (options_parse(&o, &verbs[i], argc - 1, argv + 1, &status)) {
                status = verbs[i].run(&o);
            }
            free(o.fds);
            free(o.names);
            allow_free(&o.allow);
            return status;
        }
    }
    return no_verb(name, *name == '-' ? ": not an option of unx" : ": not a verb");
}
