/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-guest-external.c - guests whose QEMU somebody else starts
 *
 * A person at a shell, libvirt, a service file: they start the same command
 * line again and again, and QEMU asks us what there is. So such a guest has no
 * way down, only one back to WAITING, where its session goes on to keep store
 * and hold for whoever calls next:
 *
 *   a call      its process is watched from before it is answered; a generation
 *               is prepared, then its HELLO is read
 *   its death   after a crash the next one gets the last checkpoint, after
 *               `quit` and the like as well; after the program's own end it
 *               boots anew
 *   a call after the guest has left (ckptd-guest-move.c)
 *               no generation is prepared, and the session takes it only if
 *               it comes to bring the guest back
 *   a call while another QEMU of the guest lives (F1)
 *               waits CALLER_WAIT_MS for the other's end, then is refused
 */
#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ckptd/ckptd-domain.h"
#include "ckptd/ckptd-guest-internal.h"
#include "ckptd/ckptd-launch.h"
#include "ckptd/ckptd-trace.h"

#define CALLER_WAIT_MS 3000u
/* A QEMU that was refused says so and ends by itself; it has this long. */
#define REFUSED_END_MS 5000u

/* --- who calls ------------------------------------------------------------ */

static void refuse_caller(CkptdGuest *g, const char *reason)
{
    g_message("%s: QEMU process %d is turned away: %s", g->spec->name,
              (int)g->caller.pid, reason);
    g_clear_handle_id(&g->caller_timer, g_source_remove);
    ckptd_process_clear(&g->caller);
    ckptd_engine_socket_refuse(g->caller_fd, reason);
    g->caller_fd = -1;
}

/* The caller becomes the guest's QEMU. */
static void let_in(CkptdGuest *g)
{
    g_autofree char *pid =
        ckptd_guest_runtime_file(g, CKPTD_LAUNCH_QEMU_PID_FILE);
    g_autoptr(GError) error = NULL;
    gboolean moved = g->state == CKPTD_GUEST_MOVED;
    enum ckptd_guest_state next =
        g->crashed && !moved ? CKPTD_GUEST_RECOVERING : CKPTD_GUEST_STARTING;

    g_assert(g->qemu.pidfd < 0); /* F1 */
    if (!ckptd_process_note(&g->caller, pid, &error)) {
        refuse_caller(g, error->message);
        return;
    }
    g_clear_handle_id(&g->caller_timer, g_source_remove);
    g->qemu = g->caller;
    g->caller = (struct ckptd_process)CKPTD_PROCESS_NONE;
    ckptd_guest_set_state(g, next);
    if (!moved) {
        ckptd_session_prepare(g->session);
    }
    ckptd_guest_watch_qemu(g);
    ckptd_session_serve(g->session, g->caller_fd);
    g->caller_fd = -1;
    ckptd_trace("called", g->spec->name, 0, 0, "pid=%d", (int)g->qemu.pid);
}

static gboolean caller_timeout(gpointer opaque)
{
    CkptdGuest *g = opaque;
    g_autofree char *reason =
        g_strdup_printf("%s is %s in process %d already; `ckptctl kill %s` "
                        "ends that",
                        g->spec->name, ckptd_guest_state_name(g),
                        (int)g->qemu.pid, g->spec->name);

    g->caller_timer = 0;
    refuse_caller(g, reason);
    return G_SOURCE_REMOVE;
}

/* Nobody is let in: whoever called, and whoever calls, hears why. */
static void refuse_down(CkptdGuest *g)
{
    g_autofree char *reason = g_strdup_printf(
        "%s is %s%s%s; `ckptctl recover %s` lets it start "
        "again",
        g->spec->name, ckptd_guest_state_name(g), g->reason ? ": " : "",
        g->reason ? g->reason : "", g->spec->name);

    refuse_caller(g, reason);
}

