/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-identity.h - the addresses under which a line of a guest may speak (R2)
 *
 * Knows frames and struct ckpt_identity, nothing of QEMU: the gate's unit test
 * links it.  The set is part of the device's vmstate, field by field.
 */
#ifndef HW_CKPT_IDENTITY_H
#define HW_CKPT_IDENTITY_H

#include "ckpt-nic.h"

/* Bytes of a frame that ckpt_identities_own() looks at. */
#define CKPT_IDENTITY_HEAD  42u

typedef struct CkptIdentity {
    uint8_t mac[6];
    uint8_t address[4];         /* as it lies in a packet, 0.0.0.0: any */
} CkptIdentity;

typedef struct CkptIdentities {
    uint32_t count;             /* 0: no new line ever, whoever speaks */
    CkptIdentity id[CKPT_IDENTITIES_MAX];
} CkptIdentities;

/* Is @ids what a WELCOME of @generation may say?  Sets @errp if not. */
bool ckpt_identities_check(const struct ckpt_identity *ids, unsigned n,
                           uint64_t generation, Error **errp);
void ckpt_identities_set(CkptIdentities *set, const struct ckpt_identity *ids,
                         unsigned n);
/* May a frame with these first bytes (at most HEAD of them) leave? */
bool ckpt_identities_own(const CkptIdentities *set, const uint8_t *head,
                         size_t len_bytes);

#endif
