/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-bundle.c - make the boot bundle of a guest (abi/guest-boot.h)
 *
 * The guest has no disk: library, program, arguments, environment, addresses
 * and a few read-only files reach it as one module beside the kernel.  The
 * whole bundle is built in memory and written in one go, so a reader never
 * sees half of one under its name.
 */
#include <arpa/inet.h>
#include <elf.h>
#include <gio/gio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "ckptd/ckpt-bundle.h"
#include "ckptd/ckptd-error.h"

struct item {
    struct boot_entry entry;
    GBytes *data;
};

struct CkptBundle {
    GArray *items; /* struct item */
    guint n_processes;
};

static void item_clear(gpointer data)
{
    struct item *item = data;

    g_clear_pointer(&item->data, g_bytes_unref);
}

/**
 * ckpt_bundle_new() - an empty bundle
 *
 * Return: it, to be freed by ckpt_bundle_free().
 */
CkptBundle *ckpt_bundle_new(void)
{
    CkptBundle *bundle = g_new0(CkptBundle, 1);

    bundle->items = g_array_new(FALSE, TRUE, sizeof(struct item));
    g_array_set_clear_func(bundle->items, item_clear);
    return bundle;
}

/**
 * ckpt_bundle_free() - forget a bundle
 * @bundle: may be NULL
 */
void ckpt_bundle_free(CkptBundle *bundle)
{
    if (!bundle) {
        return;
    }
    g_array_unref(bundle->items);
    g_free(bundle);
}

static gboolean add(CkptBundle *bundle, enum boot_entry_type type,
                    guint process, const char *name, GBytes *data,
                    GError **error)
{
    struct item item = { 0 };

    if (process != BOOT_SHARED && process >= BOOT_MAX_PROCESSES) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "process %u: a guest has at most %u processes", process,
                    BOOT_MAX_PROCESSES);
        return FALSE;
    }
    if (bundle->items->len >= BOOT_MAX_ENTRIES) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "more than %u entries in a boot bundle", BOOT_MAX_ENTRIES);
        return FALSE;
    }
    if (name && strlen(name) >= sizeof(item.entry.name)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "%s: name longer than %zu bytes", name,
                    sizeof(item.entry.name) - 1);
        return FALSE;
    }
    item.entry.type = type;
    item.entry.process = process;
    item.entry.len_bytes = g_bytes_get_size(data);
    if (name) {
        g_strlcpy(item.entry.name, name, sizeof(item.entry.name));
    }
    item.data = g_bytes_ref(data);
    g_array_append_val(bundle->items, item);
    if (process != BOOT_SHARED) {
        bundle->n_processes = MAX(bundle->n_processes, process + 1);
    }
    return TRUE;
}

static GBytes *read_file(const char *path, GError **error)
{
    g_autoptr(GError) local = NULL;
    gsize len_bytes;
    char *data;

    if (!g_file_get_contents(path, &data, &len_bytes, &local)) {
        g_set_error_literal(error, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND,
                            local->message);
        return NULL;
    }
    return g_bytes_new_take(data, len_bytes);
}

static gboolean has_interpreter(const Elf64_Ehdr *ehdr, const void *data,
                                gsize len_bytes)
{
    Elf64_Phdr phdr;
    gsize at;
    guint i;

    for (i = 0; i < ehdr->e_phnum; i++) {
        at = ehdr->e_phoff + (gsize)i * sizeof(phdr);
        if (at < ehdr->e_phoff || at > len_bytes ||
            len_bytes - at < sizeof(phdr)) {
            return FALSE;
        }
        memcpy(&phdr, (const char *)data + at, sizeof(phdr));
        if (phdr.p_type == PT_INTERP) {
            return TRUE;
        }
    }
    return FALSE;
}

/**
 * ckpt_bundle_check_elf() - can a guest run this program?
 * @data: the file's bytes
 * @len_bytes: their number
 * @path: its name, for the message
 * @error: says what is wrong and what to do
 *
 * The system library checks again, inside; here the user still gets a clear
 * word before anything was started.
 *
 * Return: TRUE for a static x86-64 ELF executable.
 */
gboolean ckpt_bundle_check_elf(const void *data, gsize len_bytes,
                               const char *path, GError **error)
{
    Elf64_Ehdr ehdr;

    if (len_bytes < sizeof(ehdr) || memcmp(data, ELFMAG, SELFMAG)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "%s is not an ELF program: a guest runs one static "
                    "x86-64 Linux executable, no scripts",
                    path);
        return FALSE;
    }
    memcpy(&ehdr, data, sizeof(ehdr));
    if (ehdr.e_ident[EI_CLASS] != ELFCLASS64 || ehdr.e_machine != EM_X86_64 ||
        (ehdr.e_type != ET_EXEC && ehdr.e_type != ET_DYN)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "%s is not an x86-64 executable", path);
        return FALSE;
    }
    if (ehdr.e_phentsize != sizeof(Elf64_Phdr) ||
        has_interpreter(&ehdr, data, len_bytes)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "%s is dynamically linked: link it with -static", path);
        return FALSE;
    }
    return TRUE;
}

