/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-bundle-copy.c - a bundle like another, for somebody else on the network
 */
#include <string.h>

#include "ckptd/ckpt-bundle.h"
#include "ckptd/ckptd-error.h"

/* Return: its entries, or NULL if it is none. */
static const struct boot_entry *entries_of(const char *data, gsize len,
                                           guint *ret_n)
{
    const struct boot_bundle *b = (const struct boot_bundle *)data;

    if (len < sizeof(*b) || b->magic != BOOT_BUNDLE_MAGIC ||
        b->version != BOOT_BUNDLE_VERSION || b->n_entries > BOOT_MAX_ENTRIES ||
        b->entries_offset > len ||
        b->n_entries * sizeof(struct boot_entry) > len - b->entries_offset) {
        return NULL;
    }
    *ret_n = b->n_entries;
    return (const struct boot_entry *)(data + b->entries_offset);
}

/* A process keeps what it has no other address for. */
static gboolean readdress(char *data, gsize len, const struct boot_net *nets,
                          guint n_nets)
{
    const struct boot_entry *entry;
    guint n = 0, i;

    entry = entries_of(data, len, &n);
    for (i = 0; entry && i < n; i++) {
        if (entry[i].type != BOOT_NET || entry[i].process >= n_nets) {
            continue;
        }
        if (entry[i].len_bytes != sizeof(*nets) || entry[i].offset > len ||
            len - entry[i].offset < sizeof(*nets)) {
            return FALSE;
        }
        memcpy(data + entry[i].offset, &nets[entry[i].process], sizeof(*nets));
    }
    return entry != NULL;
}

/**
 * ckpt_bundle_copy() - write a bundle like another, with other addresses
 * @from: path of the other
 * @to: replaced in one step, mode 0600; may be the same
 * @nets: who the processes are on the network, by their numbers
 * @n_nets: how many
 * @error: set on failure
 *
 * Files of the host that went into the other may be gone by now, so it is not
 * put together again.
 *
 * Return: TRUE when the file is there.
 */
gboolean ckpt_bundle_copy(const char *from, const char *to,
                          const struct boot_net *nets, guint n_nets,
                          GError **error)
{
    g_autoptr(GMappedFile) file = g_mapped_file_new(from, TRUE, error);

    if (!file) {
        return FALSE;
    }
    if (!readdress(g_mapped_file_get_contents(file),
                   g_mapped_file_get_length(file), nets, n_nets)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED,
                    "%s is no boot bundle of this version", from);
        return FALSE;
    }
    return g_file_set_contents_full(
        to, g_mapped_file_get_contents(file), g_mapped_file_get_length(file),
        G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600,
        error);
}
