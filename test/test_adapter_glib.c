// SPDX-License-Identifier: MIT
/* The adapter for GLib, in a context that is not the default one. */
#include "adapter.h"

#include <stdlib.h>
#include <unx/adapters/glib.h>

static GMainContext *context;
static struct unx_glib *adapter;
static void (*call)(void);

static void loop_open(void)
{
    context = g_main_context_new();
}

static int start(struct unx_engine *e, void (*event)(void *arg, const struct unx_event *ev), void *arg)
{
    adapter = calloc(1, sizeof *adapter);
    CHECK(adapter != NULL);
    const int r = unx_glib_start(adapter, context, e, event, arg);
    if (r < 0) {
        adapter_spoil(adapter, sizeof *adapter);
    }
    return r;
}

static void drop(void)
{
    adapter_spoil(adapter, sizeof *adapter);
}

static void stop(void)
{
    unx_glib_stop(adapter);
}

static void turn(void)
{
    g_main_context_iteration(context, TRUE);
}

static gboolean on_timer(gpointer unused)
{
    (void)unused;
    call();
    return G_SOURCE_REMOVE;
}

static void after(int ms, void (*f)(void))
{
    call = f;
    GSource *const timer = g_timeout_source_new((guint)ms);
    g_source_set_callback(timer, on_timer, NULL, NULL);
    g_source_attach(timer, context);
    g_source_unref(timer);
}

static void loop_close(void)
{
    g_main_context_unref(context);
}

int main(int argc, char **argv)
{
    return adapter_main(argc, argv, &(struct loop){loop_open, start, stop, drop, turn, after, loop_close});
}
