/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-histogram.h - a distribution in fixed memory
 *
 * Sixteen buckets for each power of two: a percentile is right to 6 %, and
 * adding a value is a few instructions on the way of every epoch.
 */
#ifndef CKPTD_HISTOGRAM_H
#define CKPTD_HISTOGRAM_H

#include <glib.h>

#define CKPTD_HISTOGRAM_BUCKETS (64u * 16u)

struct ckptd_histogram {
    guint64 count;
    guint64 sum;
    guint64 max;
    guint32 bucket[CKPTD_HISTOGRAM_BUCKETS];
};

void ckptd_histogram_add(struct ckptd_histogram *h, guint64 value);
guint64 ckptd_histogram_percentile(const struct ckptd_histogram *h,
                                   guint percent);

#endif
