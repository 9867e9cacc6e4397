// SPDX-License-Identifier: MIT
/* Echo on GLib: a GSocket and its GSource for each connection. */
#include "echo.h"

#include <errno.h>

#include <gio/gio.h>

static GMainLoop *loop;
static int status;

static gboolean readable(GSocket *socket, GIOCondition condition, gpointer data)
{
    (void)condition;
    (void)data;
    char buf[ECHO_ROOM];
    const gssize n = g_socket_receive(socket, buf, sizeof buf, NULL, NULL);
    if (n > 0 && g_socket_send(socket, buf, (gsize)n, NULL, NULL) == n)
        return G_SOURCE_CONTINUE;
    status = n == 0 ? 0 : -EPROTO;
    g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

static int run(const struct echo_server *s, const struct echo_job *j)
{
    (void)s;
    loop = g_main_loop_new(NULL, FALSE);
    for (unsigned i = 0; i < j->nfds; i++) {
        GSocket *const socket = g_socket_new_from_fd(j->fds[i], NULL);
        if (!socket)
            return -EOPNOTSUPP;
        g_socket_set_blocking(socket, FALSE);
        GSource *const source = g_socket_create_source(socket, G_IO_IN, NULL);
        g_source_set_callback(source, G_SOURCE_FUNC(readable), NULL, NULL);
        g_source_attach(source, NULL);
    }
    g_main_loop_run(loop);
    return status;
}

const struct echo_server echo_glib[] = {
    {"glib", ECHO_PEER, ECHO_SEQPACKET | ECHO_STREAM, run, 0, 0},
    {NULL, ECHO_RAW, 0, NULL, 0, 0},
};
