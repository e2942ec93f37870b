/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-move-room.c - may a guest come, and where is it to be?
 *
 * Everything that can be refused is refused here, before any of its memory is
 * sent.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>

#include "ckptd/ckptd-guest-internal.h"
#include "ckptd/ckptd-main-call.h"
#include "ckptd/ckptd-move-in-internal.h"
#include "ckptd/ckptd-tap.h"

#define LOG_ROOM (64ull << 20) /* a store's segments, at least */

/* --- OFFER ---------------------------------------------------------------- */

static gboolean has_flag(const char *flags, const char *flag)
{
    g_autofree char *all = g_strdup_printf(" %s ", flags);
    g_autofree char *one = g_strdup_printf(" %s ", flag);

    return strstr(all, one) != NULL;
}

/* What the guest has seen of its CPU has to be here too. */
static gboolean check_cpu(const struct ckptd_peer_offer *offer, GError **error)
{
    g_auto(GStrv) wanted = g_strsplit(offer->cpu_flags, " ", -1);
    g_autofree char *text = NULL;
    g_autoptr(GString) missing = g_string_new(NULL);
    g_autofree char *flags = NULL;
    const char *at;
    guint i;

    if (!offer->cpu_flags[0]) {
        return TRUE;
    }
    if (!g_file_get_contents("/proc/cpuinfo", &text, NULL, error)) {
        return FALSE;
    }
    at = strstr(text, "\nflags\t\t: ");
    at = at ? at + strlen("\nflags\t\t: ") : "";
    flags = g_strndup(at, strcspn(at, "\n"));
    for (i = 0; wanted[i]; i++) {
        if (wanted[i][0] && !has_flag(flags, wanted[i])) {
            g_string_append_printf(missing, " %s", wanted[i]);
        }
    }
    if (missing->len) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_MISMATCH,
                    "this host's CPU lacks features that the guest's has:%s",
                    missing->str);
    }
    return !missing->len;
}

static gboolean check_room(const CkptdMoveIn *in, GError **error)
{
    const char *dir = ckptd_server_paths(in->env->server)->state_dir;
    uint64_t needed = in->offer.used_bytes + LOG_ROOM;
    struct statvfs disk;
    uint64_t free_bytes;

    if (statvfs(dir, &disk) < 0) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO, "%s: %s", dir,
                    g_strerror(errno));
        return FALSE;
    }
    free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    if (free_bytes < needed) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_NO_SPACE,
                    "%s has %" G_GUINT64_FORMAT " MiB free, the guest needs "
                    "%" G_GUINT64_FORMAT " MiB",
                    dir, free_bytes >> 20, needed >> 20);
        return FALSE;
    }
    return TRUE;
}

static gboolean arrive_in_main(gpointer opaque, GError **error)
{
    CkptdMoveIn *in = opaque;
    const char *name = in->offer.manifest.name;
    const struct ckptd_paths *paths = ckptd_server_paths(in->env->server);
    g_autofree char *address = NULL;

    if (ckptd_server_is_left(in->env->server, name, error)) {
        return FALSE;
    }
    if (ckptd_server_find(in->env->server, name, NULL)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_EXISTS,
                    "there is a guest %s already", name);
        return FALSE;
    }
    address = ckptd_link_remote_ip(in->link);
    in->guest = ckptd_guest_travel_arrive(paths, &in->offer, in->host,
                                          address ? address : "", error);
    if (!in->guest) {
        return FALSE;
    }
    ckptd_server_take(in->env->server, ckptd_guest_ref(in->guest));
    in->guest->in = in;
    return TRUE;
}

