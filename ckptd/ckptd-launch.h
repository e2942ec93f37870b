/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-launch.h - the processes of a guest: QEMU and ckpt-netd
 */
#ifndef CKPTD_LAUNCH_H
#define CKPTD_LAUNCH_H

#include "ckptd/ckptd-process.h"
#include "ckptd/ckptd-spec.h"

/* Names in a guest's runtime directory, which is QEMU's working directory. */
#define CKPTD_LAUNCH_ENGINE_SOCKET "engine.sock"
#define CKPTD_LAUNCH_QMP_SOCKET    "qmp.sock"
#define CKPTD_LAUNCH_NETD_SOCKET   "netd.sock"
#define CKPTD_LAUNCH_QEMU_PID_FILE "qemu.pid"
#define CKPTD_LAUNCH_NETD_PID_FILE "netd.pid"

/* The parts of microvm that a program of one packet device does not need. */
#define CKPTD_LAUNCH_MACHINE_OPTIONS                                           \
    "acpi=off,pit=off,pic=off,rtc=off,pcie=off,usb=off,ioapic2=off,"           \
    "isa-serial=off,x-option-roms=off,auto-kernel-cmdline=off"

/* Under which QEMU finds its end of the network. */
#define CKPTD_LAUNCH_NET_FD 3

char **ckptd_launch_qemu_argv(const struct ckptd_spec *spec, const char *bundle,
                              GError **error);
gboolean ckptd_launch_qemu(const struct ckptd_spec *spec, const char *bundle,
                           const char *runtime_dir, const char *log_path,
                           int net_fd, struct ckptd_process *ret_process,
                           GError **error);
gboolean ckptd_launch_netd(const struct ckptd_spec *spec,
                           const char *runtime_dir, const char *log_path,
                           struct ckptd_process *ret_process, GError **error);

#endif
