/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-output.h - the log of a guest: what its program wrote, once committed
 */
#ifndef CKPTD_OUTPUT_H
#define CKPTD_OUTPUT_H

#include <glib.h>
#include <stdint.h>

typedef struct CkptdOutput CkptdOutput;

CkptdOutput *ckptd_output_open(const char *log_path, const char *seq_path,
                               GError **error);
void ckptd_output_close(CkptdOutput *output);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CkptdOutput, ckptd_output_close)

void ckptd_output_new_hold(CkptdOutput *output);
gboolean ckptd_output_is_new(const CkptdOutput *output, uint64_t seq);
gboolean ckptd_output_log(CkptdOutput *output, uint64_t seq,
                          const uint8_t *data, size_t len_bytes,
                          GError **error);
gboolean ckptd_output_seen(CkptdOutput *output, uint64_t seq, GError **error);
gboolean ckptd_output_panic(CkptdOutput *output, const uint8_t *data,
                            size_t len_bytes, GError **error);

#endif
