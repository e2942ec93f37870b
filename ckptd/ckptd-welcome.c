/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-welcome.c - what comes before a session's first epoch
 *
 * Kinds of HELLO, told apart by what we and QEMU know:
 *
 *   fresh, the store has no epoch    -> BOOT
 *   fresh, the program has ended     -> BOOT, epochs go on counting
 *   fresh, the store has an epoch    -> RESTORE: base image, restore slot, and
 *                                       the hold if it survived; NEW_LINE if
 *                                       a line begins there (R2)
 *   RECONNECT, same generation       -> CONTINUE: ckptd was away, QEMU was not
 *   INCOMING, no guest is here       -> INCOMING: ckptd-session-move.c
 *
 * The work for the first two is done by ckptd_welcome_prepare(), while QEMU
 * boots.  The restore slot is slot 0: QEMU has read it before its first EPOCH.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "abi/ckpt-hold.h"
#include "ckptd/ckptd-session-internal.h"
#include "ckptd/ckptd-trace.h"

#define DEVSTATE_ROOM_MIN (1u << 20)
#define TSC_TOLERANCE_PPM 500u

/**
 * ckptd_welcome_open_store() - have the guest's store, a new one if need be
 * @s: the session
 * @error: set on failure
 *
 * Return: TRUE when it is open, and this guest's.
 * Context: session thread; reads and writes the disk.
 */
gboolean ckptd_welcome_open_store(CkptdSession *s, GError **error)
{
    g_autoptr(GError) local = NULL;
    CkptdStore *store;

    if (s->store) {
        return TRUE;
    }
    store = ckptd_store_open(s->config.store_dir, &local);
    if (!store && g_error_matches(local, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND)) {
        g_clear_error(&local);
        store = ckptd_session_lines_make_store(s, &local);
    }
    if (!store) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    g_mutex_lock(&s->lock);
    s->store = store;
    s->stats.manifest = *ckptd_store_manifest(store);
    s->stats.generation = ckptd_store_generation(store);
    s->stats.captured = s->stats.committed = ckptd_store_last_epoch(store);
    if (ckptd_store_line(store)) {
        s->config.ended_epoch = 0; /* the end was in what is given up */
    }
    g_mutex_unlock(&s->lock);
    if (s->stats.manifest.ram_bytes != s->config.manifest.ram_bytes ||
        strcmp(s->stats.manifest.uuid, s->config.manifest.uuid)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_MISMATCH,
                    "%s is the store of another guest (%s)",
                    s->config.store_dir, s->stats.manifest.uuid);
        return FALSE;
    }
    return TRUE;
}

/**
 * ckptd_welcome_make_shm() - make hold and staging where they are missing or
 * too small
 * @s: the session
 * @devstate_max: room that QEMU wants for device state, 0 = not known
 * @error: set on failure
 *
 * An epoch of few pages may have come with more device state than HELLO asked
 * room for; with all pages of the tail beside it, it is to fit as well.
 *
 * Return: TRUE when both are there.
 * Context: session thread.
 */
gboolean ckptd_welcome_make_shm(CkptdSession *s, uint32_t devstate_max,
                                GError **error)
{
    struct ckptd_shm hold = CKPTD_SHM_NONE, staging = CKPTD_SHM_NONE;
    uint32_t stored = ckptd_store_devstate_bytes(s->store);
    uint32_t room = MAX(MAX(devstate_max, stored), DEVSTATE_ROOM_MIN);
    uint64_t slot_bytes;

    if (s->hold.fd < 0) {
        if (!ckptd_shm_create("ckpt-hold", s->config.hold_bytes, &hold,
                              error)) {
            return FALSE;
        }
        g_mutex_lock(&s->lock);
        s->hold = hold;
        g_mutex_unlock(&s->lock);
        s->hold_valid = FALSE;
    }
    if (s->staging.fd < 0 || s->devstate_room < room) {
        slot_bytes = ckptd_wire_slot_bytes(s->config.manifest.ram_bytes, room);
        if (!ckptd_shm_create("ckpt-staging", CKPT_STAGING_SLOTS * slot_bytes,
                              &staging, error)) {
            return FALSE;
        }
        ckptd_shm_clear(&s->staging);
        s->staging = staging;
        s->slot_bytes = slot_bytes;
        s->devstate_room = room;
    }
    return TRUE;
}

