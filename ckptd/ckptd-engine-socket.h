/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-engine-socket.h - where a QEMU that we did not start reports
 *
 * Everything here belongs to the main thread.
 */
#ifndef CKPTD_ENGINE_SOCKET_H
#define CKPTD_ENGINE_SOCKET_H

#include <glib.h>
#include <sys/types.h>

#include "ckptd/ckptd-process.h"

typedef struct CkptdEngineSocket CkptdEngineSocket;

/**
 * typedef CkptdEngineCaller - somebody who may do so has connected
 * @conn_fd: the connection, the receiver's from now on
 * @caller: its process, watched by a pidfd; the receiver's from now on
 * @opaque: the receiver's
 */
typedef void (*CkptdEngineCaller)(int conn_fd,
                                  const struct ckptd_process *caller,
                                  gpointer opaque);

gboolean ckptd_engine_socket_owner(const char *name, uid_t *ret_uid,
                                   GError **error);
CkptdEngineSocket *ckptd_engine_socket_new(const char *path, uid_t owner,
                                           CkptdEngineCaller called,
                                           gpointer opaque, GError **error);
void ckptd_engine_socket_free(CkptdEngineSocket *socket, gboolean remove);
void ckptd_engine_socket_refuse(int conn_fd, const char *reason);

#endif
