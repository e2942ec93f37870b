/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-error.h - what can go wrong in ckptd, as far as a caller cares
 *
 * A code exists where somebody acts on it; everything else is told by the
 * message alone.
 */
#ifndef CKPTD_ERROR_H
#define CKPTD_ERROR_H

#include <glib.h>

/**
 * enum CkptdError - codes of the domain CKPTD_ERROR
 *
 * @CKPTD_ERROR_IO:          a system call failed; the message has its name,
 *                           the file and strerror()
 * @CKPTD_ERROR_NOT_FOUND:   no store, or no checkpoint in it, where one was
 *                           asked for
 * @CKPTD_ERROR_EXISTS:      a store is there already
 * @CKPTD_ERROR_BUSY:        another process holds the store (F1)
 * @CKPTD_ERROR_VERSION:     written by a later version: not to be touched
 * @CKPTD_ERROR_DAMAGED:     what was committed is no longer whole: an
 *                           operator has to decide (S1)
 * @CKPTD_ERROR_INVALID:     the peer sent what it may not send
 * @CKPTD_ERROR_STALE:       of another generation than the current one (F1)
 * @CKPTD_ERROR_NO_SPACE:    does not fit where it should go
 * @CKPTD_ERROR_MISMATCH:    differs from what the manifest fixed
 * @CKPTD_ERROR_FAILED:      any other
 */
typedef enum {
    CKPTD_ERROR_IO,
    CKPTD_ERROR_NOT_FOUND,
    CKPTD_ERROR_EXISTS,
    CKPTD_ERROR_BUSY,
    CKPTD_ERROR_VERSION,
    CKPTD_ERROR_DAMAGED,
    CKPTD_ERROR_INVALID,
    CKPTD_ERROR_STALE,
    CKPTD_ERROR_NO_SPACE,
    CKPTD_ERROR_MISMATCH,
    CKPTD_ERROR_FAILED,
} CkptdError;

#define CKPTD_ERROR (ckptd_error_quark())
GQuark ckptd_error_quark(void);

#endif
