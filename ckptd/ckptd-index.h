/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-index.h - which copy of a page is the newest, and reading them
 */
#ifndef CKPTD_INDEX_H
#define CKPTD_INDEX_H

#include "ckptd/ckptd-record.h"

/**
 * struct ckptd_index_page - the copy of a page that counts
 * @page:    its number
 * @sum:     its checksum, 0 if zero
 * @segment: where it lies, borrowed; NULL: it is all zero
 * @offset:  where in it
 */
struct ckptd_index_page {
    uint64_t page;
    uint64_t sum;
    CkptdSegment *segment;
    uint64_t offset;
};

/**
 * typedef CkptdIndexFunc - takes a page that was read
 * @index:  its place in the array given to ckptd_index_read()
 * @page:   what is known of it
 * @data:   its content, checked; NULL: all zero
 * @opaque: the caller's
 * @error:  where to say why it stops
 *
 * Return: FALSE stops.
 */
typedef gboolean (*CkptdIndexFunc)(uint64_t index,
                                   const struct ckptd_index_page *page,
                                   const uint8_t *data, gpointer opaque,
                                   GError **error);

GArray *ckptd_index_newest(GPtrArray *records, uint64_t ram_pages);
gboolean ckptd_index_read(GArray *pages, CkptdIndexFunc func, gpointer opaque,
                          GError **error);

#endif
