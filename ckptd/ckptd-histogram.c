/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-histogram.c - a distribution in fixed memory
 */
#include "ckptd/ckptd-histogram.h"

/* Values below 16 have a bucket each; above, four bits below the top one. */
static guint bucket_of(guint64 value)
{
    guint top;

    if (value < 16) {
        return value;
    }
    top = 63 - __builtin_clzll(value);
    return (top - 3) * 16 + ((value >> (top - 4)) & 15);
}

static guint64 middle_of(guint bucket)
{
    guint shift;

    if (bucket < 16) {
        return bucket;
    }
    shift = bucket / 16 - 1;
    return ((16 + (guint64)(bucket % 16)) << shift) + ((1ull << shift) >> 1);
}

/**
 * ckptd_histogram_add() - count one value
 * @h: zero at first
 * @value: any
 */
void ckptd_histogram_add(struct ckptd_histogram *h, guint64 value)
{
    h->count++;
    h->sum += value;
    h->max = MAX(h->max, value);
    h->bucket[bucket_of(value)]++;
}

/**
 * ckptd_histogram_percentile() - the value that @percent of all do not exceed
 * @h: to read
 * @percent: 1 to 100
 *
 * Return: the middle of the bucket it lies in, 0 if nothing was counted.
 */
guint64 ckptd_histogram_percentile(const struct ckptd_histogram *h,
                                   guint percent)
{
    guint64 wanted = (h->count * percent + 99) / 100, seen = 0;
    guint i;

    for (i = 0; i < CKPTD_HISTOGRAM_BUCKETS && wanted; i++) {
        seen += h->bucket[i];
        if (seen >= wanted) {
            return MIN(middle_of(i), h->max);
        }
    }
    return 0;
}
