/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-server.h - all guests of this daemon
 */
#ifndef CKPTD_SERVER_H
#define CKPTD_SERVER_H

#include "ckptd/ckptd-guest.h"

typedef struct CkptdServer CkptdServer;

/* What is said to be the state of a guest of which not all is known. */
#define CKPTD_SERVER_DAMAGED "damaged"

/**
 * typedef CkptdServerObserver - told when a guest's state changes
 * @name: of the guest
 * @state: its new state
 * @opaque: the caller's
 */
typedef void (*CkptdServerObserver)(const char *name, const char *state,
                                    gpointer opaque);

CkptdServer *ckptd_server_new(const struct ckptd_paths *paths, GError **error);
void ckptd_server_free(CkptdServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CkptdServer, ckptd_server_free)

void ckptd_server_observe(CkptdServer *server, CkptdServerObserver observer,
                          gpointer opaque);
const struct ckptd_paths *ckptd_server_paths(CkptdServer *server);
gboolean ckptd_server_resume(CkptdServer *server, GError **error);
gboolean ckptd_server_is_left(CkptdServer *server, const char *name,
                              GError **error);
gboolean ckptd_server_retry(CkptdServer *server, const char *name,
                            GError **error);
guint ckptd_server_add_left(CkptdServer *server, const char *name,
                            GVariantBuilder *list);
CkptdGuest *ckptd_server_add(CkptdServer *server, struct ckptd_spec *spec,
                             GError **error);
CkptdGuest *ckptd_server_run(CkptdServer *server, GVariant *options,
                             const char *const *argv, GError **error);
CkptdGuest *ckptd_server_adopt(CkptdServer *server, GVariant *options,
                               GError **error);
void ckptd_server_take(CkptdServer *server, CkptdGuest *guest);
CkptdGuest *ckptd_server_find(CkptdServer *server, const char *name,
                              GError **error);
GList *ckptd_server_list(CkptdServer *server);
gboolean ckptd_server_remove(CkptdServer *server, const char *name,
                             gboolean force, GError **error);
guint ckptd_server_count_up(CkptdServer *server);

#endif
