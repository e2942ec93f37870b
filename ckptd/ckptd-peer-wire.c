/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-peer-wire.c - what two ckptds say to each other, laid out and checked
 *
 * A peer is a host that an operator has paired with this one; it may still be
 * of another version, broken, or taken over.  So a message that makes no sense
 * ends the connection with a reason, and no length, offset or page number of
 * it reaches anything before it was compared with what it may be.
 */
#include "ckptd/ckptd-peer-wire.h"

#include <string.h>
#include <sys/random.h>

#include "abi/ckpt-hold.h"
#include "ckptd/ckptd-forward.h"
#include "ckptd/ckptd-manifest.h"
#include "ckptd/ckptd-sum.h"
#include "ckptd/ckptd-wire.h"

#if G_BYTE_ORDER != G_LITTLE_ENDIAN
#error "dictionaries travel as GVariant lays them out on this host"
#endif

#define DICT_MAX (64u << 10)
#define TEXT_MAX (48u << 10)
#define PAGE     CKPTD_FORMAT_PAGE_BYTES
#define HOLD_MAX (1ull << 32)

/**
 * struct kind - of a message
 *
 * @name: for people
 * @min:  of its payload
 * @max:  likewise
 */
static const struct kind {
    const char *name;
    uint32_t min;
    uint32_t max;
} kinds[] = {
    [CKPTD_PEER_HELLO] = { "HELLO", 0, DICT_MAX },
    [CKPTD_PEER_PAIR] = { "PAIR", 0, DICT_MAX },
    [CKPTD_PEER_OFFER] = { "OFFER", 0, DICT_MAX },
    [CKPTD_PEER_FILE] = { "FILE", sizeof(struct ckptd_peer_chunk),
                          CKPTD_PEER_MSG_MAX },
    [CKPTD_PEER_LAUNCH] = { "LAUNCH", 0, 0 },
    [CKPTD_PEER_PAGES] = { "PAGES", sizeof(struct ckptd_peer_pages_head),
                           CKPTD_PEER_MSG_MAX },
    [CKPTD_PEER_ROUND] = { "ROUND", 0, 0 },
    [CKPTD_PEER_LAST] = { "LAST", 0, CKPTD_WIRE_DEVSTATE_MAX + DICT_MAX },
    [CKPTD_PEER_HOLD] = { "HOLD", sizeof(struct ckptd_peer_chunk),
                          CKPTD_PEER_MSG_MAX },
    [CKPTD_PEER_SEAL] = { "SEAL", 0, DICT_MAX },
    [CKPTD_PEER_GIVE] = { "GIVE", 0, DICT_MAX },
    [CKPTD_PEER_TAKEN] = { "TAKEN", 0, 0 },
    [CKPTD_PEER_QUERY] = { "QUERY", 0, DICT_MAX },
    [CKPTD_PEER_NEVER] = { "NEVER", 0, 0 },
    [CKPTD_PEER_FORGET] = { "FORGET", 0, DICT_MAX },
    [CKPTD_PEER_FRAME] = { "FRAME", 14, CKPTD_PEER_FRAME_MAX },
    [CKPTD_PEER_DONE] = { "DONE", 0, DICT_MAX },
    [CKPTD_PEER_REFUSE] = { "REFUSE", 0, DICT_MAX },
};
G_STATIC_ASSERT(G_N_ELEMENTS(kinds) == CKPTD_PEER__MAX);

static gboolean bad(GError **error, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

static gboolean bad(GError **error, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID, "the other host: %s",
                text);
    return FALSE;
}

/**
 * ckptd_peer_type_name() - a message's type for people
 * @type: any number
 *
 * Return: a word.
 */
const char *ckptd_peer_type_name(uint32_t type)
{
    return type && type < CKPTD_PEER__MAX ? kinds[type].name : "unknown";
}

/**
 * ckptd_peer_msg_clear() - let go of a message's payload
 * @msg: zero, or received
 */
void ckptd_peer_msg_clear(struct ckptd_peer_msg *msg)
{
    g_free(msg->data);
    *msg = (struct ckptd_peer_msg){ 0 };
}

/**
 * ckptd_peer_make_id() - name a move as none was named before
 * @ret_id: the name
 */
void ckptd_peer_make_id(char ret_id[2 * CKPTD_PEER_ID_BYTES + 1])
{
    uint8_t raw[CKPTD_PEER_ID_BYTES];
    guint i;

    if (getrandom(raw, sizeof(raw), 0) != sizeof(raw)) {
        g_error("no random numbers");
    }
    for (i = 0; i < sizeof(raw); i++) {
        g_snprintf(ret_id + 2 * i, 3, "%02x", raw[i]);
    }
}

