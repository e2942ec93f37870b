/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * abi-check.c - compiles every contract header together, in one order and the
 * other, so that no two of them fight over a name
 */
#include "ckpt-wire.h"
#include "ckpt-nic.h"
#include "ckpt-hold.h"
#include "guest-syscall.h"
#include "guest-boot.h"
#include "guest-syscall.h"
#include "ckpt-hold.h"
#include "ckpt-nic.h"
#include "ckpt-wire.h"

_Static_assert(CKPT_NIC_EXIT + 4 <= CKPT_NIC_PORTS, "registers fit");
_Static_assert(CKPT_FRAME_MAX + sizeof(struct ckpt_hold_record) <
                   CKPT_HOLD_RING_MIN / 2,
               "the smallest hold takes the largest frame");
_Static_assert(sizeof(struct ckpt_hold_record) % CKPT_HOLD_ALIGN == 0,
               "records stay aligned");
_Static_assert(CKPT_LOG_MAX + sizeof(struct ckpt_msg) +
                       sizeof(struct ckpt_output) <= CKPT_MSG_MAX,
               "a log record fits a message");
_Static_assert(sizeof(struct ckpt_identity) <= CKPT_MBOX_DATA_MAX,
               "an identity fits the mailbox");
_Static_assert(sizeof(struct ckpt_identity) ==
                   offsetof(struct ckpt_identity, mac) +
                       sizeof(struct boot_net) &&
               offsetof(struct boot_net, flags) -
                       offsetof(struct boot_net, mac) ==
                   offsetof(struct ckpt_identity, flags) -
                       offsetof(struct ckpt_identity, mac),
               "an identity ends as a struct boot_net");
_Static_assert(CKPT_IDENTITIES_MAX == BOOT_MAX_PROCESSES &&
                   CKPT_IDENTITY_DHCP == BOOT_NET_DHCP,
               "an identity for each process");
_Static_assert(sizeof(struct ckpt_msg) + sizeof(struct ckpt_welcome) +
                       BOOT_MAX_PROCESSES * sizeof(struct ckpt_identity) <=
                   CKPT_MSG_MAX,
               "a WELCOME fits with every identity");
