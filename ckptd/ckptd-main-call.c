/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-main-call.c - have the main thread do something, and wait for it
 *
 * The main thread may be waiting for this very thread to end: it cancels first,
 * and a call that has not begun by then never will.
 */
#include "ckptd/ckptd-main-call.h"

#include "ckptd/ckptd-error.h"

#define LOOK_AGAIN_US (10 * G_TIME_SPAN_MILLISECOND)

enum call_state {
    CALL_WAITS,
    CALL_RUNS,
    CALL_DONE,
    CALL_ABANDONED,
};

struct call {
    gint refs;
    GMutex lock;
    GCond cond;
    enum call_state state;
    CkptdMainFunc func;
    gpointer opaque;
    gboolean ok;
    GError *error;
};

static void call_unref(gpointer data)
{
    struct call *call = data;

    if (g_atomic_int_dec_and_test(&call->refs)) {
        g_mutex_clear(&call->lock);
        g_cond_clear(&call->cond);
        g_clear_error(&call->error);
        g_free(call);
    }
}

static gboolean in_main(gpointer data)
{
    struct call *call = data;
    gboolean wanted;

    g_mutex_lock(&call->lock);
    wanted = call->state == CALL_WAITS;
    if (wanted) {
        call->state = CALL_RUNS;
    }
    g_mutex_unlock(&call->lock);
    if (wanted) {
        call->ok = call->func(call->opaque, &call->error);
        g_mutex_lock(&call->lock);
        call->state = CALL_DONE;
        g_cond_signal(&call->cond);
        g_mutex_unlock(&call->lock);
    }
    return G_SOURCE_REMOVE;
}

/**
 * ckptd_main_call() - have the main thread do something, and wait for it
 * @func:        what
 * @opaque:      for it
 * @cancellable: ends the waiting, if it has not begun
 * @error:       what @func says, or that it was cancelled
 *
 * Return: what @func returns.
 * Context: any thread but the main thread.
 */
gboolean ckptd_main_call(CkptdMainFunc func, gpointer opaque,
                         GCancellable *cancellable, GError **error)
{
    struct call *call = g_new0(struct call, 1);
    gboolean ok;

    call->refs = 2;
    call->func = func;
    call->opaque = opaque;
    g_mutex_init(&call->lock);
    g_cond_init(&call->cond);
    g_main_context_invoke_full(NULL, G_PRIORITY_HIGH, in_main, call,
                               call_unref);
    g_mutex_lock(&call->lock);
    while (call->state < CALL_DONE) {
        if (call->state == CALL_WAITS &&
            g_cancellable_is_cancelled(cancellable)) {
            call->state = CALL_ABANDONED;
            g_set_error(&call->error, G_IO_ERROR, G_IO_ERROR_CANCELLED,
                        "cancelled");
            break;
        }
        g_cond_wait_until(&call->cond, &call->lock,
                          g_get_monotonic_time() + LOOK_AGAIN_US);
    }
    g_mutex_unlock(&call->lock);
    ok = call->ok;
    if (call->error) {
        g_propagate_error(error, g_steal_pointer(&call->error));
    }
    call_unref(call);
    return ok;
}
