/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xstate.c - the program's extended state as an XSAVE area
 *
 * Standard format.  The bytes that FXSAVE leaves to software hold Linux's
 * description of the area, which signal handlers and sigreturn look for.
 */
#include <string.h>
#include <asm/sigcontext.h>
#include "guest-libc/sys/thread.h"
#include "guest-libc/sys/xstate.h"

#define MXCSR_OFFSET       24u
#define MXCSR_KNOWN        0xffffu
#define XSAVE_SW_OFFSET    464u
#define XSAVE_HEADER_BYTES 64u
#define FEATURES_LEGACY    3ull /* x87 and SSE */

/**
 * xstate_bytes - bytes of an area in a signal frame
 *
 * Return: the size, the end mark included.
 * Context: any.
 */
size_t xstate_bytes(void)
{
    return process.xsave_bytes +
           (process.xsave_mask ? FP_XSTATE_MAGIC2_SIZE : 0);
}

/**
 * xstate_save_live - save what is live in the CPU
 * @area: 64 byte aligned, of process.xsave_bytes
 *
 * Context: any; the library does not touch this state, so it is the program's.
 */
void xstate_save_live(uint8_t *area)
{
    uint32_t low = process.xsave_mask;
    uint32_t high = process.xsave_mask >> 32;

    if (!process.xsave_mask) {
        __asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
        return;
    }
    memset(area + XSTATE_LEGACY_BYTES, 0, XSAVE_HEADER_BYTES);
    __asm__ volatile("xsave64 (%0)"
                     :
                     : "r"(area), "a"(low), "d"(high)
                     : "memory");
}

/**
 * xstate_mark - say in the area how much of it is valid
 * @area: of xstate_bytes()
 *
 * Context: any.
 */
void xstate_mark(uint8_t *area)
{
    struct _fpx_sw_bytes sw = {
        .magic1 = FP_XSTATE_MAGIC1,
        .extended_size = process.xsave_bytes + FP_XSTATE_MAGIC2_SIZE,
        .xfeatures = process.xsave_mask,
        .xstate_size = process.xsave_bytes,
    };
    uint32_t end = FP_XSTATE_MAGIC2;

    if (!process.xsave_mask) {
        memset(area + XSAVE_SW_OFFSET, 0, sizeof(sw));
        return;
    }
    memcpy(area + XSAVE_SW_OFFSET, &sw, sizeof(sw));
    memcpy(area + process.xsave_bytes, &end, sizeof(end));
}

/**
 * xstate_is_extended - whether more than the FXSAVE part is there
 * @area: its first XSTATE_LEGACY_BYTES
 *
 * Return: true if the area says so, and is as long as ours.
 * Context: any.
 */
bool xstate_is_extended(const uint8_t *area)
{
    struct _fpx_sw_bytes sw;

    memcpy(&sw, area + XSAVE_SW_OFFSET, sizeof(sw));
    return process.xsave_mask && sw.magic1 == FP_XSTATE_MAGIC1 &&
           sw.xstate_size == process.xsave_bytes;
}

/**
 * xstate_make_legacy - nothing but the FXSAVE part is there
 * @area: of xstate_bytes()
 *
 * Context: any.
 */
void xstate_make_legacy(uint8_t *area)
{
    uint64_t features = FEATURES_LEGACY;

    if (process.xsave_mask) {
        memcpy(area + XSTATE_LEGACY_BYTES, &features, sizeof(features));
    }
}

/**
 * xstate_check - make what a program wrote fit to be restored
 * @area: of xstate_bytes(); unknown features and MXCSR bits are dropped
 *
 * Context: any.
 */
void xstate_check(uint8_t *area)
{
    uint64_t features;
    uint32_t mxcsr;

    memcpy(&mxcsr, area + MXCSR_OFFSET, sizeof(mxcsr));
    mxcsr &= MXCSR_KNOWN;
    memcpy(area + MXCSR_OFFSET, &mxcsr, sizeof(mxcsr));
    if (process.xsave_mask) {
        memcpy(&features, area + XSTATE_LEGACY_BYTES, sizeof(features));
        features &= process.xsave_mask;
        memset(area + XSTATE_LEGACY_BYTES, 0, XSAVE_HEADER_BYTES);
        memcpy(area + XSTATE_LEGACY_BYTES, &features, sizeof(features));
    }
    xstate_mark(area);
}
