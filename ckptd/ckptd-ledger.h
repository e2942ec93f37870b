/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-ledger.h - whose a guest is that moves: what each side has promised
 *
 * One small file for each move, on each of the two hosts (FORMAT.md).
 */
#ifndef CKPTD_LEDGER_H
#define CKPTD_LEDGER_H

#include "ckptd/ckptd-io.h"
#include "ckptd/ckptd-peer-wire.h"

typedef struct ckptd_ledger CkptdLedger;

enum ckptd_ledger_role {
    CKPTD_LEDGER_FROM = 1, /* the guest was here */
    CKPTD_LEDGER_TO = 2,   /* it is to be here */
};

/**
 * enum ckptd_ledger_step - how far a move is, durably
 *
 * @CKPTD_LEDGER_OFFERED: nothing is promised: a crash gives the move up
 * @CKPTD_LEDGER_DECIDED: FROM: given, and not ours again but by the other's
 *                        word or an operator's; TO: taken, it is ours
 * @CKPTD_LEDGER_ENDED:   FROM: it is known whose it is: see the outcome
 * @CKPTD_LEDGER_REMOVED: FROM: it is the other's, and nothing of it is here any
 *                        more; what is here under its name came later
 */
enum ckptd_ledger_step {
    CKPTD_LEDGER_OFFERED = 1,
    CKPTD_LEDGER_DECIDED,
    CKPTD_LEDGER_ENDED,
    CKPTD_LEDGER_REMOVED,
    CKPTD_LEDGER__END,
};

enum ckptd_ledger_outcome {
    CKPTD_LEDGER_OPEN,
    CKPTD_LEDGER_GONE, /* the other host has it */
    CKPTD_LEDGER_BACK, /* the other host never took it */
    CKPTD_LEDGER__OUTCOMES,
};

/**
 * struct ckptd_ledger_entry - what a ledger says
 *
 * @host, @print: the other one
 * @generation:   that it was given with
 */
struct ckptd_ledger_entry {
    enum ckptd_ledger_role role;
    enum ckptd_ledger_step step;
    enum ckptd_ledger_outcome outcome;
    char id[2 * CKPTD_PEER_ID_BYTES + 1];
    char guest[64];
    char host[64];
    char print[65];
    uint64_t generation;
    uint64_t epoch;
};

CkptdLedger *ckptd_ledger_begin(struct ckptd_io *io, const char *dir,
                                const struct ckptd_ledger_entry *entry,
                                GError **error);
CkptdLedger *ckptd_ledger_open(struct ckptd_io *io, const char *dir,
                               const char *id, GError **error);
void ckptd_ledger_close(CkptdLedger *ledger);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CkptdLedger, ckptd_ledger_close)

const struct ckptd_ledger_entry *ckptd_ledger_entry(const CkptdLedger *ledger);
gboolean ckptd_ledger_decide(CkptdLedger *ledger, uint64_t generation,
                             uint64_t epoch, GError **error);
gboolean ckptd_ledger_end(CkptdLedger *ledger,
                          enum ckptd_ledger_outcome outcome, GError **error);
gboolean ckptd_ledger_removed(CkptdLedger *ledger, GError **error);
gboolean ckptd_ledger_remove(struct ckptd_io *io, const char *dir,
                             const char *id, GError **error);
GArray *ckptd_ledger_list(struct ckptd_io *io, const char *dir,
                          GError **ret_unclear, GError **error);
gboolean ckptd_ledger_find(struct ckptd_io *io, const char *state_dir,
                           enum ckptd_ledger_step step, const char *guest,
                           struct ckptd_ledger_entry *ret_entry,
                           GError **error);
char *ckptd_ledger_dir(const char *state_dir);

#endif
