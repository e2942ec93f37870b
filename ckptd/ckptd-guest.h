/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-guest.h - a guest's life: its processes, its session, what to do next
 *
 * Everything here belongs to the main thread.
 */
#ifndef CKPTD_GUEST_H
#define CKPTD_GUEST_H

#include <glib.h>

#include "ckptd/ckptd-label.h"
#include "ckptd/ckptd-paths.h"
#include "ckptd/ckptd-spec.h"

typedef struct CkptdGuest CkptdGuest;

/**
 * typedef CkptdGuestObserver - told of every change of state
 * @guest: it
 * @opaque: the caller's
 */
typedef void (*CkptdGuestObserver)(CkptdGuest *guest, gpointer opaque);

/**
 * typedef CkptdGuestDone - told once, when what was asked for has happened
 * @epoch: the checkpoint's, for ckptd_guest_checkpoint()
 * @error: NULL when it has
 * @opaque: the caller's
 */
typedef void (*CkptdGuestDone)(guint64 epoch, const GError *error,
                               gpointer opaque);

CkptdGuest *ckptd_guest_create(const struct ckptd_paths *paths,
                               struct ckptd_spec *spec, GError **error);
CkptdGuest *ckptd_guest_load(const struct ckptd_paths *paths, const char *name,
                             GError **error);
CkptdGuest *ckptd_guest_ref(CkptdGuest *guest);
void ckptd_guest_unref(CkptdGuest *guest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CkptdGuest, ckptd_guest_unref)

void ckptd_guest_observe(CkptdGuest *guest, CkptdGuestObserver observer,
                         gpointer opaque);
const struct ckptd_spec *ckptd_guest_spec(const CkptdGuest *guest);
const char *ckptd_guest_state_name(const CkptdGuest *guest);
gboolean ckptd_guest_is_down(const CkptdGuest *guest);
GVariant *ckptd_guest_status(CkptdGuest *guest);

gboolean ckptd_guest_start(CkptdGuest *guest, GError **error);
void ckptd_guest_when_started(CkptdGuest *guest, CkptdGuestDone done,
                              gpointer opaque);
void ckptd_guest_resume(CkptdGuest *guest);
void ckptd_guest_leave(CkptdGuest *guest);
void ckptd_guest_stop(CkptdGuest *guest, guint timeout_ms, CkptdGuestDone done,
                      gpointer opaque);
gboolean ckptd_guest_reclaim(CkptdGuest *g, GError **error);
void ckptd_guest_kill(CkptdGuest *guest, CkptdGuestDone done, gpointer opaque);
gboolean ckptd_guest_crash(CkptdGuest *guest, GError **error);
void ckptd_guest_checkpoint(CkptdGuest *guest, CkptdGuestDone done,
                            gpointer opaque);
gboolean ckptd_guest_remove(CkptdGuest *guest, gboolean force, GError **error);

gboolean ckptd_guest_label(const CkptdGuest *guest, const char *label,
                           struct ckptd_label *ret_label, char **ret_dir,
                           GError **error);
guint ckptd_guest_list_labels(const CkptdGuest *guest, GVariantBuilder *list);
gboolean ckptd_guest_remove_label(CkptdGuest *guest, const char *label,
                                  GError **error);
void ckptd_guest_name(CkptdGuest *guest, const char *label, CkptdGuestDone done,
                      gpointer opaque);
void ckptd_guest_cancel_name(CkptdGuest *guest, const char *label);
gboolean ckptd_guest_name_progress(CkptdGuest *guest, const char **ret_label,
                                   guint64 *ret_done_bytes,
                                   guint64 *ret_total_bytes);
void ckptd_guest_roll_back(CkptdGuest *guest, const char *label,
                           CkptdGuestDone done, gpointer opaque);
gboolean ckptd_guest_travel_tidy(const struct ckptd_paths *paths,
                                 const char *name, gboolean *ret_ours,
                                 GError **error);
gboolean ckptd_guest_remove_leftover(const struct ckptd_paths *paths,
                                     const char *name, GError **error);

#endif
