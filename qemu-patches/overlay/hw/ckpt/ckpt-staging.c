/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-staging.c - the slots in which epochs are handed to ckptd
 *
 * A memfd of ckptd's, mapped by both; the layout of a slot is told by struct
 * ckpt_slot (ckpt-wire.h).  We use one fixed layout with room for all of RAM,
 * so that a capture can never run out of room (a page left out would be a page
 * lost, E3) and the pages touched by one epoch are those of the epoch before.
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "qemu/bitops.h"
#include "qapi/error.h"
#include "trace.h"
#include "ckpt-engine-internal.h"

#define LIST_OFFSET     CKPT_PAGE_BYTES

static const char *const ckpt_slot_str[] = {
    [CKPT_SLOT_FREE]     = "free",
    [CKPT_SLOT_CAPTURED] = "captured",
    [CKPT_SLOT_SENT]     = "sent",
    [CKPT_SLOT_RESTORE]  = "restore",
};
QEMU_BUILD_BUG_ON(ARRAY_SIZE(ckpt_slot_str) != CKPT_SLOT__MAX);

static const uint8_t ckpt_slot_next[CKPT_SLOT__MAX] = {
    [CKPT_SLOT_FREE]     = BIT(CKPT_SLOT_CAPTURED) | BIT(CKPT_SLOT_RESTORE),
    [CKPT_SLOT_CAPTURED] = BIT(CKPT_SLOT_SENT) | BIT(CKPT_SLOT_FREE),
    [CKPT_SLOT_SENT]     = BIT(CKPT_SLOT_FREE) | BIT(CKPT_SLOT_CAPTURED),
    [CKPT_SLOT_RESTORE]  = BIT(CKPT_SLOT_FREE),
};

/**
 * ckpt_staging_set_state: hand a slot over
 * @slot: the slot
 * @next: a legal successor of its state
 */
void ckpt_staging_set_state(CkptSlot *slot, enum ckpt_slot_state next)
{
    assert(ckpt_slot_next[slot->state] & BIT(next));
    trace_ckpt_slot(slot->index, slot->epoch, ckpt_slot_str[slot->state],
                    ckpt_slot_str[next]);
    slot->state = next;
}

static uint64_t devstate_offset(uint64_t n_pages)
{
    return LIST_OFFSET + ROUND_UP(n_pages * sizeof(uint64_t), CKPT_PAGE_BYTES);
}

static uint64_t data_offset(uint64_t n_pages)
{
    return devstate_offset(n_pages) + CKPT_DEVSTATE_MAX;
}

/**
 * ckpt_staging_slot_bytes: room that a slot must have
 * @n_pages: pages of main RAM
 *
 * Return: bytes, for a checkpoint of all of RAM.
 */
uint64_t ckpt_staging_slot_bytes(uint64_t n_pages)
{
    return data_offset(n_pages) + n_pages * CKPT_PAGE_BYTES;
}

/**
 * ckpt_memfd_check: is a descriptor from ckptd safe to map?
 * @fd: the descriptor
 * @bytes: what is going to be mapped
 * @what: its name, for messages
 * @errp: why not
 *
 * A file that can shrink under us would kill QEMU by SIGBUS.
 *
 * Return: false when it is too short or not sealed against shrinking.
 */
bool ckpt_memfd_check(int fd, uint64_t bytes, const char *what, Error **errp)
{
    struct stat st;
    int seals;

    if (fstat(fd, &st) < 0) {
        error_setg_errno(errp, errno, "ckptd's %s", what);
        return false;
    }
    if (st.st_size < 0 || (uint64_t)st.st_size < bytes) {
        error_setg(errp, "ckptd's %s has %" PRId64 " bytes, not %" PRIu64,
                   what, (int64_t)st.st_size, bytes);
        return false;
    }
    seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || !(seals & F_SEAL_SHRINK)) {
        error_setg(errp, "ckptd's %s is not sealed against shrinking", what);
        return false;
    }
    return true;
}