/* All of libvirt's QEMUs are one user's: is this the one of our domain? */
static gboolean is_of_domain(CkptdGuest *g, const struct ckptd_process *process,
                             GError **error)
{
    g_autofree char *pid_path =
        g->spec->libvirt
            ? ckptd_domain_pid_path(g->spec->libvirt, g->spec->name)
            : NULL;
    struct ckptd_domain domain = { g->spec->uuid, pid_path };

    return !g->spec->libvirt ||
           ckptd_domain_check(process->pid, &domain, error);
}

static void on_call(int conn_fd, const struct ckptd_process *caller,
                    gpointer opaque)
{
    struct ckptd_process process = *caller;
    g_autoptr(GError) error = NULL;
    CkptdGuest *g = opaque;

    if (!is_of_domain(g, &process, &error)) {
        g_warning("%s: turned away: %s", g->spec->name, error->message);
        ckptd_process_clear(&process);
        ckptd_engine_socket_refuse(conn_fd, error->message);
        return;
    }

    if (g->qemu.pidfd >= 0 && g->qemu.pid == process.pid &&
        g->qemu.start_time == process.start_time) {
        /* It lost its connection, or ckptd was away. */
        ckptd_process_clear(&process);
        ckptd_session_serve(g->session, conn_fd);
        return;
    }
    if (g->caller_fd >= 0) {
        refuse_caller(g, "another process called after it");
    }
    g->caller = process;
    g->caller_fd = conn_fd;
    if (g->state == CKPTD_GUEST_WAITING || g->state == CKPTD_GUEST_MOVED) {
        let_in(g);
    } else if (ckptd_guest_is_down(g)) {
        refuse_down(g);
    } else {
        g->caller_timer = g_timeout_add(CALLER_WAIT_MS, caller_timeout, g);
    }
}

/**
 * ckptd_guest_external_open() - begin to listen
 * @g: external
 * @error: set on failure
 *
 * Return: TRUE when a QEMU can call.
 */
gboolean ckptd_guest_external_open(CkptdGuest *g, GError **error)
{
    g_autofree char *path = ckptd_guest_engine_path(g);
    g_autofree char *runtime_dir = g_path_get_dirname(g->engines_dir);
    uid_t owner;

    if (!ckptd_engine_socket_owner(g->spec->owner, &owner, error) ||
        !ckptd_paths_make_dir(g->engines_dir, error)) {
        return FALSE;
    }
    /* To be passed through, not to be read, by others: the sockets are safe. */
    if (owner != geteuid() &&
        (g_chmod(runtime_dir, 0711) < 0 || g_chmod(g->engines_dir, 0711) < 0)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO, "%s: %s",
                    g->engines_dir, g_strerror(errno));
        return FALSE;
    }
    g->engine_socket = ckptd_engine_socket_new(path, owner, on_call, g, error);
    return g->engine_socket && ckptd_guest_libvirt_open(g, error);
}

/**
 * ckptd_guest_external_close() - listen no more
 * @g: any; nothing is done to one that is not external
 * @remove: the guest goes; else ckptd does
 */
void ckptd_guest_external_close(CkptdGuest *g, gboolean remove)
{
    if (g->caller_fd >= 0) {
        refuse_caller(g, remove ? "this guest is being removed"
                                : "ckptd is ending");
    }
    ckptd_guest_libvirt_close(g);
    ckptd_engine_socket_free(g->engine_socket, remove);
    g->engine_socket = NULL;
}

/* --- waiting -------------------------------------------------------------- */

static void wait_for_qemu(CkptdGuest *g)
{
    g_autofree char *pid =
        ckptd_guest_runtime_file(g, CKPTD_LAUNCH_QEMU_PID_FILE);
    g_autofree struct ckptd_session_stats *stats =
        g_new0(struct ckptd_session_stats, 1);

    g_clear_handle_id(&g->timer, g_source_remove);
    g_clear_handle_id(&g->qemu_source, g_source_remove);
    g_assert(g->qemu.pidfd < 0);
    unlink(pid);
    g->stop_pending = FALSE;
    ckptd_guest_clear_last(g);
    ckptd_session_stats(g->session, stats);
    if (stats->generation) { /* it knows better than life.conf */
        g->final = *stats;
        g->final.connected = FALSE;
    }
    ckptd_guest_go_down(g, ckptd_guest_move_rest(g));
    if (g->caller_fd >= 0) {
        let_in(g);
    } else if (g->state == CKPTD_GUEST_WAITING) {
        ckptd_guest_libvirt_waiting(g);
    }
}

