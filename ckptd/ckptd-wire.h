/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-wire.h - messages of abi/ckpt-wire.h, sent, received and checked
 *
 * Knows sockets and layouts, but no guest and no store.  What passes a
 * ckptd_wire_check_*() is safe to use; nothing else of a packet may be looked
 * at.  Function by function any thread, a packet belongs to one.
 */
#ifndef CKPTD_WIRE_H
#define CKPTD_WIRE_H

#include <glib.h>

#include "abi/ckpt-wire.h"
#include "ckptd/ckptd-error.h"

#define CKPTD_WIRE_FDS_MAX      4u
#define CKPTD_WIRE_RAM_MAX      (1ull << 40)
#define CKPTD_WIRE_DEVSTATE_MAX (64u << 20)
#define CKPTD_WIRE_TEXT_MAX     1024u /* bytes of a reason, a BYE's text */
#define CKPTD_WIRE_SEND_MS      5000  /* for a peer that does not read */

/**
 * struct ckptd_packet - one message as it was received
 *
 * @msg:     its header, checked against the packet's length
 * @payload: msg.len_bytes of it
 * @fds:     descriptors that came along, -1 where there is none (any more)
 */
struct ckptd_packet {
    struct ckpt_msg msg;
    uint8_t payload[CKPT_MSG_MAX];
    int fds[CKPTD_WIRE_FDS_MAX];
};

/**
 * enum ckptd_recv - what a receive brought
 *
 * @CKPTD_RECV_PACKET: a well-formed packet
 * @CKPTD_RECV_END:    the peer is gone
 * @CKPTD_RECV_ERROR:  the peer sent what no peer may send, or a system error
 */
enum ckptd_recv {
    CKPTD_RECV_PACKET,
    CKPTD_RECV_END,
    CKPTD_RECV_ERROR,
};

const char *ckptd_wire_type_name(uint32_t type);

void ckptd_wire_packet_init(struct ckptd_packet *packet);
void ckptd_wire_packet_clear(struct ckptd_packet *packet);
int ckptd_wire_steal_fd(struct ckptd_packet *packet, guint index);

enum ckptd_recv ckptd_wire_recv(int sock, struct ckptd_packet *packet,
                                GError **error);
gboolean ckptd_wire_send(int sock, const struct ckpt_msg *msg,
                         const void *payload, const int *fds, guint n_fds,
                         GError **error);
gboolean ckptd_wire_send_wait(int sock, const struct ckpt_msg *msg,
                              const void *payload, const int *fds, guint n_fds,
                              GError **error);
guint ckptd_wire_text_bytes(const char *text);

gboolean ckptd_wire_check_hello(const struct ckptd_packet *packet,
                                struct ckpt_hello *ret_hello, GError **error);
gboolean ckptd_wire_check_epoch(const struct ckptd_packet *packet,
                                struct ckpt_epoch *ret_epoch, GError **error);
gboolean ckptd_wire_check_output(const struct ckptd_packet *packet,
                                 struct ckpt_output *ret_output,
                                 const uint8_t **ret_data,
                                 size_t *ret_len_bytes, GError **error);
gboolean ckptd_wire_check_move(const struct ckptd_packet *packet,
                               struct ckpt_move *ret_move, GError **error);
gboolean ckptd_wire_check_bye(const struct ckptd_packet *packet,
                              struct ckpt_bye *ret_bye, char **ret_text,
                              GError **error);
gboolean ckptd_wire_check_name(const struct ckptd_packet *packet,
                               char ret_label[CKPT_LABEL_MAX + 1],
                               GError **error);

uint64_t ckptd_wire_slot_bytes(uint64_t ram_bytes, uint32_t devstate_max);

#endif
