/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log.c - the kernel's own lines in the guest's log
 *
 * The log goes out by a NIC command and is held by epoch like every output.
 * A full hold refuses it: then the lines wait in a buffer until CKPT_INT_TX,
 * and if that fills up, the number of lines lost is told.
 */
#include "kernel.h"

#include <stdarg.h>

/* Page aligned: the NIC wants physically contiguous bytes. */
static char log_buf[PAGE_BYTES] __attribute__((aligned(PAGE_BYTES))) BULKY;
static uint32_t log_used;
static uint32_t log_lost;

_Static_assert(sizeof(log_buf) <= CKPT_LOG_MAX, "one command takes it all");

/**
 * log_line - one line for the log
 * @format: as printf, without a newline
 */
void log_line(const char *format, ...)
{
    static const char prefix[] = "kernel: ";
    char line[256];
    size_t len = sizeof(prefix) - 1;
    va_list args;

    memcpy(line, prefix, len);
    va_start(args, format);
    len += format_va(line + len, sizeof(line) - len - 1, format, args);
    va_end(args);
    line[len++] = '\n';

    if (log_used + len > sizeof(log_buf)) {
        log_flush();
    }
    if (log_used + len > sizeof(log_buf)) {
        log_lost++;
        return;
    }
    memcpy(log_buf + log_used, line, len);
    log_used += len;
    log_flush();
}

/**
 * log_flush - hand waiting lines to the NIC
 *
 * Called when there are new ones, and when the hold has room again.
 */
void log_flush(void)
{
    if (log_used == 0 || nic_command(CKPT_CMD_LOG, log_buf, log_used) != 0) {
        return;
    }
    log_used = 0;
    if (log_lost != 0) {
        uint32_t lost = log_lost;

        log_lost = 0;
        log_line("%u lines lost while the hold was full", lost);
    }
}