/**
 * ckptd_guest_external_fail() - no QEMU is let in any more
 * @g: external, none of its QEMUs lives, reason set
 */
void ckptd_guest_external_fail(CkptdGuest *g)
{
    ckptd_guest_libvirt_settled(g);
    ckptd_guest_go_down(g, CKPTD_GUEST_FAILED);
    if (g->caller_fd >= 0) {
        refuse_down(g);
    }
}

static char *how_it_ended(const CkptdGuest *g)
{
    const char *bad = g->last.bad;

    if (g->state == CKPTD_GUEST_STOPPING && g->reason) {
        return g_strdup(g->reason);
    }
    if (g->last.bye == CKPT_BYE_RESET) {
        return g_strdup("reset after its end");
    }
    if (g->last.exited) {
        return g_strdup("the program ended");
    }
    if (g->last.bye == CKPT_BYE_SHUTDOWN) {
        return g_strdup("QEMU ended in good order");
    }
    return g_strdup_printf("QEMU %s%s%s",
                           g->last.welcomed ? "died" : "did not start",
                           bad ? ": " : "", bad ? bad : "");
}

/**
 * ckptd_guest_external_judge() - what QEMU's death means
 * @g: external; all that QEMU said is known, and that it is dead
 */
void ckptd_guest_external_judge(CkptdGuest *g)
{
    gboolean reset = g->last.bye == CKPT_BYE_RESET;
    g_autofree char *why = how_it_ended(g);

    if (g->last.fatal) {
        ckptd_guest_set_reason(g, g_strdup(g->last.fatal));
        ckptd_guest_external_fail(g);
        return;
    }
    /* One that never ran does not change what the one before it did. */
    if (g->last.welcomed && g->state != CKPTD_GUEST_STOPPING &&
        !g->last.exited && g->last.bye != CKPT_BYE_SHUTDOWN && !reset) {
        g->crashed = TRUE;
        if (ckptd_guest_is_fruitless(g, why)) {
            ckptd_guest_external_fail(g);
            return;
        }
    }
    ckptd_guest_set_reason(g, g_steal_pointer(&why));
    wait_for_qemu(g);
    if (reset && g->libvirt && g->state == CKPTD_GUEST_WAITING) {
        ckptd_guest_libvirt_start(g);
    }
}

/**
 * ckptd_guest_external_rolled_back() - its store begins with a label
 * @g: any; nothing is done to one that is not external
 */
void ckptd_guest_external_rolled_back(CkptdGuest *g)
{
    gboolean stays_up =
        g->state == CKPTD_GUEST_ROLLING_BACK && !g->stop_pending;

    if (!ckptd_spec_is_external(g->spec)) {
        return;
    }
    g->crashed = FALSE;
    ckptd_guest_line_began(g);
    ckptd_guest_answer_all(g->start_waiters, 0, NULL);
    wait_for_qemu(g);
    if (g->libvirt && stays_up && g->state == CKPTD_GUEST_WAITING) {
        ckptd_guest_libvirt_start(g);
    }
}

static gboolean refused_timeout(gpointer opaque)
{
    CkptdGuest *g = opaque;

    g->timer = 0;
    ckptd_process_kill(&g->qemu, SIGKILL);
    return G_SOURCE_REMOVE;
}

/**
 * ckptd_guest_external_welcomed() - a QEMU has its WELCOME
 * @g: any; nothing is done to one that is not external
 */
void ckptd_guest_external_welcomed(CkptdGuest *g)
{
    if (ckptd_spec_is_external(g->spec)) {
        g->recoveries += g->crashed;
        g->crashed = FALSE;
        ckptd_guest_libvirt_settled(g);
        g->has_exit_status = FALSE;
        g_clear_pointer(&g->panic, g_free);
    }
}

