/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-peer-cert.h - by what hosts know each other: a key and a certificate
 */
#ifndef CKPTD_PEER_CERT_H
#define CKPTD_PEER_CERT_H

#include <gio/gio.h>

#define CKPTD_PEER_PRINT_CHARS 64u /* SHA-256 in hex */

GTlsCertificate *ckptd_peer_cert_load(const char *dir, GError **error);
char *ckptd_peer_cert_print(GTlsCertificate *cert);
gboolean ckptd_peer_print_ok(const char *print);

#endif
