/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bundle.c - find things in the boot bundle
 *
 * The bundle stays mapped read-only for good, so everything is handed out in
 * place.  The kernel has checked the offsets; it is checked here again, since
 * on Linux nobody has, and strings are the library's alone.
 */
#include <string.h>
#include "guest-libc/start/bundle.h"
#include "guest-libc/sys/libos.h"

static const struct boot_info *boot;
static const struct boot_bundle *bundle;
static const struct boot_entry *entries;

static bool entry_is_sound(const struct boot_entry *e)
{
    return e->offset <= boot->bundle_bytes &&
           e->len_bytes <= boot->bundle_bytes - e->offset &&
           e->name[sizeof(e->name) - 1] == '\0';
}

/**
 * bundle_open - check the bundle and remember it
 * @info: what the layer below says of this process
 *
 * Context: boot.
 */
void bundle_open(const struct boot_info *info)
{
    uint64_t entries_bytes;
    uint32_t i;

    boot = info;
    bundle = (const struct boot_bundle *)info->bundle;
    if (info->bundle_bytes < sizeof(*bundle) ||
        bundle->magic != BOOT_BUNDLE_MAGIC ||
        bundle->version != BOOT_BUNDLE_VERSION ||
        bundle->n_entries > BOOT_MAX_ENTRIES) {
        lib_panic("the boot bundle has a bad header");
    }
    entries_bytes = bundle->n_entries * sizeof(struct boot_entry);
    if (bundle->entries_offset > info->bundle_bytes ||
        entries_bytes > info->bundle_bytes - bundle->entries_offset) {
        lib_panic("the boot bundle is cut short");
    }
    entries =
        (const struct boot_entry *)(info->bundle + bundle->entries_offset);
    for (i = 0; i < bundle->n_entries; i++) {
        if (!entry_is_sound(&entries[i])) {
            lib_panic("entry %u of the boot bundle is bad", i);
        }
    }
}

static bool is_mine(const struct boot_entry *e)
{
    return e->process == boot->process || e->process == BOOT_SHARED;
}

static struct bundle_data data_of(const struct boot_entry *e)
{
    return (struct bundle_data){
        .bytes = (const char *)boot->bundle + e->offset,
        .len_bytes = e->len_bytes,
        .entry = e,
    };
}

/**
 * bundle_find - the first entry of a type for this process
 * @type: what is looked for
 *
 * Return: it; bytes is NULL if there is none.
 * Context: any.
 */
struct bundle_data bundle_find(enum boot_entry_type type)
{
    struct bundle_data found = { 0 };
    uint32_t i;

    for (i = 0; i < bundle->n_entries; i++) {
        if (entries[i].type != type || !is_mine(&entries[i])) {
            continue;
        }
        if (entries[i].process == boot->process) {
            return data_of(&entries[i]);
        }
        if (!found.bytes) {
            found = data_of(&entries[i]);
        }
    }
    return found;
}

static void file_of(const struct boot_entry *e, struct boot_file *ret_file)
{
    *ret_file = (struct boot_file){
        .path = e->name,
        .bytes = data_of(e).bytes,
        .len_bytes = e->len_bytes,
        .mode = e->mode,
        .mtime_s = e->mtime_s,
    };
}

/**
 * boot_file_next - the bundle's files, one after the other
 * @index: where the walk is, 0 at its beginning
 * @ret_file: filled in
 *
 * Two rounds: first the files of this process, then those of all.
 *
 * Return: false if there are no more.
 * Context: any.
 */
bool boot_file_next(uint32_t *index, struct boot_file *ret_file)
{
    const struct boot_entry *e;
    uint32_t process;

    while (*index < 2 * bundle->n_entries) {
        process = *index < bundle->n_entries ? boot->process : BOOT_SHARED;
        e = &entries[*index % bundle->n_entries];
        ++*index;
        if (e->type == BOOT_FILE && e->process == process) {
            file_of(e, ret_file);
            return true;
        }
    }
    return false;
}

/**
 * boot_program - the program as a file
 * @ret_file: filled in
 *
 * Return: false if the bundle has none.
 * Context: any.
 */
bool boot_program(struct boot_file *ret_file)
{
    struct bundle_data program = bundle_find(BOOT_PROGRAM);

    if (program.bytes) {
        file_of(program.entry, ret_file);
    }
    return program.bytes != NULL;
}

/**
 * boot_option - an option for kernel and library
 * @name: its name
 *
 * Return: its value, or NULL.
 * Context: any.
 */
const char *boot_option(const char *name)
{
    struct bundle_data options = bundle_find(BOOT_OPTIONS);
    const char *end = options.bytes + options.len_bytes;
    size_t name_len = strlen(name);
    const char *s;

    if (!options.bytes || !options.len_bytes || end[-1] != '\0') {
        return NULL;
    }
    for (s = options.bytes; s < end; s += strlen(s) + 1) {
        if (!strncmp(s, name, name_len) && s[name_len] == '=') {
            return s + name_len + 1;
        }
    }
    return NULL;
}

/**
 * boot_ram_bytes - memory of the guest that its processes share
 *
 * Return: bytes.
 * Context: any.
 */
uint64_t boot_ram_bytes(void)
{
    return boot->ram_bytes;
}

static char other_hostname[65]; /* of a later line */

/**
 * boot_set_hostname - another name for this machine (R2)
 * @name: copied, cut where there is no room
 *
 * Context: lock held.
 */
void boot_set_hostname(const char *name)
{
    size_t len = 0;

    while (name[len] && len < sizeof(other_hostname) - 1) {
        other_hostname[len] = name[len];
        len++;
    }
    other_hostname[len] = '\0';
}

/**
 * boot_hostname - the name of this machine
 *
 * Return: the name, "sluice" if nobody gave one.
 * Context: any.
 */
const char *boot_hostname(void)
{
    struct bundle_data net;
    const struct boot_net *n;

    if (other_hostname[0]) {
        return other_hostname;
    }
    net = bundle_find(BOOT_NET);
    n = (const struct boot_net *)net.bytes;
    if (!n || net.len_bytes < sizeof(*n) || !n->hostname[0] ||
        n->hostname[sizeof(n->hostname) - 1] != '\0') {
        return "sluice";
    }
    return n->hostname;
}