/**
 * ckptd_guest_external_refused() - is it only this QEMU that will not do?
 * @g: any
 * @code: CkptdError of the session, 0 = the peer's fault
 *
 * Somebody gave QEMU another -m, say: that is for QEMU to tell, which was sent
 * the reason, and no fault of the guest.
 *
 * Return: TRUE if so; then it is given some time to end by itself.
 */
gboolean ckptd_guest_external_refused(CkptdGuest *g, guint64 code)
{
    if (!ckptd_spec_is_external(g->spec) || g->last.welcomed ||
        (code != 0 && code != CKPTD_ERROR_MISMATCH)) {
        return FALSE;
    }
    ckptd_guest_set_timer(g, REFUSED_END_MS, refused_timeout);
    return TRUE;
}

/* --- going up ------------------------------------------------------------- */

/**
 * ckptd_guest_external_start() - let the guest be started
 * @g: external, down
 * @error: set when only its QEMU is missing, or the guest cannot be served
 *
 * Return: TRUE when it waits now and did not before, or libvirt is asked.
 */
gboolean ckptd_guest_external_start(CkptdGuest *g, GError **error)
{
    g_autofree char *path = ckptd_guest_engine_path(g);
    gboolean again = g->state == CKPTD_GUEST_FAILED;

    if (g->state == CKPTD_GUEST_WAITING && g->libvirt) {
        ckptd_guest_libvirt_start(g);
        return TRUE;
    }
    if (g->state == CKPTD_GUEST_WAITING) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_BUSY,
                    "%s waits for its QEMU: start it with the same command "
                    "line as before (-object ckpt-engine,path=%s,guest=%s)",
                    g->spec->name, path, g->spec->name);
        return FALSE;
    }
    if (g->state == CKPTD_GUEST_MOVED) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_BUSY, "%s", g->reason);
        return FALSE;
    }
    if ((!g->engine_socket && !ckptd_guest_external_open(g, error)) ||
        !ckptd_guest_open_session(g, error)) {
        return FALSE;
    }
    g->fruitless = 0;
    g->floor_epoch = 0;
    ckptd_guest_set_reason(g, NULL);
    ckptd_guest_set_state(g, ckptd_guest_move_rest(g));
    if (again && g->libvirt && g->state == CKPTD_GUEST_WAITING) {
        ckptd_guest_libvirt_start(g);
    }
    return TRUE;
}

/**
 * ckptd_guest_external_resume() - go on where an earlier ckptd left off
 * @g: external, just loaded
 *
 * A QEMU that lives is never ended here: nobody may start another one before
 * it is gone, and it may be somebody's who looks at it with a debugger.
 */
void ckptd_guest_external_resume(CkptdGuest *g)
{
    g_autoptr(GError) error = NULL;
    gboolean was_up = g->wanted_up;

    ckptd_guest_move_load(g);
    if (g->state == CKPTD_GUEST_FAILED && g->qemu.pidfd < 0) {
        if (!ckptd_guest_external_open(g, &error)) {
            g_warning("%s: %s", g->spec->name, error->message);
        }
        return;
    }
    g->state = CKPTD_GUEST_CREATED;
    if (!ckptd_guest_external_open(g, &error) ||
        !ckptd_guest_open_session(g, &error)) {
        ckptd_guest_set_reason(g, g_strdup(error->message));
        ckptd_process_clear(&g->qemu);
        ckptd_guest_external_fail(g);
    } else if (g->qemu.pidfd >= 0) {
        ckptd_guest_set_reason(g, g_strdup_printf("waiting for QEMU process %d "
                                                  "to reconnect",
                                                  (int)g->qemu.pid));
        ckptd_guest_watch_qemu(g);
        g->last.welcomed = was_up;
        ckptd_session_expect(g->session, g->qemu.pid, TRUE);
        ckptd_guest_set_state(g, CKPTD_GUEST_ADOPTING);
    } else {
        g->crashed |= was_up;
        if (was_up) {
            ckptd_guest_set_reason(g, g_strdup("QEMU died while ckptd was "
                                               "away"));
        }
        wait_for_qemu(g);
    }
}
