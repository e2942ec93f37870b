/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-spec.h - what a user asked for at `ckptctl run`, kept with the guest
 */
#ifndef CKPTD_SPEC_H
#define CKPTD_SPEC_H

#include <glib.h>

#define CKPTD_SPEC_MEMORY_DEFAULT_MIB 128u

/**
 * struct ckptd_spec - a guest, from its first boot to its removal
 *
 * Fixed when it is made: one command line serves first boot and recovery.
 *
 * @argv:     of the first program
 * @more:     the other programs, each as one line in the shell's quoting
 * @forwards: "PROTOCOL:ADDRESS:HOSTPORT:[GUESTADDRESS:]GUESTPORT"
 * @files:    "HOSTPATH:GUESTPATH"
 * @dirs:     likewise
 * @options:  "NAME=VALUE" for kernel and library
 * @net:      "user", "tap" or "none"
 * @bridge:   that the TAP is put into, or NULL
 * @ifname:   of the TAP, or NULL
 * @mac:      of the NIC and of the first program
 * @macs:     that the user gave, in the order of the programs
 * @ips:      likewise: "ADDRESS/LEN" or "dhcp"
 * @launch:   "ckptd", or "external": somebody else starts its QEMU
 * @from:     "GUEST@LABEL" that it began with, or NULL
 * @owner:    external: who may do so besides us and root, or NULL
 * @libvirt:  external: URI of the libvirt that does so, or NULL
 * @on_full:  "wait" or "stop": while the disk takes nothing
 * @accel:    "tcg" or "kvm", as chosen
 * @accel_why: why, in words
 */
struct ckptd_spec {
    char *name;
    char *uuid;
    char *mac;
    char **argv;
    char **more;
    char **env;
    char **forwards;
    char **files;
    char **dirs;
    char **options;
    char *net;
    char *bridge;
    char *ifname;
    char **macs;
    char **ips;
    char *gateway;
    char *dns;
    char *launch;
    char *from;
    char *owner;
    char *libvirt;
    char *capture;
    char *on_full;
    char *accel;
    char *accel_why;
    guint memory_mib;
    guint hold_mib;
    guint min_interval_us;
    guint max_interval_ms;
    gboolean checkpoint;
    gboolean verify;
};

void ckptd_spec_free(struct ckptd_spec *spec);
typedef struct ckptd_spec CkptdSpec;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CkptdSpec, ckptd_spec_free)

gboolean ckptd_spec_name_ok(const char *name);
struct ckptd_spec *ckptd_spec_new(GVariant *options, const char *const *argv,
                                  GError **error);
struct ckptd_spec *ckptd_spec_new_external(GVariant *options, GError **error);
struct ckptd_spec *ckptd_spec_fork(const struct ckptd_spec *of,
                                   const char *label, const char *name,
                                   GVariant *options, GError **error);
gboolean ckptd_spec_is_external(const struct ckptd_spec *spec);
gboolean ckptd_spec_agrees(const struct ckptd_spec *spec, GVariant *options,
                           GError **error);
struct ckptd_spec *ckptd_spec_load(const char *path, GError **error);
gboolean ckptd_spec_save(const struct ckptd_spec *spec, const char *path,
                         GError **error);
gboolean ckptd_spec_make_bundle(const struct ckptd_spec *spec, const char *path,
                                GError **error);
gboolean ckptd_spec_copy_bundle(const struct ckptd_spec *spec,
                                const char *other, const char *path,
                                GError **error);

#endif