/**
 * ckptd_peer_id_ok() - can a move be called so?
 * @id: from a peer
 *
 * Return: TRUE for 32 hex digits in lower case: it becomes a file name.
 */
gboolean ckptd_peer_id_ok(const char *id)
{
    return strlen(id) == 2 * CKPTD_PEER_ID_BYTES &&
           strspn(id, "0123456789abcdef") == 2 * CKPTD_PEER_ID_BYTES;
}

/**
 * ckptd_peer_check_head() - the first eight bytes of a message
 * @head:    received
 * @ret_msg: gets type and length; no payload yet
 * @error:   says what is wrong
 *
 * Return: TRUE if so much of such a message may follow.
 */
gboolean ckptd_peer_check_head(const uint8_t head[CKPTD_PEER_HEAD],
                               struct ckptd_peer_msg *ret_msg, GError **error)
{
    uint32_t type, len_bytes;
    le32 word;

    memcpy(&word, head, sizeof(word));
    type = le32_get(word);
    memcpy(&word, head + sizeof(word), sizeof(word));
    len_bytes = le32_get(word);
    if (!type || type >= CKPTD_PEER__MAX) {
        return bad(error, "a message of type %u", type);
    }
    if (len_bytes < kinds[type].min || len_bytes > kinds[type].max) {
        return bad(error, "%s of %u bytes", kinds[type].name, len_bytes);
    }
    *ret_msg = (struct ckptd_peer_msg){ type, len_bytes, NULL };
    return TRUE;
}

/**
 * ckptd_peer_put_head() - the first eight bytes of a message
 * @head:      filled in
 * @type:      of the message
 * @len_bytes: of its payload
 */
void ckptd_peer_put_head(uint8_t head[CKPTD_PEER_HEAD],
                         enum ckptd_peer_type type, uint32_t len_bytes)
{
    le32 words[2] = { le32_put(type), le32_put(len_bytes) };

    g_assert(type && type < CKPTD_PEER__MAX && len_bytes >= kinds[type].min &&
             len_bytes <= kinds[type].max);
    memcpy(head, words, sizeof(words));
}

/* --- dictionaries --------------------------------------------------------- */

/**
 * ckptd_peer_dict() - a message's payload as a dictionary
 * @msg:   received
 * @error: says what is wrong
 *
 * Return: to be unreffed, or NULL.
 */
GVariant *ckptd_peer_dict(const struct ckptd_peer_msg *msg, GError **error)
{
    g_autoptr(GBytes) bytes = g_bytes_new(msg->data, msg->len_bytes);
    GVariant *dict =
        g_variant_new_from_bytes(G_VARIANT_TYPE_VARDICT, bytes, FALSE);

    g_variant_ref_sink(dict);
    if (!g_variant_is_normal_form(dict)) {
        bad(error, "%s is no dictionary", kinds[msg->type].name);
        g_variant_unref(dict);
        return NULL;
    }
    return dict;
}

/**
 * ckptd_peer_get() - an entry that has to be there
 * @dict:   from ckptd_peer_dict()
 * @key:    of the entry
 * @format: its type, a basic one
 * @ret:    where to put it
 * @error:  says what is wrong
 *
 * Return: TRUE if it was there, and of this type.
 */
gboolean ckptd_peer_get(GVariant *dict, const char *key, const char *format,
                        gpointer ret, GError **error)
{
    return g_variant_lookup(dict, key, format, ret) ||
           bad(error, "no '%s' of type %s where there should be", key, format);
}

/**
 * ckptd_peer_get_text() - a text that has to be there
 * @dict:      from ckptd_peer_dict()
 * @key:       of the entry
 * @max_bytes: it may have
 * @error:     says what is wrong
 *
 * Return: to be freed, or NULL.
 */
char *ckptd_peer_get_text(GVariant *dict, const char *key, gsize max_bytes,
                          GError **error)
{
    g_autofree char *text = NULL;

    if (!ckptd_peer_get(dict, key, "s", &text, error)) {
        return NULL;
    }
    if (strlen(text) > max_bytes) {
        bad(error, "'%s' of %zu bytes", key, strlen(text));
        return NULL;
    }
    return g_steal_pointer(&text);
}

/* --- bytes ---------------------------------------------------------------- */

