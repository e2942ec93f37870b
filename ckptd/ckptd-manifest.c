/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-manifest.c - the file that says what a guest is
 *
 * A key file, so that people can read it, with a checksum of all that stands
 * before as its last line. It is replaced as a whole, never written in place.
 */
#include "ckptd/ckptd-manifest.h"

#include <string.h>

#include "ckptd/ckptd-format.h"
#include "ckptd/ckptd-sum.h"

#define MANIFEST_FILE      "manifest"
#define MANIFEST_NEW_FILE  "manifest.new"
#define MANIFEST_MAX_BYTES 4096
#define GROUP              "guest"
#define SEAL               "[seal]\nxxh3="

struct field {
    const char *key;
    size_t offset;
    size_t size;
};

#define FIELD(f)                                                               \
    {                                                                          \
#f, offsetof(struct ckptd_manifest, f),                                \
            sizeof(((struct ckptd_manifest *)0)->f)                            \
    }

static const struct field fields[] = {
    FIELD(uuid), FIELD(name),  FIELD(machine),
    FIELD(cpu),  FIELD(accel), FIELD(qemu),
};

static gboolean text_is_valid(const char *s, size_t size)
{
    const char *p;

    if (!memchr(s, '\0', size) || !g_utf8_validate(s, -1, NULL)) {
        return FALSE;
    }
    for (p = s; *p; p++) {
        if (g_ascii_iscntrl(*p)) {
            return FALSE;
        }
    }
    return TRUE;
}

/**
 * ckptd_manifest_check() - is it one that a store can have
 * @m:     the manifest
 * @error: what is wrong with it
 *
 * Return: TRUE if it is.
 * Context: any thread.
 */
gboolean ckptd_manifest_check(const struct ckptd_manifest *m, GError **error)
{
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(fields); i++) {
        if (!text_is_valid((const char *)m + fields[i].offset,
                           fields[i].size)) {
            g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                        "manifest: %s is not a line of text", fields[i].key);
            return FALSE;
        }
    }
    if (!g_uuid_string_is_valid(m->uuid)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "manifest: not a UUID: %s", m->uuid);
        return FALSE;
    }
    if (!m->ram_bytes || m->ram_bytes % CKPTD_FORMAT_PAGE_BYTES ||
        m->ram_bytes > CKPTD_MANIFEST_RAM_MAX_BYTES) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "manifest: cannot have %" G_GUINT64_FORMAT " bytes of RAM",
                    m->ram_bytes);
        return FALSE;
    }
    return TRUE;
}

static gboolean parse(const char *text, size_t len,
                      struct ckptd_manifest *ret_manifest, GError **error)
{
    g_autoptr(GKeyFile) keys = g_key_file_new();
    struct ckptd_manifest m = { 0 };
    int version;
    unsigned i;

    if (!g_key_file_load_from_data(keys, text, len, G_KEY_FILE_NONE, error)) {
        return FALSE;
    }
    version = g_key_file_get_integer(keys, GROUP, "version", NULL);
    if (version != CKPTD_FORMAT_VERSION) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_VERSION,
                    "of version %d, this program knows %u", version,
                    CKPTD_FORMAT_VERSION);
        return FALSE;
    }
    for (i = 0; i < G_N_ELEMENTS(fields); i++) {
        g_autofree char *s =
            g_key_file_get_string(keys, GROUP, fields[i].key, error);

        if (!s) {
            return FALSE;
        }
        g_strlcpy((char *)&m + fields[i].offset, s, fields[i].size);
    }
    m.ram_bytes = g_key_file_get_uint64(keys, GROUP, "ram_bytes", NULL);
    m.tsc_hz = g_key_file_get_uint64(keys, GROUP, "tsc_hz", NULL);
    if (!ckptd_manifest_check(&m, error)) {
        return FALSE;
    }
    *ret_manifest = m;
    return TRUE;
}

/**
 * ckptd_manifest_load() - read and check it
 * @io:           the layer
 * @dir:          the store's directory
 * @ret_manifest: what it says
 * @error:        CKPTD_ERROR_NOT_FOUND, _DAMAGED, _VERSION
 *
 * Return: TRUE on success.
 * Context: any thread; blocks.
 */
gboolean ckptd_manifest_load(struct ckptd_io *io, const char *dir,
                             struct ckptd_manifest *ret_manifest,
                             GError **error)
{
    g_autoptr(CkptdFile) f = ckptd_io_open(io, dir, MANIFEST_FILE, 0, error);
    char text[MANIFEST_MAX_BYTES + 1];
    g_autofree char *seal = NULL;
    const char *end;
    size_t len;

    if (!f || !ckptd_io_read(f, text, MANIFEST_MAX_BYTES, 0, &len, error)) {
        return FALSE;
    }
    text[len] = '\0';
    end = strstr(text, SEAL);
    if (end) {
        seal = g_strdup_printf(SEAL "%016" G_GINT64_MODIFIER "x\n",
                               ckptd_sum(text, end - text, 0));
    }
    if (!end || strcmp(end, seal)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED,
                    "%s: its checksum does not fit", f->path);
        return FALSE;
    }
    if (!parse(text, end - text, ret_manifest, error)) {
        g_prefix_error(error, "%s: ", f->path);
        return FALSE;
    }
    return TRUE;
}

/**
 * ckptd_manifest_save() - replace it, durably
 * @io:    the layer
 * @dir:   the store's directory
 * @m:     what to say
 * @error: where to say why not
 *
 * Return: TRUE on success; otherwise the old one still stands.
 * Context: any thread; blocks.
 */
gboolean ckptd_manifest_save(struct ckptd_io *io, const char *dir,
                             const struct ckptd_manifest *m, GError **error)
{
    g_autoptr(GKeyFile) keys = g_key_file_new();
    g_autofree char *body = NULL;
    g_autofree char *text = NULL;
    CkptdFile *f;
    gboolean ok;
    unsigned i;
    size_t len;

    if (!ckptd_manifest_check(m, error)) {
        return FALSE;
    }
    g_key_file_set_integer(keys, GROUP, "version", CKPTD_FORMAT_VERSION);
    for (i = 0; i < G_N_ELEMENTS(fields); i++) {
        g_key_file_set_string(keys, GROUP, fields[i].key,
                              (const char *)m + fields[i].offset);
    }
    g_key_file_set_uint64(keys, GROUP, "ram_bytes", m->ram_bytes);
    g_key_file_set_uint64(keys, GROUP, "tsc_hz", m->tsc_hz);
    body = g_key_file_to_data(keys, &len, NULL);
    text = g_strdup_printf("%s" SEAL "%016" G_GINT64_MODIFIER "x\n", body,
                           ckptd_sum(body, len, 0));
    len = strlen(text);
    g_assert(len <= MANIFEST_MAX_BYTES);

    f = ckptd_io_open(io, dir, MANIFEST_NEW_FILE,
                      CKPTD_IO_WRITE | CKPTD_IO_CREATE, error);
    ok = f && ckptd_io_resize(f, 0, error) &&
         ckptd_io_write(f, text, len, 0, error) && ckptd_io_sync(f, error);
    ckptd_io_close(f);
    return ok &&
           ckptd_io_rename(io, dir, MANIFEST_NEW_FILE, MANIFEST_FILE, error);
}