/**
 * ckpt_bundle_add_library() - the system library, shared by all processes
 * @bundle: to add to
 * @path: its ELF on the host
 * @error: set on failure
 *
 * Return: TRUE when added.
 */
gboolean ckpt_bundle_add_library(CkptBundle *bundle, const char *path,
                                 GError **error)
{
    g_autoptr(GBytes) data = read_file(path, error);

    if (!data || !ckpt_bundle_check_elf(g_bytes_get_data(data, NULL),
                                        g_bytes_get_size(data), path, error)) {
        return FALSE;
    }
    return add(bundle, BOOT_LIBRARY, BOOT_SHARED, NULL, data, error);
}

/**
 * ckpt_bundle_add_program() - the program of one process
 * @bundle: to add to
 * @process: its number
 * @path: its ELF on the host
 * @argv0: name that the program sees
 * @error: set on failure
 *
 * Return: TRUE when added.
 */
gboolean ckpt_bundle_add_program(CkptBundle *bundle, guint process,
                                 const char *path, const char *argv0,
                                 GError **error)
{
    g_autoptr(GBytes) data = read_file(path, error);

    if (!data || !ckpt_bundle_check_elf(g_bytes_get_data(data, NULL),
                                        g_bytes_get_size(data), path, error)) {
        return FALSE;
    }
    return add(bundle, BOOT_PROGRAM, process, argv0, data, error);
}

/**
 * ckpt_bundle_add_strings() - arguments, environment or options
 * @bundle: to add to
 * @type: BOOT_ARGV, BOOT_ENVP or BOOT_OPTIONS
 * @process: its number, or BOOT_SHARED
 * @strings: NULL terminated
 * @error: set on failure
 *
 * Return: TRUE when added.
 */
gboolean ckpt_bundle_add_strings(CkptBundle *bundle, enum boot_entry_type type,
                                 guint process, const char *const *strings,
                                 GError **error)
{
    g_autoptr(GByteArray) joined = g_byte_array_new();
    g_autoptr(GBytes) data = NULL;
    guint i;

    g_assert(type == BOOT_ARGV || type == BOOT_ENVP || type == BOOT_OPTIONS);
    for (i = 0; strings[i]; i++) {
        if (type != BOOT_ARGV && !strchr(strings[i], '=')) {
            g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                        "'%s' is not NAME=VALUE", strings[i]);
            return FALSE;
        }
        if (strlen(strings[i]) >= BOOT_STRING_MAX) {
            g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                        "'%.40s...': one argument or variable has at most %u "
                        "bytes",
                        strings[i], BOOT_STRING_MAX - 1);
            return FALSE;
        }
        g_byte_array_append(joined, (const guint8 *)strings[i],
                            strlen(strings[i]) + 1);
    }
    data = g_byte_array_free_to_bytes(g_steal_pointer(&joined));
    return add(bundle, type, process, NULL, data, error);
}

/**
 * ckpt_bundle_add_net() - addresses of one process
 * @bundle: to add to
 * @process: its number
 * @net: copied
 * @error: set on failure
 *
 * Return: TRUE when added.
 */
gboolean ckpt_bundle_add_net(CkptBundle *bundle, guint process,
                             const struct boot_net *net, GError **error)
{
    g_autoptr(GBytes) data = g_bytes_new(net, sizeof(*net));

    return add(bundle, BOOT_NET, process, NULL, data, error);
}

/**
 * ckpt_bundle_add_file() - a read-only file
 * @bundle: to add to
 * @process: its number, or BOOT_SHARED
 * @host_path: where it is read from
 * @guest_path: absolute path that the program sees
 * @error: set on failure
 *
 * Return: TRUE when added.
 */
gboolean ckpt_bundle_add_file(CkptBundle *bundle, guint process,
                              const char *host_path, const char *guest_path,
                              GError **error)
{
    g_autoptr(GBytes) data = read_file(host_path, error);
    struct stat st;
    struct item *item;

    if (!data) {
        return FALSE;
    }
    if (guest_path[0] != '/') {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "%s: the guest's path must be absolute", guest_path);
        return FALSE;
    }
    if (!add(bundle, BOOT_FILE, process, guest_path, data, error)) {
        return FALSE;
    }
    item = &g_array_index(bundle->items, struct item, bundle->items->len - 1);
    item->entry.mode = 0444;
    if (stat(host_path, &st) == 0) {
        item->entry.mode = st.st_mode & 0555;
        item->entry.mtime_s = (guint32)st.st_mtime;
    }
    return TRUE;
}