static gboolean check_list(struct ckptd_peer_pages *p, uint64_t ram_pages,
                           GError **error)
{
    uint32_t i;

    for (i = 0; i < p->n; i++) {
        uint64_t entry = le64_get(p->list[i].page);
        uint64_t page = entry & ~CKPTD_FORMAT_PAGE_ZERO;

        if (page >= ram_pages) {
            return bad(error,
                       "page %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT, page,
                       ram_pages);
        }
        if (!(entry & CKPTD_FORMAT_PAGE_ZERO)) {
            p->n_data++;
        } else if (le64_get(p->list[i].sum)) {
            return bad(error, "a zero page with a sum");
        }
    }
    return TRUE;
}

static gboolean check_sums(const struct ckptd_peer_pages *p, GError **error)
{
    const uint8_t *data = p->data;
    uint32_t i;

    for (i = 0; i < p->n; i++) {
        if (le64_get(p->list[i].page) & CKPTD_FORMAT_PAGE_ZERO) {
            continue;
        }
        if (ckptd_sum(data, PAGE, 0) != le64_get(p->list[i].sum)) {
            return bad(error, "page %" G_GUINT64_FORMAT " came damaged",
                       le64_get(p->list[i].page));
        }
        data += PAGE;
    }
    return TRUE;
}

/**
 * ckptd_peer_check_pages() - is this a sound PAGES?
 * @msg:       received
 * @ram_pages: of the guest
 * @ret:       filled in; borrows from @msg
 * @error:     says what is wrong
 *
 * Return: TRUE if so; then every page has the sum that is told.
 */
gboolean ckptd_peer_check_pages(const struct ckptd_peer_msg *msg,
                                uint64_t ram_pages,
                                struct ckptd_peer_pages *ret, GError **error)
{
    struct ckptd_peer_pages_head head;
    struct ckptd_peer_pages p = { 0 };
    uint64_t list_bytes;

    g_assert(msg->type == CKPTD_PEER_PAGES);
    memcpy(&head, msg->data, sizeof(head));
    p.n = le32_get(head.n);
    p.last = le32_get(head.flags) & CKPTD_PEER_PAGES_LAST;
    list_bytes = (uint64_t)p.n * sizeof(*p.list);
    if (!p.n || p.n > CKPTD_PEER_PAGES_MAX ||
        le32_get(head.flags) & ~CKPTD_PEER_PAGES_LAST ||
        msg->len_bytes < sizeof(head) + list_bytes) {
        return bad(error, "PAGES with %u pages, flags 0x%x, %u bytes", p.n,
                   le32_get(head.flags), msg->len_bytes);
    }
    p.list = (const struct ckptd_disk_page *)(msg->data + sizeof(head));
    p.data = msg->data + sizeof(head) + list_bytes;
    if (!check_list(&p, ram_pages, error)) {
        return FALSE;
    }
    if (msg->len_bytes !=
        sizeof(head) + list_bytes + (uint64_t)p.n_data * PAGE) {
        return bad(error, "PAGES of %u bytes with %u pages of data",
                   msg->len_bytes, p.n_data);
    }
    if (!check_sums(&p, error)) {
        return FALSE;
    }
    *ret = p;
    return TRUE;
}

/**
 * ckptd_peer_check_chunk() - is this a sound FILE or HOLD?
 * @msg:       received
 * @max_bytes: of the whole that it is a part of
 * @ret:       filled in; borrows from @msg
 * @error:     says what is wrong
 *
 * Return: TRUE if so.
 */
gboolean ckptd_peer_check_chunk(const struct ckptd_peer_msg *msg,
                                uint64_t max_bytes,
                                struct ckptd_peer_chunk_view *ret,
                                GError **error)
{
    uint32_t least = msg->type == CKPTD_PEER_FILE ? CKPTD_PEER_FILE_BUNDLE : 0;
    uint32_t most = msg->type == CKPTD_PEER_FILE ? CKPTD_PEER_FILE_LOG : 0;
    struct ckptd_peer_chunk head;
    struct ckptd_peer_chunk_view view;

    memcpy(&head, msg->data, sizeof(head));
    view.which = le32_get(head.which);
    view.offset = le64_get(head.offset);
    view.data = msg->data + sizeof(head);
    view.len_bytes = msg->len_bytes - sizeof(head);
    if (view.which < least || view.which > most || le32_get(head.reserved) ||
        view.offset > max_bytes || view.len_bytes > max_bytes - view.offset) {
        return bad(error, "%s %u: %u bytes at %" G_GUINT64_FORMAT,
                   kinds[msg->type].name, view.which, view.len_bytes,
                   view.offset);
    }
    *ret = view;
    return TRUE;
}

