/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-error.c - the error domain of ckptd
 */
#include "ckptd-error.h"

/**
 * ckptd_error_quark() - the domain's quark, for CKPTD_ERROR
 *
 * Return: the quark.
 * Context: any thread.
 */
G_DEFINE_QUARK(ckptd - error - quark, ckptd_error)
