/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-guest-libvirt.h - guests whose QEMU libvirt starts
 *
 * For any guest; nothing is done to one without a libvirt URI.
 */
#ifndef CKPTD_GUEST_LIBVIRT_H
#define CKPTD_GUEST_LIBVIRT_H

#include "ckptd/ckptd-guest.h"

struct ckptd_guest_libvirt;

gboolean ckptd_guest_libvirt_open(CkptdGuest *g, GError **error);
void ckptd_guest_libvirt_close(CkptdGuest *g);
void ckptd_guest_libvirt_waiting(CkptdGuest *g);
void ckptd_guest_libvirt_start(CkptdGuest *g);
void ckptd_guest_libvirt_settled(CkptdGuest *g);
void ckptd_guest_libvirt_give_up(CkptdGuest *g);
GPid ckptd_guest_libvirt_pid(const CkptdGuest *g);

#endif