/* --- OFFER ---------------------------------------------------------------- */

/**
 * ckptd_peer_offer_put() - an offer as a dictionary
 * @offer: all of it
 *
 * Return: floating.
 */
GVariant *ckptd_peer_offer_put(const struct ckptd_peer_offer *offer)
{
    const struct ckptd_manifest *m = &offer->manifest;
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add_parsed(&b, "{'id', <%s>}", offer->id);
    g_variant_builder_add_parsed(&b, "{'format', <%u>}", CKPTD_FORMAT_VERSION);
    g_variant_builder_add_parsed(&b, "{'uuid', <%s>}", m->uuid);
    g_variant_builder_add_parsed(&b, "{'name', <%s>}", m->name);
    g_variant_builder_add_parsed(&b, "{'machine', <%s>}", m->machine);
    g_variant_builder_add_parsed(&b, "{'cpu', <%s>}", m->cpu);
    g_variant_builder_add_parsed(&b, "{'accel', <%s>}", m->accel);
    g_variant_builder_add_parsed(&b, "{'qemu', <%s>}", m->qemu);
    g_variant_builder_add_parsed(&b, "{'ram_bytes', <%t>}", m->ram_bytes);
    g_variant_builder_add_parsed(&b, "{'tsc_hz', <%t>}", m->tsc_hz);
    g_variant_builder_add_parsed(&b, "{'generation', <%t>}", offer->generation);
    g_variant_builder_add_parsed(&b, "{'hold_bytes', <%t>}", offer->hold_bytes);
    g_variant_builder_add_parsed(&b, "{'used_bytes', <%t>}", offer->used_bytes);
    g_variant_builder_add_parsed(&b, "{'created', <%t>}", offer->created_s);
    g_variant_builder_add_parsed(&b, "{'recoveries', <%u>}", offer->recoveries);
    g_variant_builder_add_parsed(&b, "{'vni', <%u>}", offer->vni);
    g_variant_builder_add_parsed(&b, "{'spec', <%s>}", offer->spec);
    g_variant_builder_add_parsed(&b, "{'cpu_flags', <%s>}", offer->cpu_flags);
    return g_variant_builder_end(&b);
}

static gboolean get_fixed(GVariant *dict, const char *key, char *ret,
                          gsize size_bytes, GError **error)
{
    g_autofree char *text =
        ckptd_peer_get_text(dict, key, size_bytes - 1, error);

    return text && g_strlcpy(ret, text, size_bytes) < size_bytes;
}

#define GET_FIXED(dict, key, field, error)                                     \
    get_fixed(dict, key, field, sizeof(field), error)

static gboolean get_manifest(GVariant *dict, struct ckptd_manifest *m,
                             GError **error)
{
    return GET_FIXED(dict, "uuid", m->uuid, error) &&
           GET_FIXED(dict, "name", m->name, error) &&
           GET_FIXED(dict, "machine", m->machine, error) &&
           GET_FIXED(dict, "cpu", m->cpu, error) &&
           GET_FIXED(dict, "accel", m->accel, error) &&
           GET_FIXED(dict, "qemu", m->qemu, error) &&
           ckptd_peer_get(dict, "ram_bytes", "t", &m->ram_bytes, error) &&
           ckptd_peer_get(dict, "tsc_hz", "t", &m->tsc_hz, error) &&
           ckptd_manifest_check(m, error);
}

/**
 * ckptd_peer_offer_get() - an offer out of a dictionary
 * @dict:  from ckptd_peer_dict()
 * @ret:   filled in, to be cleared, whatever the result
 * @error: says what is wrong
 *
 * Return: TRUE if all of it is there and in range; the spec is text so far.
 */