static gboolean fill_restore_slot(CkptdSession *s, GError **error)
{
    char *slot = (char *)s->staging.addr + CKPTD_RESTORE_SLOT * s->slot_bytes;

    return ckptd_store_last_epoch(s->store) == 0 ||
           ckptd_store_load_tail(s->store, slot, s->slot_bytes, error);
}

/**
 * ckptd_welcome_prepare() - begin a generation and have all ready for a HELLO
 * @s: the session
 * @error: set on failure
 *
 * Return: TRUE when the generation is durable (F1) and the restore slot filled.
 * Context: session thread; reads and writes the disk.
 */
gboolean ckptd_welcome_prepare(CkptdSession *s, GError **error)
{
    uint64_t generation;

    s->pass = s->config.store_dir == NULL;
    if (s->pass) {
        generation = s->stats.generation + 1;
    } else if (!ckptd_welcome_open_store(s, error) ||
               !ckptd_store_begin_generation(s->store, &generation, error) ||
               !ckptd_welcome_make_shm(s, 0, error) ||
               !fill_restore_slot(s, error)) {
        return FALSE;
    }
    g_mutex_lock(&s->lock);
    s->stats.generation = generation;
    g_mutex_unlock(&s->lock);
    s->prepared = TRUE;
    ckptd_trace("prepared", s->config.manifest.name, generation,
                s->stats.committed, "%s", "");
    return TRUE;
}

static gboolean fix(char *known, size_t size_bytes, const char *said,
                    const char *what, gboolean *changed, GError **error)
{
    if (!known[0] && said[0]) {
        g_strlcpy(known, said, size_bytes);
        *changed = TRUE;
    } else if (strcmp(known, said)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_MISMATCH,
                    "this guest was started with %s '%s', not '%s': its "
                    "checkpoints cannot be continued so",
                    what, known, said);
        return FALSE;
    }
    return TRUE;
}

/* A QEMU that was given no -uuid says zero, and is not asked again. */
static gboolean uuid_agrees(const uint8_t uuid[16], const char *text)
{
    static const uint8_t none[16];
    g_autoptr(GString) said = g_string_new(NULL);
    guint i;

    for (i = 0; i < 16; i++) {
        g_string_append_printf(said, "%s%02x",
                               i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
                               uuid[i]);
    }
    return !memcmp(uuid, none, sizeof(none)) || !strcmp(said->str, text);
}

/*
 * QEMU measures the frequency where nobody tells it, and never finds quite the
 * same: within what NTP could correct it is the same clock.
 */
static gboolean tsc_close(uint64_t a_hz, uint64_t b_hz)
{
    uint64_t apart_hz = a_hz > b_hz ? a_hz - b_hz : b_hz - a_hz;

    return apart_hz <= a_hz / 1000000 * TSC_TOLERANCE_PPM;
}

