/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bundle.h - find things in the boot bundle (start/ only) */
#ifndef BUNDLE_H
#define BUNDLE_H

#include <stdint.h>
#include <stddef.h>
#include "abi/guest-boot.h"

/* Ends the process if the bundle is malformed. */
void bundle_open(const struct boot_info *info);

struct bundle_data {
    const char *bytes; /* NULL: there is none */
    size_t len_bytes;
    const struct boot_entry *entry;
};

/* First entry of @type for this process; one of its own before a shared. */
struct bundle_data bundle_find(enum boot_entry_type type);

#endif
