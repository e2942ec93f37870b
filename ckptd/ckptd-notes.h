/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-notes.h - what a session tells, on its way to the main thread
 */
#ifndef CKPTD_NOTES_H
#define CKPTD_NOTES_H

#include "ckptd/ckptd-session.h"

struct CkptdGuest;

/**
 * struct ckptd_notes - of one guest, over all of its sessions
 *
 * Of the main thread: @guest; @serial, which counts sessions.
 * Under @lock: @waiting notes that the main thread has not heard; @closed:
 * nobody wants to hear more; @credit more that QEMU may cause at @credit_us.
 */
struct ckptd_notes {
    struct CkptdGuest *guest;
    guint serial;
    GMutex lock;
    GCond changed;
    guint waiting;
    gboolean closed;
    guint credit;
    gint64 credit_us;
};

void ckptd_notes_init(struct ckptd_notes *notes);
void ckptd_notes_clear(struct ckptd_notes *notes);
gpointer ckptd_notes_open(struct ckptd_notes *notes, struct CkptdGuest *guest);
void ckptd_notes_close(struct ckptd_notes *notes);
void ckptd_notes_take(const struct ckptd_session_event *event, gpointer opaque);

#endif