/**
 * ckpt_staging_map: map the slots that WELCOME brought
 * @staging: filled in
 * @fd: ckptd's memfd; owned by @staging from now on
 * @slot_bytes: of one slot, as ckptd says
 * @n_pages: pages of main RAM
 * @errp: what is wrong with it
 *
 * Return: false when it cannot be used.
 */
bool ckpt_staging_map(CkptStaging *staging, int fd, uint64_t slot_bytes,
                      uint64_t n_pages, Error **errp)
{
    uint64_t want = ckpt_staging_slot_bytes(n_pages);
    uint8_t *map;
    unsigned i;

    staging->fd = fd;
    if (slot_bytes < want || slot_bytes % CKPT_PAGE_BYTES ||
        slot_bytes > SIZE_MAX / CKPT_STAGING_SLOTS) {
        error_setg(errp, "ckptd offers staging slots of %" PRIu64
                   " bytes; %" PRIu64 " are needed", slot_bytes, want);
        return false;
    }
    if (!ckpt_memfd_check(fd, slot_bytes * CKPT_STAGING_SLOTS, "staging memfd",
                          errp)) {
        return false;
    }
    map = mmap(NULL, slot_bytes * CKPT_STAGING_SLOTS, PROT_READ | PROT_WRITE,
               MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        error_setg_errno(errp, errno, "cannot map ckptd's staging memfd");
        return false;
    }
    staging->slot_bytes = slot_bytes;
    staging->devstate_offset = devstate_offset(n_pages);
    staging->data_offset = data_offset(n_pages);
    for (i = 0; i < CKPT_STAGING_SLOTS; i++) {
        staging->slot[i].index = i;
        staging->slot[i].base = map + i * slot_bytes;
    }
    return true;
}

/* Does [offset, offset + bytes) lie in a slot, behind its header? */
static bool in_slot(const CkptStaging *staging, uint64_t offset, uint64_t bytes)
{
    return offset >= sizeof(struct ckpt_slot) &&
           offset <= staging->slot_bytes &&
           bytes <= staging->slot_bytes - offset;
}

/**
 * ckpt_staging_read_slot: take over the slot that ckptd filled for a restore
 * @staging: the slots
 * @index: which one
 * @n_pages: pages of main RAM
 * @ret_slot: its header, checked: what it points to lies in the slot
 * @errp: what is wrong with it
 *
 * Return: false when the header makes no sense.
 */
bool ckpt_staging_read_slot(CkptStaging *staging, uint32_t index,
                            uint64_t n_pages, struct ckpt_slot *ret_slot,
                            Error **errp)
{
    struct ckpt_slot slot;

    if (index >= CKPT_STAGING_SLOTS) {
        error_setg(errp, "ckptd restores from staging slot %u of %u", index,
                   CKPT_STAGING_SLOTS);
        return false;
    }
    memcpy(&slot, staging->slot[index].base, sizeof(slot));
    if (slot.magic != CKPT_SLOT_MAGIC || slot.n_pages > n_pages ||
        slot.n_data > slot.n_pages ||
        slot.list_offset % sizeof(uint64_t) ||
        slot.data_offset % CKPT_PAGE_BYTES ||
        !in_slot(staging, slot.list_offset,
                 slot.n_pages * sizeof(uint64_t)) ||
        !in_slot(staging, slot.devstate_offset, slot.devstate_bytes) ||
        !in_slot(staging, slot.data_offset, slot.n_data * CKPT_PAGE_BYTES)) {
        error_setg(errp, "ckptd's staging slot %u is damaged", index);
        return false;
    }
    *ret_slot = slot;
    return true;
}

/**
 * ckpt_staging_find: the slot of the oldest epoch in a state
 * @staging: the slots
 * @state: the state
 *
 * Return: the slot, or NULL when none is in that state.
 */
CkptSlot *ckpt_staging_find(CkptStaging *staging, enum ckpt_slot_state state)
{
    CkptSlot *found = NULL;
    unsigned i;

    for (i = 0; i < CKPT_STAGING_SLOTS; i++) {
        CkptSlot *slot = &staging->slot[i];

        if (slot->state == state && (!found || slot->epoch < found->epoch)) {
            found = slot;
        }
    }
    return found;
}
