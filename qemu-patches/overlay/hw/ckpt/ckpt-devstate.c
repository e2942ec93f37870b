/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-devstate.c - vCPU and devices, as QEMU's migration writes them
 *
 * One stream, kept from epoch to epoch: to make and free it again costs more
 * than to write into it.
 *
 * The clocks are saved as those of a machine that stands still, for that is
 * how they are loaded.  But the guest's time must not lose the pause: at a
 * thousand checkpoints a second that would be a clock gone wrong by a tenth.
 * So what stopped them is undone afterwards, instead of starting them anew.
 */
#include "qemu/osdep.h"
#include "qemu/seqlock.h"
#include "qemu/timer.h"
#include "qapi/error.h"
#include "hw/core/cpu.h"
#include "io/channel-buffer.h"
#include "migration/global_state.h"
#include "migration/qemu-file.h"
#include "migration/qemu-file-types.h"
#include "migration/savevm.h"
#include "system/cpu-timers.h"
#include "system/cpu-timers-internal.h"
#include "system/cpus.h"
#include "system/kvm.h"
#include "ckpt-engine-internal.h"

/* The stream's first two words, see qemu_save_device_state(). */
#define STREAM_MAGIC    0x5145564d
#define STREAM_VERSION  3

/* What cpu_disable_ticks() changes. */
typedef struct Clocks {
    int64_t ticks_offset;
    int64_t clock_offset;
    int16_t enabled;
} Clocks;

static Clocks clocks_stop(void)
{
    Clocks running = {
        .ticks_offset = timers_state.cpu_ticks_offset,
        .clock_offset = timers_state.cpu_clock_offset,
        .enabled = timers_state.cpu_ticks_enabled,
    };

    cpu_disable_ticks();
    return running;
}

static void clocks_undo_stop(const Clocks *running)
{
    seqlock_write_lock(&timers_state.vm_clock_seqlock,
                       &timers_state.vm_clock_lock);
    timers_state.cpu_ticks_offset = running->ticks_offset;
    timers_state.cpu_clock_offset = running->clock_offset;
    timers_state.cpu_ticks_enabled = running->enabled;
    seqlock_write_unlock(&timers_state.vm_clock_seqlock,
                         &timers_state.vm_clock_lock);
}

/**
 * ckpt_devstate_init: make the stream
 * @dev: filled in
 */
void ckpt_devstate_init(CkptDevstate *dev)
{
    dev->ioc = qio_channel_buffer_new(CKPT_DEVSTATE_MAX);
    dev->file = qemu_file_new_output(QIO_CHANNEL(dev->ioc));
    /* Loading refuses a stream that does not say it was of a running guest. */
    global_state_store_running();
}

/**
 * ckpt_devstate_save: write the state of all devices
 * @dev: the stream
 * @dst: where to
 * @max_bytes: room there
 * @ret_bytes: what it took
 * @errp: why it failed
 *
 * Return: false when a device refused, or the state is too large.
 * Context: vCPU thread, BQL.
 */
bool ckpt_devstate_save(CkptDevstate *dev, void *dst, size_t max_bytes,
                        uint64_t *ret_bytes, Error **errp)
{
    bool clean = !first_cpu->vcpu_dirty;
    Clocks clocks = clocks_stop();
    int ret;

    dev->ioc->usage = 0;
    dev->ioc->offset = 0;
    ret = qemu_save_device_state(dev->file);
    if (!ret) {
        ret = qemu_fflush(dev->file);
    }
    clocks_undo_stop(&clocks);
    if (ret) {
        error_setg_errno(errp, -ret, "cannot save the state of the devices");
        return false;
    }
    /*
     * Saving has read KVM's registers and changed none: writing all of them
     * back before the next entry would only lengthen the pause.
     */
    if (kvm_enabled() && clean) {
        first_cpu->vcpu_dirty = false;
    }
    if (dev->ioc->usage > max_bytes) {
        error_setg(errp, "the state of the devices takes %zu bytes, there is "
                   "room for %zu", dev->ioc->usage, max_bytes);
        return false;
    }
    memcpy(dst, dev->ioc->data, dev->ioc->usage);
    *ret_bytes = dev->ioc->usage;
    return true;
}

/**
 * ckpt_devstate_load: set the state of all devices
 * @data: what ckpt_devstate_save() wrote
 * @len_bytes: of it
 * @errp: why it cannot be loaded
 *
 * Return: false on failure; the machine is then of no use.
 * Context: after reset, before the guest runs.
 */
bool ckpt_devstate_load(const void *data, size_t len_bytes, Error **errp)
{
    QIOChannelBuffer *ioc = qio_channel_buffer_new(len_bytes);
    QEMUFile *file;
    bool ok;

    memcpy(ioc->data, data, len_bytes);
    ioc->usage = len_bytes;
    file = qemu_file_new_input(QIO_CHANNEL(ioc));
    object_unref(OBJECT(ioc));

    ok = qemu_get_be32(file) == STREAM_MAGIC &&
         qemu_get_be32(file) == STREAM_VERSION;
    if (ok) {
        cpu_synchronize_all_pre_loadvm();
        ok = qemu_load_device_state(file) == 0;
    }
    qemu_fclose(file);
    if (!ok) {
        error_setg(errp, "the checkpoint's device state does not fit this "
                   "QEMU or this machine");
    }
    return ok;
}
