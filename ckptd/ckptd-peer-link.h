/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-peer-link.h - a connection to another ckptd: TLS, message by message
 *
 * A link belongs to one thread, which blocks in it; ckptd_link_cancel() from
 * any other ends that.
 */
#ifndef CKPTD_PEER_LINK_H
#define CKPTD_PEER_LINK_H

#include <gio/gio.h>

#include "ckptd/ckptd-peer-wire.h"

#define CKPTD_PEER_PORT 7345u

typedef struct ckptd_link CkptdLink;

CkptdLink *ckptd_link_connect(const char *address, GTlsCertificate *own,
                              const char *print, GCancellable *cancellable,
                              GError **error);
CkptdLink *ckptd_link_accept(GSocketConnection *connection,
                             GTlsCertificate *own, GCancellable *cancellable,
                             GError **error);
void ckptd_link_free(CkptdLink *link);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CkptdLink, ckptd_link_free)

const char *ckptd_link_print(const CkptdLink *link);
char *ckptd_link_remote_ip(const CkptdLink *link);
void ckptd_link_set_known(CkptdLink *link, gboolean known);
void ckptd_link_cancel(CkptdLink *link);

gboolean ckptd_link_send(CkptdLink *link, enum ckptd_peer_type type,
                         const void *data, size_t len_bytes, GError **error);
gboolean ckptd_link_send_dict(CkptdLink *link, enum ckptd_peer_type type,
                              GVariant *dict, GError **error);
gboolean ckptd_link_refuse(CkptdLink *link, const char *reason);
gboolean ckptd_link_recv(CkptdLink *link, struct ckptd_peer_msg *ret_msg,
                         GError **error);
gboolean ckptd_link_expect(CkptdLink *link, enum ckptd_peer_type type,
                           GVariant **ret_dict, GError **error);

#endif
