/* SPDX-License-Identifier: MIT */
/*
 * An engine in a GLib main context (2.36): of GTK, of GIO, or of a thread.
 * What adapter.h says of events, turns and ending holds here.
 *
 *  - context: the one that the engine's thread iterates; NULL is the default one.
 *  - a->source is there while it runs: g_source_set_priority() and the like may be called on it. In a main loop that
 *    your function runs inside it gets no events, but for g_source_set_can_recurse().
 */
#ifndef UNX_ADAPTERS_GLIB_H
#define UNX_ADAPTERS_GLIB_H

#include <glib.h>
#include <unx/adapters/adapter.h>

struct unx_glib {
    GSource *source;
    struct unx_adapter adapter;
};

static inline gboolean unx_glib_ready_(GSource *source, GSourceFunc unused, gpointer a)
{
    (void)source, (void)unused;
    return unx_adapter_ready(&((struct unx_glib *)a)->adapter) < 0 ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

/* 0, or a negative errno value: then there is nothing to stop. */
static inline int unx_glib_start(struct unx_glib *a, GMainContext *context, struct unx_engine *e,
                                 void (*event)(void *arg, const struct unx_event *ev), void *arg)
{
    static GSourceFuncs functions = {NULL, NULL, unx_glib_ready_, NULL, NULL, NULL};
    const int fd = unx_adapter_init(&a->adapter, e, event, arg);
    if (fd < 0)
        return fd;
    a->source = g_source_new(&functions, sizeof(GSource));
    g_source_set_name(a->source, "libunx-engine");
    g_source_set_callback(a->source, NULL, a, NULL);
    g_source_add_unix_fd(a->source, fd, G_IO_IN);
    g_source_attach(a->source, context);
    return 0;
}

static inline void unx_glib_stop(struct unx_glib *a)
{
    if (!a->adapter.engine)
        return;
    g_source_destroy(a->source);
    g_source_unref(a->source);
    unx_adapter_end(&a->adapter);
}

#endif
