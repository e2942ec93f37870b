/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-netd-slirp.h - libslirp in a GLib main loop
 */
#ifndef CKPT_NETD_SLIRP_H
#define CKPT_NETD_SLIRP_H

#include <glib.h>

typedef struct NetdSlirp NetdSlirp;

struct netd_slirp_ops {
    /* A frame for the guest. */
    void (*send)(void *opaque, const void *frame, gsize len_bytes);
    /* All that there was to send has been sent for now. */
    void (*flush)(void *opaque);
};

NetdSlirp *netd_slirp_new(const struct netd_slirp_ops *ops, void *opaque);
void netd_slirp_free(NetdSlirp *s);
gboolean netd_slirp_forward(NetdSlirp *s, const char *spec, GError **error);
void netd_slirp_input(NetdSlirp *s, const void *frame, gsize len_bytes);
void netd_slirp_close_ports(NetdSlirp *s);
gboolean netd_slirp_owes(NetdSlirp *s);
char *netd_slirp_connections(NetdSlirp *s);

#endif