/* The first HELLO fixes the manifest; every later one must agree with it. */
static gboolean agree(CkptdSession *s, const struct ckpt_hello *h,
                      GError **error)
{
    struct ckptd_manifest m = s->stats.manifest;
    gboolean changed = FALSE;

    if (h->ram_bytes != m.ram_bytes) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_MISMATCH,
                    "QEMU has %" PRIu64 " bytes of RAM, the guest %" PRIu64,
                    h->ram_bytes, m.ram_bytes);
        return FALSE;
    }
    if (strcmp(h->name, m.name) || !uuid_agrees(h->uuid, m.uuid)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_MISMATCH,
                    "QEMU runs another guest '%s', not '%s' (%s)", h->name,
                    m.name, m.uuid);
        return FALSE;
    }
    if (!fix(m.machine, sizeof(m.machine), h->machine, "machine", &changed,
             error) ||
        !fix(m.cpu, sizeof(m.cpu), h->cpu, "CPU", &changed, error) ||
        !fix(m.accel, sizeof(m.accel), h->accel, "accelerator", &changed,
             error) ||
        !fix(m.qemu, sizeof(m.qemu), h->qemu, "QEMU", &changed, error)) {
        return FALSE;
    }
    if (m.tsc_hz == 0 && h->tsc_hz) {
        m.tsc_hz = h->tsc_hz;
        changed = TRUE;
    } else if (!tsc_close(m.tsc_hz, h->tsc_hz)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_MISMATCH,
                    "the time stamp counter runs at %" PRIu64 " Hz, the "
                    "guest's ran at %" PRIu64 " Hz",
                    h->tsc_hz, m.tsc_hz);
        return FALSE;
    }
    if (changed && s->store && !ckptd_store_set_manifest(s->store, &m, error)) {
        return FALSE;
    }
    g_mutex_lock(&s->lock);
    s->stats.manifest = m;
    g_mutex_unlock(&s->lock);
    return TRUE;
}

/* QEMU maps it privately and must not be able to write to it. */
static int open_base_read_only(CkptdSession *s, GError **error)
{
    g_autofree char *path =
        g_strdup_printf("/proc/self/fd/%d", ckptd_store_base_fd(s->store));
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO, "base image: %s",
                    g_strerror(errno));
    }
    return fd;
}

static gboolean send_welcome(CkptdSession *s, int conn_fd,
                             struct ckpt_welcome *w, GError **error)
{
    struct {
        struct ckpt_welcome w;
        struct ckpt_identity identities[CKPT_IDENTITIES_MAX];
    } payload;
    struct ckpt_msg msg = {
        .type = CKPT_MSG_WELCOME,
        .epoch = s->stats.committed,
        .generation = s->stats.generation,
    };
    int fds[3] = { s->hold.fd, s->staging.fd, -1 };
    g_autoptr(GError) local = NULL;
    guint n_fds = 0;
    gboolean ok;

    if (w->action == CKPT_ACTION_BOOT || w->action == CKPT_ACTION_RESTORE ||
        w->action == CKPT_ACTION_INCOMING) {
        n_fds = 2;
    }
    if (w->action == CKPT_ACTION_INCOMING) {
        msg.epoch = 0;
    }
    w->flags |= s->config.socket_path ? CKPT_WELCOME_LAUNCHED : 0;
    if (w->action == CKPT_ACTION_RESTORE) {
        fds[n_fds++] = open_base_read_only(s, error);
        if (fds[2] < 0) {
            return FALSE;
        }
    }
    w->version = CKPT_WIRE_VERSION;
    w->staging_slots = CKPT_STAGING_SLOTS;
    w->slot_bytes = s->slot_bytes;
    w->hold_bytes = s->hold.size_bytes;
    w->restore_slot = CKPTD_RESTORE_SLOT;
    w->min_interval_us = s->config.min_interval_us;
    w->max_interval_ms = s->config.max_interval_ms;
    if (w->flags & CKPT_WELCOME_NEW_LINE) {
        w->n_identities = ckptd_session_lines_identities(s, payload.identities);
    }
    payload.w = *w;
    msg.len_bytes =
        sizeof(*w) + w->n_identities * sizeof(payload.identities[0]);
    ckptd_trace("welcome", s->config.manifest.name, msg.generation, msg.epoch,
                "action=%u flags=%u", w->action, w->flags);
    ok = ckptd_wire_send_wait(conn_fd, &msg, &payload, fds, n_fds, &local);
    if (fds[2] >= 0) {
        close(fds[2]);
    }
    if (!ok) { /* QEMU died, that is no fault of ours */
        g_set_error_literal(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                            local->message);
    }
    return ok;
}