gboolean ckptd_peer_offer_get(GVariant *dict, struct ckptd_peer_offer *ret,
                              GError **error)
{
    guint format = 0;

    *ret = (struct ckptd_peer_offer){ 0 };
    if (!GET_FIXED(dict, "id", ret->id, error) ||
        !ckptd_peer_get(dict, "format", "u", &format, error) ||
        !get_manifest(dict, &ret->manifest, error) ||
        !ckptd_peer_get(dict, "generation", "t", &ret->generation, error) ||
        !ckptd_peer_get(dict, "hold_bytes", "t", &ret->hold_bytes, error) ||
        !ckptd_peer_get(dict, "used_bytes", "t", &ret->used_bytes, error) ||
        !ckptd_peer_get(dict, "created", "t", &ret->created_s, error) ||
        !ckptd_peer_get(dict, "recoveries", "u", &ret->recoveries, error) ||
        !ckptd_peer_get(dict, "vni", "u", &ret->vni, error) ||
        !(ret->spec = ckptd_peer_get_text(dict, "spec", TEXT_MAX, error)) ||
        !(ret->cpu_flags =
              ckptd_peer_get_text(dict, "cpu_flags", TEXT_MAX, error))) {
        return FALSE;
    }
    if (!ckptd_peer_id_ok(ret->id)) {
        return bad(error, "a move called '%s'", ret->id);
    }
    if (format != CKPTD_FORMAT_VERSION) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_MISMATCH,
                    "the guest's checkpoints are of format %u, this host has "
                    "format %u",
                    format, CKPTD_FORMAT_VERSION);
        return FALSE;
    }
    if (ret->hold_bytes < CKPT_HOLD_RING_MIN || ret->hold_bytes > HOLD_MAX ||
        ret->hold_bytes % PAGE || !ret->generation ||
        ret->vni > CKPTD_FORWARD_VNI_MAX ||
        ret->manifest.ram_bytes > CKPTD_WIRE_RAM_MAX) {
        return bad(error,
                   "a hold of %" G_GUINT64_FORMAT
                   " bytes, generation %" G_GUINT64_FORMAT
                   ", RAM of %" G_GUINT64_FORMAT " bytes",
                   ret->hold_bytes, ret->generation, ret->manifest.ram_bytes);
    }
    return TRUE;
}

/**
 * ckptd_peer_offer_clear() - free what an offer has
 * @offer: zero, or filled in
 */
void ckptd_peer_offer_clear(struct ckptd_peer_offer *offer)
{
    g_free(offer->spec);
    g_free(offer->cpu_flags);
    *offer = (struct ckptd_peer_offer){ 0 };
}

/* --- LAST ----------------------------------------------------------------- */

/**
 * ckptd_peer_last_put() - the last epoch as a dictionary
 * @last: all of it
 *
 * Return: floating.
 */
GVariant *ckptd_peer_last_put(const struct ckptd_peer_last *last)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add_parsed(&b, "{'epoch', <%t>}", last->epoch);
    g_variant_builder_add_parsed(&b, "{'generation', <%t>}", last->generation);
    g_variant_builder_add_parsed(&b, "{'ram_hash', <%t>}", last->ram_hash);
    g_variant_builder_add(&b, "{sv}", "devstate",
                          g_variant_new_from_bytes(G_VARIANT_TYPE_BYTESTRING,
                                                   last->devstate, TRUE));
    return g_variant_builder_end(&b);
}

/**
 * ckptd_peer_last_get() - the last epoch out of a dictionary
 * @dict:  from ckptd_peer_dict()
 * @ret:   filled in on success, to be cleared
 * @error: says what is wrong
 *
 * Return: TRUE if all of it is there and in range.
 */
gboolean ckptd_peer_last_get(GVariant *dict, struct ckptd_peer_last *ret,
                             GError **error)
{
    g_autoptr(GVariant) devstate = NULL;
    struct ckptd_peer_last last = { 0 };
    gsize len;

    if (!ckptd_peer_get(dict, "epoch", "t", &last.epoch, error) ||
        !ckptd_peer_get(dict, "generation", "t", &last.generation, error) ||
        !ckptd_peer_get(dict, "ram_hash", "t", &last.ram_hash, error) ||
        !ckptd_peer_get(dict, "devstate", "@ay", &devstate, error)) {
        return FALSE;
    }
    len = g_variant_get_size(devstate);
    if (last.epoch < 2 || last.epoch == G_MAXUINT64 || !last.generation ||
        last.generation == G_MAXUINT64 || !len ||
        len > CKPTD_WIRE_DEVSTATE_MAX) {
        return bad(error,
                   "LAST of epoch %" G_GUINT64_FORMAT
                   ", generation %" G_GUINT64_FORMAT
                   ", %zu bytes of device state",
                   last.epoch, last.generation, len);
    }
    last.devstate = g_variant_get_data_as_bytes(devstate);
    *ret = last;
    return TRUE;
}

/**
 * ckptd_peer_last_clear() - free what it has
 * @last: zero, or filled in
 */
void ckptd_peer_last_clear(struct ckptd_peer_last *last)
{
    g_clear_pointer(&last->devstate, g_bytes_unref);
}
