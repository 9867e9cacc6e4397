// SPDX-License-Identifier: MIT
/*
 * unx peer: who serves at an address.
 *
 * Promises: it connects and sends nothing. The kernel remembers who called listen(2) last on that socket: after a
 * socket activation that is the activator, as long as the service does not call listen(2) itself.
 *
 * An abstract name exists once for each type, and a file refuses all types but its own: without --type both types that
 * have connections are tried.
 */
#include "tool.h"
#include <errno.h>
#include <unistd.h>

static int connect_any(const struct options *o, const struct target *t, int *type)
{
    *type = o->type;
    int fd = target_connect(t, *type, 0, o->timeout);
    if (!o->type_given && (fd == -EPROTOTYPE || fd == -EOPNOTSUPP || (fd == -ECONNREFUSED && !t->path))) {
        const int other = target_connect(t, SOCK_STREAM, 0, o->timeout);
        if (other >= 0 || fd == -EOPNOTSUPP) {
            *type = SOCK_STREAM;
            fd = other;
        }
    }
    return fd;
}

static void print(const struct options *o, int type, const struct who *w)
{
    struct text t = {0};
    if (o->json) {
        text_puts(&t, "{");
        json_string(&t, "address", o->operand);
        json_string(&t, "type", type_name(type));
        json_key(&t, "peer");
        who_json(w, &t);
        text_puts(&t, "}\n");
    } else {
        text_printf(&t, "%s: ", type_name(type));
        who_text(w, &t);
        text_puts(&t, "\n");
    }
    out_write(t.p, t.len);
    text_free(&t);
}

int cmd_peer(const struct options *o)
{
    struct target t;
    if (o->type == SOCK_DGRAM) {
        return report_fail(STATUS_USAGE,
                           "--type dgram: datagram sockets do not tell who serves there; stream and seqpacket do");
    }
    if (!target_parse(&t, o->operand)) {
        return STATUS_USAGE;
    }
    int type;
    const int fd = connect_any(o, &t, &type);
    if (fd < 0) {
        target_connect_failed(&t, fd);
    } else {
        struct who w;
        who_connected(&w, fd);
        print(o, type, &w);
        who_free(&w);
        close(fd);
    }
    target_free(&t);
    return report_status();
}