/* Is there a program to go on with?  It may have ended, or never begun. */
static gboolean has_line(CkptdSession *s)
{
    gboolean goes_on;

    g_mutex_lock(&s->lock);
    goes_on = s->stats.committed && s->stats.committed != s->config.ended_epoch;
    g_mutex_unlock(&s->lock);
    return goes_on;
}

static gboolean welcome_fresh(CkptdSession *s, int conn_fd,
                              const struct ckpt_hello *h, GError **error)
{
    struct ckpt_welcome w = { .action = CKPT_ACTION_PASS };

    s->prepared = FALSE;
    if (!s->pass) {
        if (s->devstate_room < h->devstate_max &&
            (!ckptd_welcome_make_shm(s, h->devstate_max, error) ||
             !fill_restore_slot(s, error))) {
            return FALSE;
        }
        w.action = has_line(s) ? CKPT_ACTION_RESTORE : CKPT_ACTION_BOOT;
        if (w.action == CKPT_ACTION_RESTORE) {
            w.base_bytes = s->stats.manifest.ram_bytes;
            if (ckptd_store_line(s->store)) {
                w.flags |= CKPT_WELCOME_NEW_LINE;
            } else if (s->hold_valid) {
                w.flags |= CKPT_WELCOME_HOLD;
            }
            w.flags |= ckptd_store_ram_hash(s->store, &w.ram_hash)
                           ? CKPT_WELCOME_HASH
                           : 0;
        }
    }
    if (!(w.flags & CKPT_WELCOME_HOLD)) {
        ckptd_output_new_hold(s->output);
    }
    return send_welcome(s, conn_fd, &w, error);
}

/* What was prepared stays unused: the store that is there may be given up. */
static gboolean welcome_incoming(CkptdSession *s, int conn_fd,
                                 const struct ckpt_hello *h, GError **error)
{
    struct ckpt_welcome w = { .action = CKPT_ACTION_INCOMING };

    s->prepared = FALSE;
    s->hold_valid = FALSE;
    ckptd_output_new_hold(s->output);
    return ckptd_welcome_make_shm(s, h->devstate_max, error) &&
           ckptd_session_arrival_begin(s, error) &&
           send_welcome(s, conn_fd, &w, error);
}

static gboolean adopt_shm(CkptdSession *s, GError **error)
{
    struct ckptd_shm hold = CKPTD_SHM_NONE, staging = CKPTD_SHM_NONE;
    uint64_t least = ckptd_wire_slot_bytes(s->stats.manifest.ram_bytes, 0);
    int fd = ckptd_wire_steal_fd(&s->packet, 0);

    if (!ckptd_shm_adopt(fd, "hold", s->hold.size_bytes, &hold, error)) {
        close(fd);
        return FALSE;
    }
    fd = ckptd_wire_steal_fd(&s->packet, 1);
    if (!ckptd_shm_adopt(fd, "staging", s->staging.size_bytes, &staging,
                         error)) {
        close(fd);
        ckptd_shm_clear(&hold);
        return FALSE;
    }
    g_mutex_lock(&s->lock);
    ckptd_shm_clear(&s->hold);
    ckptd_shm_clear(&s->staging);
    s->hold = hold;
    s->staging = staging;
    g_mutex_unlock(&s->lock);
    s->hold_valid = TRUE;
    s->slot_bytes = staging.size_bytes / CKPT_STAGING_SLOTS;
    s->devstate_room = s->slot_bytes - MIN(s->slot_bytes, least);
    if (s->slot_bytes < least || s->slot_bytes % CKPT_PAGE_BYTES ||
        hold.size_bytes < CKPT_HOLD_RING_MIN) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "hold of %" PRIu64 " and staging of %" PRIu64 " bytes are "
                    "too small",
                    hold.size_bytes, staging.size_bytes);
        return FALSE;
    }
    return TRUE;
}