static gboolean check_complete(CkptBundle *bundle, GError **error)
{
    gboolean library = FALSE;
    guint programs = 0, i;

    for (i = 0; i < bundle->items->len; i++) {
        switch (g_array_index(bundle->items, struct item, i).entry.type) {
        case BOOT_LIBRARY:
            library = TRUE;
            break;
        case BOOT_PROGRAM:
            programs++;
            break;
        default:
            break;
        }
    }
    if (!library || programs == 0 || programs != bundle->n_processes) {
        g_set_error_literal(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                            "a boot bundle needs the system library and one "
                            "program for each process");
        return FALSE;
    }
    return TRUE;
}

/* Bytes on the first stack of the strings of @type that @process finds. */
static guint64 strings_bytes(CkptBundle *bundle, enum boot_entry_type type,
                             guint process)
{
    const struct item *item, *found = NULL;
    const char *bytes;
    guint64 sum;
    gsize len, i;

    for (i = 0; i < bundle->items->len; i++) {
        item = &g_array_index(bundle->items, struct item, i);
        if (item->entry.type == type &&
            (item->entry.process == process ||
             (!found && item->entry.process == BOOT_SHARED))) {
            found = item;
        }
    }
    if (!found) {
        return 0;
    }
    bytes = g_bytes_get_data(found->data, &len);
    sum = len;
    for (i = 0; i < len; i++) {
        sum += bytes[i] ? 0 : sizeof(guint64);
    }
    return sum;
}

static gboolean check_strings(CkptBundle *bundle, GError **error)
{
    guint64 bytes;
    guint i;

    for (i = 0; i < bundle->n_processes; i++) {
        bytes = strings_bytes(bundle, BOOT_ARGV, i) +
                strings_bytes(bundle, BOOT_ENVP, i);
        if (bytes > BOOT_STRINGS_MAX) {
            g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                        "argument list too long: arguments and environment "
                        "take %" G_GUINT64_FORMAT " bytes, with 8 for each, "
                        "and may take %u",
                        bytes, BOOT_STRINGS_MAX);
            return FALSE;
        }
    }
    return TRUE;
}

/**
 * ckpt_bundle_build() - the bundle as bytes
 * @bundle: what to put in
 * @error: set when something is missing
 *
 * Return: the bytes, or NULL.
 */
GBytes *ckpt_bundle_build(CkptBundle *bundle, GError **error)
{
    struct boot_bundle head = {
        .magic = BOOT_BUNDLE_MAGIC,
        .version = BOOT_BUNDLE_VERSION,
        .n_entries = bundle->items->len,
        .entries_offset = sizeof(head),
        .n_processes = bundle->n_processes,
    };
    guint64 at = sizeof(head) + bundle->items->len * sizeof(struct boot_entry);
    struct item *item;
    guint8 *out;
    guint i;

    if (!check_complete(bundle, error) || !check_strings(bundle, error)) {
        return NULL;
    }
    for (i = 0; i < bundle->items->len; i++) {
        item = &g_array_index(bundle->items, struct item, i);
        at = (at + BOOT_ALIGN - 1) & ~(guint64)(BOOT_ALIGN - 1);
        item->entry.offset = at;
        at += item->entry.len_bytes;
    }
    head.total_bytes = (at + BOOT_ALIGN - 1) & ~(guint64)(BOOT_ALIGN - 1);
    out = g_malloc0(head.total_bytes);
    memcpy(out, &head, sizeof(head));
    for (i = 0; i < bundle->items->len; i++) {
        item = &g_array_index(bundle->items, struct item, i);
        memcpy(out + sizeof(head) + i * sizeof(item->entry), &item->entry,
               sizeof(item->entry));
        if (item->entry.len_bytes) {
            memcpy(out + item->entry.offset, g_bytes_get_data(item->data, NULL),
                   item->entry.len_bytes);
        }
    }
    return g_bytes_new_take(out, head.total_bytes);
}

/**
 * ckpt_bundle_write() - write the bundle to a file
 * @bundle: what to put in
 * @path: replaced in one step, mode 0600 (it may hold secrets of the program)
 * @error: set on failure
 *
 * Return: TRUE when the file is there.
 */
gboolean ckpt_bundle_write(CkptBundle *bundle, const char *path, GError **error)
{
    g_autoptr(GBytes) bytes = ckpt_bundle_build(bundle, error);

    return bytes &&
           g_file_set_contents_full(
               path, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes),
               G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
               0600, error);
}
