/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-landing.h - a session whose guest is still on its way from another host
 *
 * QEMU has been started and asks what there is; it is not answered before the
 * guest is ours.  One other thread, that of the move, leads it there:
 *
 *   ckptd_landing_ready()   the last epoch is in the store, of a generation of
 *                           its own (F1), durable; the hold is there, and the
 *                           restore slot is filled
 *   ckptd_landing_go()      the guest is ours: QEMU gets its WELCOME; from now
 *                           on it is a session like any other
 */
#ifndef CKPTD_LANDING_H
#define CKPTD_LANDING_H

#include "ckptd/ckptd-session.h"

enum ckptd_landing_step {
    CKPTD_LANDING_NONE,
    CKPTD_LANDING_READY,
    CKPTD_LANDING_GO,
};

/**
 * struct ckptd_landing_load - what ckptd_landing_ready() brings
 *
 * @slot:     from ckptd_image_finish(), still the caller's
 * @epoch, @generation: of it
 * @hold:     taken over
 * @next_seq: as in console.seq
 */
struct ckptd_landing_load {
    void *slot;
    size_t slot_bytes;
    uint64_t epoch;
    uint64_t generation;
    struct ckptd_shm hold;
    uint64_t next_seq;
};

/**
 * struct ckptd_landing - a session's; all of it under the session's lock
 *
 * @cond:  of all changes
 * @step:  asked for and not done
 * @load:  of READY
 * @end:   QEMU is dead or the session ends: nothing arrives any more
 * @error: of the last step
 */
struct ckptd_landing {
    GCond cond;
    enum ckptd_landing_step step;
    struct ckptd_landing_load *load;
    gboolean end;
    GError *error;
};

enum ckptd_welcome;
enum ckptd_welcome ckptd_landing_hello(CkptdSession *s, int conn_fd,
                                       GError **error);
void ckptd_landing_end(CkptdSession *s);

gboolean ckptd_landing_ready(CkptdSession *s, struct ckptd_landing_load *load,
                             GError **error);
gboolean ckptd_landing_go(CkptdSession *s, GError **error);

#endif