static gboolean welcome_back(CkptdSession *s, int conn_fd,
                             const struct ckpt_hello *h, GError **error)
{
    struct ckpt_welcome w = { .action = CKPT_ACTION_CONTINUE };

    if (s->pass) {
        w.action = CKPT_ACTION_PASS;
        return send_welcome(s, conn_fd, &w, error);
    }
    if (!s->store) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_STALE,
                    "RECONNECT, and there is no store to go on with");
        return FALSE;
    }
    if (h->committed > s->stats.committed ||
        s->packet.msg.epoch < s->stats.committed) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "RECONNECT with epochs %" PRIu64 " to %" PRIu64 ", the "
                    "store ends at %" PRIu64,
                    h->committed, s->packet.msg.epoch, s->stats.committed);
        return FALSE;
    }
    return adopt_shm(s, error) && send_welcome(s, conn_fd, &w, error);
}

/* Nobody begins a generation of a guest that may run elsewhere (F1). */
static gboolean refuse_moved(CkptdSession *s, GError **error)
{
    struct ckptd_moved moved = { 0 };

    if (!s->prepared && s->config.moved_path) {
        ckptd_moved_load(s->config.moved_path, s->config.store_dir, &moved);
    }
    if (moved.phase) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_STALE,
                    "%s has been sent to another QEMU; if it does not run "
                    "there, `ckptctl reclaim %s` lets it go on here",
                    s->config.manifest.name, s->config.manifest.name);
    }
    return moved.phase != 0;
}

static gboolean check_generation(CkptdSession *s, gboolean back,
                                 const struct ckpt_hello *h, GError **error)
{
    uint64_t said = s->packet.msg.generation;

    if (h->flags & CKPT_HELLO_INCOMING) {
        return ckptd_welcome_open_store(s, error);
    }
    if (!back && refuse_moved(s, error)) {
        return FALSE;
    }
    if (back ? said != s->stats.generation : !s->prepared) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_STALE,
                    "HELLO of generation %" PRIu64 ", the guest is at %" PRIu64,
                    said, s->stats.generation);
        return FALSE;
    }
    return TRUE;
}

/**
 * ckptd_welcome_refuse() - answer a HELLO by no
 * @s: the session
 * @conn_fd: the connection
 * @reason: for people
 *
 * Context: session thread.
 */
void ckptd_welcome_refuse(CkptdSession *s, int conn_fd, const char *reason)
{
    struct ckpt_msg msg = {
        .type = CKPT_MSG_REFUSE,
        .len_bytes = ckptd_wire_text_bytes(reason),
        .generation = s->stats.generation,
    };

    ckptd_wire_send_wait(conn_fd, &msg, reason, NULL, 0, NULL);
}

/*
 * The QEMU of an earlier ckptd: RECONNECT goes on with what is in the store;
 * one that never got a WELCOME begins a generation only now.  A disk that fails
 * is waited for; FALSE without an error: QEMU did not.
 */
static gboolean adopt(CkptdSession *s, int conn_fd, gboolean back,
                      GError **error)
{
    g_autoptr(GError) local = NULL;

    s->pass = s->config.store_dir == NULL;
    if (back && s->pass) {
        g_mutex_lock(&s->lock);
        s->stats.generation = s->packet.msg.generation;
        g_mutex_unlock(&s->lock);
        s->adopt = FALSE;
        return TRUE;
    }
    while (back ? !ckptd_welcome_open_store(s, &local)
                : !ckptd_welcome_prepare(s, &local)) {
        if (!ckptd_session_disk_ill(s, &local)) {
            s->adopt = FALSE;
            g_propagate_error(error, g_steal_pointer(&local));
            return FALSE;
        }
        if (!ckptd_session_disk_pause(s, conn_fd)) {
            return FALSE;
        }
    }
    s->adopt = FALSE;
    ckptd_session_disk_well(s);
    return TRUE;
}