static gboolean begin_ledger(CkptdMoveIn *in, GError **error)
{
    struct ckptd_ledger_entry entry = {
        .role = CKPTD_LEDGER_TO,
        .generation = in->offer.generation,
    };

    g_strlcpy(entry.id, in->offer.id, sizeof(entry.id));
    g_strlcpy(entry.guest, in->offer.manifest.name, sizeof(entry.guest));
    g_strlcpy(entry.host, in->host, sizeof(entry.host));
    g_strlcpy(entry.print, in->print, sizeof(entry.print));
    in->ledger = ckptd_ledger_begin(ckptd_io_system(), in->env->ledger_dir,
                                    &entry, error);
    return in->ledger != NULL;
}

/**
 * ckptd_move_in_take_offer() - make room for a guest, or refuse it
 * @in:    the move
 * @msg:   OFFER
 * @error: says why it cannot come
 *
 * Return: TRUE when its files, its ledger and its hold are there.
 * Context: the link's thread; blocks.
 */
gboolean ckptd_move_in_take_offer(CkptdMoveIn *in,
                                  const struct ckptd_peer_msg *msg,
                                  GError **error)
{
    g_autoptr(GVariant) dict = ckptd_peer_dict(msg, error);
    g_autofree char *store = NULL;

    if (!dict || !ckptd_peer_offer_get(dict, &in->offer, error) ||
        !check_cpu(&in->offer, error) || !check_room(in, error) ||
        !ckptd_main_call(arrive_in_main, in, in->cancellable, error)) {
        return FALSE;
    }
    store = ckptd_guest_file(in->guest, "store");
    return begin_ledger(in, error) &&
           (in->image = ckptd_image_begin(store, &in->offer.manifest, error)) &&
           ckptd_shm_create("ckpt-hold", in->offer.hold_bytes, &in->load.hold,
                            error);
}

/* --- LAUNCH --------------------------------------------------------------- */

static gboolean launch_in_main(gpointer opaque, GError **error)
{
    CkptdMoveIn *in = opaque;

    if (!ckptd_guest_travel_launch(in->guest, &in->offer, error)) {
        return FALSE;
    }
    if (in->guest->tap_fd >= 0) {
        in->tap_fd = fcntl(in->guest->tap_fd, F_DUPFD_CLOEXEC, 0);
    }
    return TRUE;
}

/*
 * What is sent to the interface's own address family goes to whoever has its
 * descriptor: the guest, and nobody on the bridge.
 */
static void open_inject(CkptdMoveIn *in)
{
    struct sockaddr_ll address = { .sll_family = AF_PACKET };
    g_autofree char *name = in->tap_fd >= 0 ? ckptd_tap_name(in->tap_fd) : NULL;

    if (!name) {
        return;
    }
    address.sll_ifindex = if_nametoindex(name);
    in->inject = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (in->inject < 0 ||
        bind(in->inject, (struct sockaddr *)&address, sizeof(address)) < 0) {
        g_message("%s: what still comes in at %s is lost: %s",
                  in->offer.manifest.name, in->host, g_strerror(errno));
    }
}

/**
 * ckptd_move_in_launch() - start the QEMU that is to have the guest
 * @in:    the move; the bundle is here
 * @error: says why it is the wrong one
 *
 * Return: TRUE when it waits for its WELCOME.
 * Context: the link's thread; blocks.
 */
gboolean ckptd_move_in_launch(CkptdMoveIn *in, GError **error)
{
    gboolean ok;

    if (!ckptd_main_call(launch_in_main, in, in->cancellable, error)) {
        return FALSE;
    }
    open_inject(in);
    g_mutex_lock(&in->lock);
    while (!in->agreed && !in->failed &&
           !g_cancellable_is_cancelled(in->cancellable)) {
        g_cond_wait_until(&in->cond, &in->lock,
                          g_get_monotonic_time() + G_TIME_SPAN_SECOND);
    }
    ok = in->agreed && !in->failed;
    if (!ok) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_MISMATCH, "%s",
                    in->failed ? in->failed : "cancelled");
    }
    g_mutex_unlock(&in->lock);
    return ok && ckptd_move_in_advance(in, CKPTD_IN_COPYING, error);
}
