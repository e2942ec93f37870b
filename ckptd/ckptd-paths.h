/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-paths.h - where things are: state, sockets, programs
 *
 * Shared by ckptd and ckptctl, so that they always meet.
 *
 *              root               ordinary user             override
 *   state      /var/lib/sluice    $XDG_STATE_HOME/sluice    SLUICE_STATE_DIR
 *   runtime    /run/sluice        $XDG_RUNTIME_DIR/sluice   SLUICE_RUNTIME_DIR
 */
#ifndef CKPTD_PATHS_H
#define CKPTD_PATHS_H

#include <glib.h>

#define CKPTD_VERSION  "0.1"
#define CKPTD_BUS_PATH "/org/sluice/Ckptd1"

struct ckptd_paths {
    char *state_dir;
    char *runtime_dir;
};

void ckptd_paths_init(struct ckptd_paths *paths, const char *state_dir,
                      const char *runtime_dir);
void ckptd_paths_clear(struct ckptd_paths *paths);
char *ckptd_paths_bus_socket(const struct ckptd_paths *paths);
char *ckptd_paths_log(const struct ckptd_paths *paths);
gboolean ckptd_paths_make_dir(const char *path, GError **error);
char *ckptd_paths_find(const char *what, GError **error);

#endif
