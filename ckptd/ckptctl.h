/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptctl.h - what the parts of ckptctl share
 */
#ifndef CKPTCTL_H
#define CKPTCTL_H

#include <gio/gio.h>

#include "ckptd-dbus.h"
#include "ckptd/ckptctl-options.h"
#include "ckptd/ckptd-paths.h"

/* Exit statuses, as in the manual page. */
enum ckptctl_status {
    CKPTCTL_OK = 0,
    CKPTCTL_FAILED = 1,
    CKPTCTL_USAGE = 2,
    CKPTCTL_NO_DAEMON = 3,
    CKPTCTL_DAMAGED = 4,
};

/**
 * struct ckptctl - one invocation
 *
 * @proxy: connected on demand by ckptctl_connect()
 */
struct ckptctl {
    struct ckptd_paths paths;
    gboolean json;
    gboolean autostart;
    char *state_dir;
    char *runtime_dir;
    CkptdDbus *proxy;
};

/**
 * struct ckptctl_verb - one word after ckptctl
 *
 * @arguments: for the usage line
 * @summary:   one line, for the list
 * @run:       @argv[0] is the verb; returns an exit status
 */
struct ckptctl_verb {
    const char *name;
    const char *arguments;
    const char *summary;
    int (*run)(struct ckptctl *ctl, const struct ckptctl_verb *verb, int argc,
               char **argv);
};

/* What `adopt` takes, and domxml --new; numbers: -1 = not given. */
struct ckptctl_adopt {
    char *name;
    char *uuid;
    char *mac;
    char *owner;
    char *libvirt;
    char *accel;
    char *checkpoint;
    struct ckptctl_pace_options pace;
    gint memory_mib;
};

#define CKPTCTL_ADOPT_INIT                                                     \
    {                                                                          \
        .memory_mib = CKPTCTL_NOT_GIVEN, .pace = CKPTCTL_PACE_INIT             \
    }

int ckptctl_parse(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                  const GOptionEntry *entries, const char *about, int min_args,
                  int max_args, int *argc, char ***argv);
int ckptctl_connect(struct ckptctl *ctl);
int ckptctl_fail(GError *error);

int ckptctl_run(struct ckptctl *ctl, const struct ckptctl_verb *verb, int argc,
                char **argv);
int ckptctl_stop(struct ckptctl *ctl, const struct ckptctl_verb *verb, int argc,
                 char **argv);
int ckptctl_adopt(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                  int argc, char **argv);
int ckptctl_checkpoint(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                       int argc, char **argv);
int ckptctl_ls(struct ckptctl *ctl, const struct ckptctl_verb *verb, int argc,
               char **argv);
int ckptctl_start(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                  int argc, char **argv);
int ckptctl_rollback(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                     int argc, char **argv);
int ckptctl_rm(struct ckptctl *ctl, const struct ckptctl_verb *verb, int argc,
               char **argv);
int ckptctl_logs(struct ckptctl *ctl, const struct ckptctl_verb *verb, int argc,
                 char **argv);
int ckptctl_ps(struct ckptctl *ctl, const struct ckptctl_verb *verb, int argc,
               char **argv);
int ckptctl_show_status(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                        int argc, char **argv);
int ckptctl_verify(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                   int argc, char **argv);

int ckptctl_migrate(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                    int argc, char **argv);
int ckptctl_forward(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                    int argc, char **argv);
int ckptctl_hosts(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                  int argc, char **argv);
int ckptctl_host(struct ckptctl *ctl, const struct ckptctl_verb *verb, int argc,
                 char **argv);
int ckptctl_adopt_parse(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                        struct ckptctl_adopt *opt, const GOptionEntry *more,
                        const char *about, int max_args, int *argc,
                        char ***argv);
void ckptctl_adopt_clear(struct ckptctl_adopt *opt);
GVariant *ckptctl_adopt_call(struct ckptctl *ctl,
                             const struct ckptctl_adopt *opt, GError **error);
char *ckptctl_engine_option(GVariant *guest);
char *ckptctl_nic_option(GVariant *guest, const char *netdev);
int ckptctl_domxml(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                   int argc, char **argv);

int ckptctl_follow(struct ckptctl *ctl, const char *name, gboolean until_down);
GVariant *ckptctl_status_of(struct ckptctl *ctl, const char *name,
                            GError **error);
void ckptctl_print_json(GVariant *value);
char *ckptctl_human_bytes(guint64 bytes);
char *ckptctl_ports_of(GVariant *status);

#endif
