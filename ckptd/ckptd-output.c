/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-output.c - the log of a guest: what its program wrote, once committed
 *
 * The file has the program's bytes and nothing else, but for panic reports:
 * these are never committed and are marked so, line by line.
 *
 * A hold numbers what it releases, and a QEMU that died between handing bytes
 * to ckptd and moving its release cursor hands them over again after the
 * recovery.  The number of the last record taken is kept beside the log, so
 * that this holds over ckptd's own death too; it belongs to one hold and is
 * forgotten with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "ckptd/ckptd-error.h"
#include "ckptd/ckptd-output.h"

#define PANIC_MARK "[panic, not committed] "

/*
 * @next_seq: the record after the last one taken; what lies below is old
 * @done_bytes: of what is being written are in the log: it failed, and is to be
 *             tried again
 */
struct CkptdOutput {
    char *path;
    int log_fd;
    int seq_fd;
    uint64_t next_seq;
    size_t done_bytes;
};

static gboolean fail(const char *path, GError **error)
{
    g_set_error(error, CKPTD_ERROR,
                errno == ENOSPC || errno == EDQUOT ? CKPTD_ERROR_NO_SPACE
                                                   : CKPTD_ERROR_IO,
                "%s: %s", path, g_strerror(errno));
    return FALSE;
}

/* Called again with the same after a failure, it goes on where that was. */
static gboolean write_all(CkptdOutput *output, const void *data,
                          size_t len_bytes, GError **error)
{
    ssize_t n;

    while (output->done_bytes < len_bytes) {
        n = write(output->log_fd, (const char *)data + output->done_bytes,
                  len_bytes - output->done_bytes);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return fail(output->path, error);
        }
        output->done_bytes += n;
    }
    return TRUE;
}

/**
 * ckptd_output_open() - open a guest's log, or begin it
 * @log_path: the program's bytes are appended there
 * @seq_path: where the number of the last record is kept
 * @error: set on failure
 *
 * Return: to be closed by ckptd_output_close(), or NULL.
 */
CkptdOutput *ckptd_output_open(const char *log_path, const char *seq_path,
                               GError **error)
{
    g_autoptr(CkptdOutput) output = g_new0(CkptdOutput, 1);
    const int flags = O_CREAT | O_CLOEXEC;

    output->path = g_strdup(log_path);
    output->seq_fd = -1;
    output->log_fd = open(log_path, O_WRONLY | O_APPEND | flags, 0600);
    if (output->log_fd < 0) {
        fail(log_path, error);
        return NULL;
    }
    output->seq_fd = open(seq_path, O_RDWR | flags, 0600);
    if (output->seq_fd < 0) {
        fail(seq_path, error);
        return NULL;
    }
    if (pread(output->seq_fd, &output->next_seq, sizeof(output->next_seq), 0) !=
        sizeof(output->next_seq)) {
        output->next_seq = 0;
    }
    return g_steal_pointer(&output);
}

/**
 * ckptd_output_close() - close a guest's log
 * @output: may be NULL
 */
void ckptd_output_close(CkptdOutput *output)
{
    if (!output) {
        return;
    }
    if (output->log_fd >= 0) {
        close(output->log_fd);
    }
    if (output->seq_fd >= 0) {
        close(output->seq_fd);
    }
    g_free(output->path);
    g_free(output);
}

/**
 * ckptd_output_new_hold() - a new hold begins, and its numbers with it
 * @output: of the guest
 */
void ckptd_output_new_hold(CkptdOutput *output)
{
    output->next_seq = 0;
    output->done_bytes = 0;
    if (ftruncate(output->seq_fd, 0) < 0) {
        g_warning("%s: %s", output->path, g_strerror(errno));
    }
}

/**
 * ckptd_output_is_new() - has this record not been taken yet?
 * @output: of the guest
 * @seq: its number in the hold
 *
 * Return: TRUE if so.
 */
gboolean ckptd_output_is_new(const CkptdOutput *output, uint64_t seq)
{
    return seq >= output->next_seq;
}

/**
 * ckptd_output_seen() - note that a record has been taken
 * @output: of the guest
 * @seq: its number
 * @error: set on failure
 *
 * Return: TRUE when noted.
 */
gboolean ckptd_output_seen(CkptdOutput *output, uint64_t seq, GError **error)
{
    uint64_t next_seq = seq + 1;

    if (pwrite(output->seq_fd, &next_seq, sizeof(next_seq), 0) !=
        sizeof(next_seq)) {
        return fail(output->path, error);
    }
    output->next_seq = next_seq;
    output->done_bytes = 0;
    return TRUE;
}

/**
 * ckptd_output_log() - bytes that the program wrote in a committed epoch
 * @output: of the guest
 * @seq: of the record
 * @data: the bytes
 * @len_bytes: their number
 * @error: CKPTD_ERROR_NO_SPACE, _IO: may be tried again, until it succeeds
 *
 * Return: TRUE when they are in the log, now or before.
 */
gboolean ckptd_output_log(CkptdOutput *output, uint64_t seq,
                          const uint8_t *data, size_t len_bytes, GError **error)
{
    if (!ckptd_output_is_new(output, seq)) {
        return TRUE;
    }
    return write_all(output, data, len_bytes, error) &&
           ckptd_output_seen(output, seq, error);
}

/**
 * ckptd_output_panic() - the kernel's last words, which no epoch committed
 * @output: of the guest
 * @data: text
 * @len_bytes: its length
 * @error: as of ckptd_output_log()
 *
 * Return: TRUE when they are in the log.
 */
gboolean ckptd_output_panic(CkptdOutput *output, const uint8_t *data,
                            size_t len_bytes, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_auto(GStrv) lines = NULL;
    g_autofree char *copy = g_strndup((const char *)data, len_bytes);
    guint i;

    lines = g_strsplit(g_strchomp(copy), "\n", -1);
    for (i = 0; lines[i]; i++) {
        g_string_append_printf(text, PANIC_MARK "%s\n", lines[i]);
    }
    if (!write_all(output, text->str, text->len, error)) {
        return FALSE;
    }
    output->done_bytes = 0;
    return TRUE;
}
