/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-peer-wire.h - what two ckptds say to each other, laid out and checked
 *
 * PROTOCOL.md says who may say what, when.  A message is a head of eight bytes
 * and a payload: a dictionary (GVariant a{sv}, little-endian) or, where bytes
 * are moved, one of the layouts below.  Nothing of a peer's message is used
 * before it passed a function of this file.
 */
#ifndef CKPTD_PEER_WIRE_H
#define CKPTD_PEER_WIRE_H

#include "ckptd/ckptd-format.h"
#include "ckptd/ckptd-store.h"

#define CKPTD_PEER_VERSION   1u
#define CKPTD_PEER_MSG_MAX   (2u << 20)
#define CKPTD_PEER_CHUNK     (256u << 10) /* of a file or the hold */
#define CKPTD_PEER_PAGES_MAX 256u
#define CKPTD_PEER_ID_BYTES  16u
#define CKPTD_PEER_FRAME_MAX 65535u
#define CKPTD_PEER_HEAD      8u

enum ckptd_peer_type {
    CKPTD_PEER_HELLO = 1,
    CKPTD_PEER_PAIR,
    CKPTD_PEER_OFFER,
    CKPTD_PEER_FILE,
    CKPTD_PEER_LAUNCH,
    CKPTD_PEER_PAGES,
    CKPTD_PEER_ROUND,
    CKPTD_PEER_LAST,
    CKPTD_PEER_HOLD,
    CKPTD_PEER_SEAL,
    CKPTD_PEER_GIVE,
    CKPTD_PEER_TAKEN,
    CKPTD_PEER_QUERY,
    CKPTD_PEER_NEVER,
    CKPTD_PEER_FORGET,
    CKPTD_PEER_FRAME,
    CKPTD_PEER_DONE,
    CKPTD_PEER_REFUSE,
    CKPTD_PEER__MAX,
};

/* Which file a FILE message is a part of. */
enum ckptd_peer_file {
    CKPTD_PEER_FILE_BUNDLE = 1,
    CKPTD_PEER_FILE_LOG,
};

/* Payload of FILE and HOLD; the bytes follow. */
struct ckptd_peer_chunk {
    le32 which;    /* 0 enum ckptd_peer_file; HOLD: 0 */
    le32 reserved; /* 4 zero */
    le64 offset;   /* 8 */
};

#define CKPTD_PEER_PAGES_LAST                                                  \
    (1u << 0) /* of the last epoch: the guest stands \
                                           still */

/* Payload of PAGES: @n struct ckptd_disk_page, then the pages not zero. */
struct ckptd_peer_pages_head {
    le32 n;     /* 0 at most CKPTD_PEER_PAGES_MAX */
    le32 flags; /* 4 CKPTD_PEER_PAGES_* */
};

static_assert(sizeof(struct ckptd_peer_chunk) == 16, "wire size");
static_assert(sizeof(struct ckptd_peer_pages_head) == 8, "wire size");

/**
 * struct ckptd_peer_msg - one message as it was received
 *
 * @len_bytes: of @data, checked against what its type may have
 */
struct ckptd_peer_msg {
    enum ckptd_peer_type type;
    uint32_t len_bytes;
    uint8_t *data;
};

/**
 * struct ckptd_peer_pages - a checked PAGES message; borrows from it
 *
 * @list: in any order
 * @data: of those that are not zero, one after the other, sums checked
 */
struct ckptd_peer_pages {
    uint32_t n;
    uint32_t n_data;
    gboolean last;
    const struct ckptd_disk_page *list;
    const uint8_t *data;
};

/**
 * struct ckptd_peer_chunk_view - a checked FILE or HOLD message; borrows
 */
struct ckptd_peer_chunk_view {
    enum ckptd_peer_file which;
    uint64_t offset;
    const uint8_t *data;
    uint32_t len_bytes;
};

/**
 * struct ckptd_peer_offer - a guest that is to move
 *
 * @id:         of this move, 32 hex digits
 * @generation: of the guest now
 * @spec:       as in guest.conf
 * @cpu_flags:  of the host, for a guest under KVM; otherwise ""
 * @vni:        of the tunnel that brings its Ethernet along, 0 = none does
 */
struct ckptd_peer_offer {
    char id[2 * CKPTD_PEER_ID_BYTES + 1];
    struct ckptd_manifest manifest;
    uint64_t generation;
    uint64_t hold_bytes;
    uint64_t used_bytes;
    uint64_t created_s;
    uint32_t recoveries;
    uint32_t vni;
    char *spec;
    char *cpu_flags;
};

/**
 * struct ckptd_peer_last - the last epoch, beside its pages
 *
 * @ram_hash: of all of RAM, 0: not known
 * @devstate: to be unreffed
 */
struct ckptd_peer_last {
    uint64_t epoch;
    uint64_t generation;
    uint64_t ram_hash;
    GBytes *devstate;
};

const char *ckptd_peer_type_name(uint32_t type);
void ckptd_peer_msg_clear(struct ckptd_peer_msg *msg);
void ckptd_peer_make_id(char ret_id[2 * CKPTD_PEER_ID_BYTES + 1]);
gboolean ckptd_peer_id_ok(const char *id);

gboolean ckptd_peer_check_head(const uint8_t head[CKPTD_PEER_HEAD],
                               struct ckptd_peer_msg *ret_msg, GError **error);
void ckptd_peer_put_head(uint8_t head[CKPTD_PEER_HEAD],
                         enum ckptd_peer_type type, uint32_t len_bytes);

GVariant *ckptd_peer_dict(const struct ckptd_peer_msg *msg, GError **error);
gboolean ckptd_peer_get(GVariant *dict, const char *key, const char *format,
                        gpointer ret, GError **error);
char *ckptd_peer_get_text(GVariant *dict, const char *key, gsize max_bytes,
                          GError **error);

gboolean ckptd_peer_check_pages(const struct ckptd_peer_msg *msg,
                                uint64_t ram_pages,
                                struct ckptd_peer_pages *ret, GError **error);
gboolean ckptd_peer_check_chunk(const struct ckptd_peer_msg *msg,
                                uint64_t max_bytes,
                                struct ckptd_peer_chunk_view *ret,
                                GError **error);

GVariant *ckptd_peer_offer_put(const struct ckptd_peer_offer *offer);
gboolean ckptd_peer_offer_get(GVariant *dict, struct ckptd_peer_offer *ret,
                              GError **error);
void ckptd_peer_offer_clear(struct ckptd_peer_offer *offer);

GVariant *ckptd_peer_last_put(const struct ckptd_peer_last *last);
gboolean ckptd_peer_last_get(GVariant *dict, struct ckptd_peer_last *ret,
                             GError **error);
void ckptd_peer_last_clear(struct ckptd_peer_last *last);

#endif