/* Only one that has the guest, and was not told to stand still with it. */
static gboolean may_come_back(CkptdSession *s, GError **error)
{
    gboolean freezing;

    g_mutex_lock(&s->lock);
    freezing = s->freezing;
    g_mutex_unlock(&s->lock);
    if (freezing || (!s->adopt && !(s->heard & CKPTD_HEARD_WELCOMED))) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_STALE,
                    "RECONNECT of a QEMU that %s",
                    freezing ? "was told to stand still"
                             : "was never welcomed");
        return FALSE;
    }
    return TRUE;
}

static gboolean check_hello(CkptdSession *s, struct ckpt_hello *ret_hello,
                            GError **error)
{
    if (!ckptd_wire_check_hello(&s->packet, ret_hello, error)) {
        return FALSE;
    }
    if (!(ret_hello->flags & CKPT_HELLO_NO_CHECKPOINT) !=
        !!s->config.store_dir) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    s->config.store_dir
                        ? "this guest is checkpointed, and ckpt-engine was "
                          "given checkpoint=off"
                        : "this guest runs without checkpoints: give "
                          "ckpt-engine checkpoint=off");
        return FALSE;
    }
    return TRUE;
}

/**
 * ckptd_welcome_check() - could this HELLO be answered by a WELCOME?
 * @s: the session, with the packet
 * @ret_hello: filled in
 * @error: CKPTD_ERROR_MISMATCH: it is not the QEMU that the guest needs
 *
 * Return: TRUE if it makes sense and agrees with the manifest.
 * Context: session thread.
 */
gboolean ckptd_welcome_check(CkptdSession *s, struct ckpt_hello *ret_hello,
                             GError **error)
{
    return check_hello(s, ret_hello, error) && agree(s, ret_hello, error);
}

/**
 * ckptd_welcome_hello() - answer the first packet of a connection
 * @s: the session, with the packet
 * @conn_fd: the connection
 * @error: set when it is not answered by WELCOME; not NULL
 *
 * Return: see enum ckptd_welcome.
 * Context: session thread; may read and write the disk.
 */
enum ckptd_welcome ckptd_welcome_hello(CkptdSession *s, int conn_fd,
                                       GError **error)
{
    g_autoptr(GError) local = NULL;
    struct ckpt_hello h;
    gboolean back, ok;

    if (!check_hello(s, &h, error)) {
        ckptd_welcome_refuse(s, conn_fd, (*error)->message);
        return CKPTD_WELCOME_BAD_PEER;
    }
    back = (h.flags & CKPT_HELLO_RECONNECT) != 0;
    if ((!back || may_come_back(s, &local)) && s->adopt &&
        !adopt(s, conn_fd, back, &local) && !local) {
        return CKPTD_WELCOME_GONE;
    }
    ok = !local && check_generation(s, back, &h, &local) &&
         agree(s, &h, &local) &&
         (back ? welcome_back(s, conn_fd, &h, &local)
          : h.flags & CKPT_HELLO_INCOMING
              ? welcome_incoming(s, conn_fd, &h, &local)
              : welcome_fresh(s, conn_fd, &h, &local));
    if (ok) {
        s->heard |= s->arrival ? 0 : CKPTD_HEARD_WELCOMED;
        g_mutex_lock(&s->lock);
        s->stats.verify = (h.flags & CKPT_HELLO_VERIFY) != 0;
        g_mutex_unlock(&s->lock);
        return CKPTD_WELCOME_OK;
    }
    ckptd_welcome_refuse(s, conn_fd, local->message);
    ok = g_error_matches(local, CKPTD_ERROR, CKPTD_ERROR_INVALID) ||
         g_error_matches(local, CKPTD_ERROR, CKPTD_ERROR_STALE);
    g_propagate_error(error, g_steal_pointer(&local));
    return ok ? CKPTD_WELCOME_BAD_PEER : CKPTD_WELCOME_FAILED;
}
