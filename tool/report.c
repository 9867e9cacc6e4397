// SPDX-License-Identifier: MIT
/*
 * What goes to standard error, and the exit status.
 *
 * Promises: one failure is one line, whatever bytes an address or a program's name holds; the line ends with the name
 * of the error, so that scripts and search engines find it; the exit status is that of the first failure.
 *
 * The same errno means different things in different places: EPERM is a receiver that refuses descriptors when it comes
 * from a send, and a permission when it comes from a connect.
 */
#include "tool.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *report_verb;
static int first_status;

int report_status(void)
{
    return first_status;
}

static void report_line(const char *format, va_list args)
{
    char *message = NULL;
    if (vasprintf(&message, format, args) < 0) {
        abort();
    }
    struct text line = {0};
    text_puts(&line, report_verb ? "unx " : "unx");
    if (report_verb) {
        text_puts(&line, report_verb);
    }
    text_puts(&line, ": ");
    text_escape(&line, message, strlen(message));
    text_puts(&line, "\n");
    // Nobody is left to tell when standard error itself is gone.
    ssize_t ignored = write(STDERR_FILENO, line.p, line.len);
    (void)ignored;
    text_free(&line);
    free(message);
}

void report(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report_line(format, args);
    va_end(args);
}

int report_fail(enum status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report_line(format, args);
    va_end(args);
    if (!first_status) {
        first_status = (int)status;
    }
    return (int)status;
}

#define NAME(e)                                                                                                        \
    {                                                                                                                  \
        e, #e                                                                                                          \
    }
static const struct {
    int error;
    const char *name;
} errno_names[] = {
    NAME(EPERM),        NAME(ENOENT),       NAME(ESRCH),        NAME(EINTR),        NAME(EIO),
    NAME(ENXIO),        NAME(E2BIG),        NAME(ENOEXEC),      NAME(EBADF),        NAME(ECHILD),
    NAME(EAGAIN),       NAME(ENOMEM),       NAME(EACCES),       NAME(EFAULT),       NAME(EBUSY),
    NAME(EEXIST),       NAME(EXDEV),        NAME(ENODEV),       NAME(ENOTDIR),      NAME(EISDIR),
    NAME(EINVAL),       NAME(ENFILE),       NAME(EMFILE),       NAME(ENOTTY),       NAME(ETXTBSY),
    NAME(EFBIG),        NAME(ENOSPC),       NAME(ESPIPE),       NAME(EROFS),        NAME(EMLINK),
    NAME(EPIPE),        NAME(ERANGE),       NAME(EDEADLK),      NAME(ENAMETOOLONG), NAME(ENOSYS),
    NAME(ENOTEMPTY),    NAME(ELOOP),        NAME(ENOMSG),       NAME(EOVERFLOW),    NAME(ENOTSOCK),
    NAME(EDESTADDRREQ), NAME(EMSGSIZE),     NAME(EPROTOTYPE),   NAME(ENOPROTOOPT),  NAME(EPROTONOSUPPORT),
    NAME(EOPNOTSUPP),   NAME(EADDRINUSE),   NAME(EAFNOSUPPORT), NAME(ECONNABORTED), NAME(EADDRNOTAVAIL),
    NAME(ECONNRESET),   NAME(ENOBUFS),      NAME(EISCONN),      NAME(ENOTCONN),     NAME(ETOOMANYREFS),
    NAME(ETIMEDOUT),    NAME(ECONNREFUSED), NAME(EALREADY),     NAME(EINPROGRESS),  NAME(ESTALE),
    NAME(EBADMSG),      NAME(EPROTO),       NAME(EDQUOT),       NAME(ENOLCK),       NAME(EILSEQ),
};

const char *report_errno_name(int err)
{
    static char number[32];
    const int positive = err < 0 ? -err : err;
    for (size_t i = 0; i < sizeof(errno_names) / sizeof(*errno_names); i++) {
        if (errno_names[i].error == positive) {
            return errno_names[i].name;
        }
    }
    snprintf(number, sizeof(number), "errno %d", positive);
    return number;
}

const char *report_bytes(size_t n)
{
    static char text[32];
    snprintf(text, sizeof(text), "%zu byte%s", n, n == 1 ? "" : "s");
    return text;
}

static enum status status_of(enum doing doing, int err)
{
    switch (-err) {
    case EMSGSIZE:
        return STATUS_CUT;
    case ENOBUFS:
        return doing == DOING_SEND ? STATUS_CUT : doing == DOING_RECV ? STATUS_FDS : STATUS_SYSTEM;
    case EMFILE:
        return doing == DOING_RECV ? STATUS_FDS : STATUS_SYSTEM;
    case ETOOMANYREFS:
        return STATUS_FDS;
    case ECONNRESET:
    case EPIPE:
    case ENOTCONN:
        return STATUS_PEER;
    case ECONNREFUSED:
        return doing == DOING_CONNECT ? STATUS_NOBODY : STATUS_PEER;
    case ENOENT:
    case ENOTDIR:
    case EPROTOTYPE:
        return doing == DOING_CONNECT ? STATUS_NOBODY : STATUS_SYSTEM;
    case EACCES:
    case EPERM:
        return doing == DOING_OTHER ? STATUS_SYSTEM : STATUS_NOBODY;
    case EAGAIN:
    case ETIMEDOUT:
        return STATUS_TIMEOUT;
    default:
        return STATUS_SYSTEM;
    }
}

int report_error(enum doing doing, const char *where, int err)
{
    // What a plain file operation failed with is not a matter of sockets; and no path is too long for an address here.
    const char *text = doing == DOING_OTHER   ? strerror(-err)
                       : err == -ENAMETOOLONG ? "the path, or a part of it, is longer than a file system takes"
                                              : unx_explain(err);
    return report_fail(status_of(doing, err), "%s: %s (%s)", where, text, report_errno_name(err));
}
