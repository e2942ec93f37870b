/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-forward.h - a guest's Ethernet, brought to where the guest is now
 */
#ifndef CKPTD_FORWARD_H
#define CKPTD_FORWARD_H

#include <glib.h>

#define CKPTD_FORWARD_VNI_MAX 0xffffffu

/**
 * enum ckptd_forward_end - which end of a tunnel
 *
 * @CKPTD_FORWARD_HOME: where the guest's Ethernet is
 * @CKPTD_FORWARD_AWAY: where the guest is
 */
enum ckptd_forward_end {
    CKPTD_FORWARD_HOME = 1,
    CKPTD_FORWARD_AWAY = 2,
};

/**
 * struct ckptd_forward - one end of a guest's tunnel
 *
 * @uuid:    of the guest
 * @host:    the other end's, for people
 * @address: the other end's
 * @bridge:  HOME: that the guest was in; AWAY: of its own
 */
struct ckptd_forward {
    char *guest;
    char *uuid;
    char *host;
    char *address;
    char *bridge;
    enum ckptd_forward_end end;
    guint vni;
};

void ckptd_forward_free(struct ckptd_forward *forward);
typedef struct ckptd_forward CkptdForward;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CkptdForward, ckptd_forward_free)

guint ckptd_forward_vni(const char *uuid);
char *ckptd_forward_bridge(const char *uuid);

gboolean ckptd_forward_add(const char *state_dir,
                           const struct ckptd_forward *forward, GError **error);
gboolean ckptd_forward_remove(const char *state_dir, const char *guest,
                              GError **error);
struct ckptd_forward *ckptd_forward_find(const char *state_dir,
                                         const char *guest, GError **error);
GPtrArray *ckptd_forward_list(const char *state_dir);
void ckptd_forward_resume(const char *state_dir);

#endif
