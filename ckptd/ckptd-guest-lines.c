/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-guest-lines.c - a guest's named checkpoints, and stepping back to one
 *
 * Labels are in the guest's directory and go with it; a guest that was started
 * from one has links of its own to what it needs.
 *
 * A rollback kills QEMU, as a fault would, and waits for its pidfd (F1); then
 * the session exchanges the store, and the next QEMU is told of the new line.
 * All that time the guest counts as up: a ckptd that comes after a crash of
 * this one finds the old store or the new one, whole, and recovers from it.
 */
#include <signal.h>
#include <string.h>

#include "ckptd/ckptd-arrival.h"
#include "ckptd/ckptd-guest-internal.h"
#include "ckptd/ckptd-label.h"
#include "ckptd/ckptd-lookup.h"
#include "ckptd/ckptd-spec-net.h"

static char *labels_dir(const CkptdGuest *g)
{
    return ckptd_guest_file(g, "labels");
}

static char *label_dir(const CkptdGuest *g, const char *label)
{
    g_autofree char *dir = labels_dir(g);

    return g_build_filename(dir, label, NULL);
}

/**
 * ckptd_guest_lines_tidy() - remove what a crash left half done
 * @g: just loaded
 */
void ckptd_guest_lines_tidy(CkptdGuest *g)
{
    g_autofree char *labels = labels_dir(g);
    g_autofree char *store = ckptd_guest_file(g, "store");

    ckptd_label_tidy(ckptd_io_system(), labels, store);
    ckptd_arrival_tidy(ckptd_io_system(), store);
}

/* --- what there is -------------------------------------------------------- */

static gboolean name_ok(const char *label, GError **error)
{
    if (!ckptd_label_name_ok(label)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "'%s': the name of a checkpoint is 1 to %u letters, "
                    "digits, '.', '_' or '-', a letter or digit first",
                    label, CKPTD_LABEL_NAME_MAX);
        return FALSE;
    }
    return TRUE;
}

/**
 * ckptd_guest_label() - what a label is
 * @g: the guest
 * @label: its name
 * @ret_label: filled in
 * @ret_dir: (nullable): its directory, to be freed
 * @error: set when there is none, or it is damaged
 *
 * Return: TRUE if it is there.
 */
gboolean ckptd_guest_label(const CkptdGuest *g, const char *label,
                           struct ckptd_label *ret_label, char **ret_dir,
                           GError **error)
{
    g_autofree char *dir = label_dir(g, label);
    g_autoptr(GError) local = NULL;

    if (!name_ok(label, error)) {
        return FALSE;
    }
    if (!ckptd_label_load(ckptd_io_system(), dir, ret_label, &local)) {
        if (g_error_matches(local, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND)) {
            g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND,
                        "%s has no checkpoint %s; `ckptctl ls %s` lists them",
                        g->spec->name, label, g->spec->name);
        } else {
            g_propagate_error(error, g_steal_pointer(&local));
        }
        return FALSE;
    }
    if (ret_dir) {
        *ret_dir = g_steal_pointer(&dir);
    }
    return TRUE;
}

static GVariant *describe(const CkptdGuest *g, const char *name,
                          const struct ckptd_label *label, const char *damage)
{
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "guest", "s", g->spec->name);
    g_variant_dict_insert(&dict, "label", "s", name);
    g_variant_dict_insert(&dict, "damage", "s", damage);
    g_variant_dict_insert(&dict, "epoch", "t", label->epoch);
    g_variant_dict_insert(&dict, "generation", "t", label->generation);
    g_variant_dict_insert(&dict, "created", "x", label->created_s);
    g_variant_dict_insert(&dict, "bytes", "t",
                          label->image_bytes + label->devstate_bytes);
    g_variant_dict_insert(&dict, "ram_bytes", "t", label->manifest.ram_bytes);
    g_variant_dict_insert(&dict, "machine", "s", label->manifest.machine);
    g_variant_dict_insert(&dict, "cpu", "s", label->manifest.cpu);
    g_variant_dict_insert(&dict, "accel", "s", label->manifest.accel);
    g_variant_dict_insert(&dict, "qemu_version", "s", label->manifest.qemu);
    return g_variant_dict_end(&dict);
}

/* Return: (element-type utf8): names, none where there are none; or NULL. */
static GPtrArray *list_labels(const CkptdGuest *g, GError **error)
{
    g_autofree char *dir = labels_dir(g);
    g_autoptr(GError) local = NULL;
    GPtrArray *names = ckptd_io_list(ckptd_io_system(), dir, &local);

    if (!names && ckptd_lookup_is_absence(local)) {
        return g_ptr_array_new();
    }
    if (!names) {
        g_propagate_error(error, g_steal_pointer(&local));
    }
    return names;
}

/**
 * ckptd_guest_list_labels() - add the guest's labels to a list
 * @g: the guest
 * @list: of a{sv}
 *
 * Return: how many.
 */
guint ckptd_guest_list_labels(const CkptdGuest *g, GVariantBuilder *list)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(GPtrArray) names = list_labels(g, &local);
    guint i, n = 0;

    if (!names) {
        g_warning("%s: %s", g->spec->name, local->message);
    }
    for (i = 0; names && i < names->len; i++) {
        struct ckptd_label label = { .epoch = 0 };
        g_autoptr(GError) error = NULL;

        if (!ckptd_label_name_ok(names->pdata[i])) {
            continue; /* being written */
        }
        ckptd_guest_label(g, names->pdata[i], &label, NULL, &error);
        g_variant_builder_add_value(
            list,
            describe(g, names->pdata[i], &label, error ? error->message : ""));
        n++;
    }
    return n;
}

/**
 * ckptd_guest_remove_label() - delete a label
 * @g: the guest
 * @label: its name
 * @error: set when there is none
 *
 * Return: TRUE when it is gone.
 */
gboolean ckptd_guest_remove_label(CkptdGuest *g, const char *label,
                                  GError **error)
{
    g_autofree char *labels = labels_dir(g);

    return name_ok(label, error) &&
           ckptd_label_remove(ckptd_io_system(), labels, label, error);
}

/**
 * ckptd_guest_has_labels() - would a removal take more than the guest?
 * @g: the guest
 * @error: names the labels, or says why that is not known
 *
 * Return: TRUE if it has any, or may have.
 */
gboolean ckptd_guest_has_labels(const CkptdGuest *g, GError **error)
{
    g_autoptr(GPtrArray) names = list_labels(g, error);
    g_autofree char *text = NULL;

    if (!names || !names->len) {
        return names == NULL;
    }
    g_ptr_array_add(names, NULL);
    text = g_strjoinv(", ", (char **)names->pdata);
    g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_BUSY,
                "%s has named checkpoints (%s), which would go with it: remove "
                "them first (`ckptctl rm %s@LABEL`), or use --force",
                g->spec->name, text, g->spec->name);
    return TRUE;
}

/* --- giving a name -------------------------------------------------------- */

/**
 * ckptd_guest_name() - take a checkpoint and give it a name
 * @g: any
 * @label: its name
 * @done: told when it is durable under that name, or that it will not be
 * @opaque: for it
 */
void ckptd_guest_name(CkptdGuest *g, const char *label, CkptdGuestDone done,
                      gpointer opaque)
{
    g_autofree char *dir = label_dir(g, label);
    g_autoptr(GError) error = NULL, local = NULL;

    if (!name_ok(label, &error) || ckptd_guest_travel_holds(g, &error)) {
        /* said */
    } else if (!g->spec->checkpoint) {
        g_set_error(&error, CKPTD_ERROR, CKPTD_ERROR_FAILED,
                    "%s runs without checkpoints", g->spec->name);
    } else if (ckptd_guest_is_down(g) || g->state == CKPTD_GUEST_STOPPING ||
               g->state == CKPTD_GUEST_ENDING ||
               g->state == CKPTD_GUEST_ROLLING_BACK) {
        g_set_error(&error, CKPTD_ERROR, CKPTD_ERROR_FAILED,
                    "%s is %s: a checkpoint is named while its guest runs",
                    g->spec->name, ckptd_guest_state_name(g));
    } else if (ckptd_lookup_path(dir, &local)) {
        g_set_error(&error, CKPTD_ERROR, CKPTD_ERROR_EXISTS,
                    "%s has a checkpoint %s already; `ckptctl rm %s@%s` "
                    "removes it",
                    g->spec->name, label, g->spec->name, label);
    } else if (!ckptd_lookup_is_absence(local)) {
        error = g_steal_pointer(&local);
    } else if (g->naming) {
        g_set_error(&error, CKPTD_ERROR, CKPTD_ERROR_BUSY,
                    "%s: checkpoint %s is being written", g->spec->name,
                    g->naming);
    } else {
        ckptd_session_name(g->session, label, &error);
    }
    if (error) {
        done(0, error, opaque);
        return;
    }
    g->naming = g_strdup(label);
    g->named = (struct ckptd_waiter){ done, opaque };
}

/**
 * ckptd_guest_cancel_name() - give it up
 * @g: any
 * @label: as asked for
 *
 * Who asked is told when it is over, and that nothing stays.
 */
void ckptd_guest_cancel_name(CkptdGuest *g, const char *label)
{
    g_autoptr(GError) error = NULL;
    guint64 ignored;

    if (g_strcmp0(g->naming, label) || !g->session) {
        return;
    }
    if (ckptd_session_name_progress(g->session, label, &ignored, &ignored)) {
        ckptd_session_cancel_name(g->session, label); /* it answers */
        return;
    }
    ckptd_session_cancel_name(g->session, label);
    g_set_error(&error, CKPTD_ERROR, CKPTD_ERROR_FAILED,
                "the named checkpoint was given up");
    ckptd_guest_named(g, 0, error);
}

/**
 * ckptd_guest_name_progress() - how far the label is that is being written
 * @g: any
 * @ret_label: its name, the guest's
 * @ret_done_bytes: written
 * @ret_total_bytes: of so many, 0: not known yet
 *
 * Return: FALSE if there is none.
 */
gboolean ckptd_guest_name_progress(CkptdGuest *g, const char **ret_label,
                                   guint64 *ret_done_bytes,
                                   guint64 *ret_total_bytes)
{
    *ret_label = g->naming;
    return g->naming && g->session &&
           ckptd_session_name_progress(g->session, g->naming, ret_done_bytes,
                                       ret_total_bytes);
}

/**
 * ckptd_guest_named() - it has its name, or will not get it
 * @g: any; nothing is done if nobody asked
 * @epoch: that has the name
 * @error: why nothing has, or NULL
 */
void ckptd_guest_named(CkptdGuest *g, guint64 epoch, const GError *error)
{
    struct ckptd_waiter waiter = g->named;

    if (g->naming) {
        g_clear_pointer(&g->naming, g_free);
        waiter.done(epoch, error, waiter.opaque);
    }
}

/* --- stepping back -------------------------------------------------------- */

/**
 * ckptd_guest_identities() - who a guest's processes are on the network
 * @g: the guest
 * @config: gets it
 * @error: names what cannot be
 *
 * Those of an external guest are in its boot bundle, which is not ours: each
 * process that there may be keeps its own.
 *
 * Return: TRUE on success.
 */
gboolean ckptd_guest_identities(const CkptdGuest *g,
                                struct ckptd_session_config *config,
                                GError **error)
{
    guint n = 1 + g_strv_length(g->spec->more), i;
    struct ckpt_identity *id;
    struct boot_net net;

    if (ckptd_spec_is_external(g->spec)) {
        config->n_identities = CKPT_IDENTITIES_MAX;
        for (i = 0; i < CKPT_IDENTITIES_MAX; i++) {
            config->identities[i].flags = CKPT_IDENTITY_OWN;
        }
        return TRUE;
    }
    config->n_identities = 0;
    if (n > CKPT_IDENTITIES_MAX) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "%s has %u programs, at most %u are possible",
                    g->spec->name, n, CKPT_IDENTITIES_MAX);
        return FALSE;
    }
    for (i = 0; i < n; i++) {
        if (!ckptd_spec_net_address(g->spec, i, &net, error)) {
            return FALSE;
        }
        id = &config->identities[config->n_identities++];
        memcpy(&id->mac, &net, sizeof(net));
    }
    return TRUE;
}

G_STATIC_ASSERT(sizeof(struct ckpt_identity) -
                    G_STRUCT_OFFSET(struct ckpt_identity, mac) ==
                sizeof(struct boot_net));

static gboolean differs(const char *what, const char *label, const char *guest,
                        GError **error)
{
    if (!guest[0] || g_str_equal(label, guest)) {
        return FALSE;
    }
    g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_MISMATCH,
                "the checkpoint is of %s '%s', the guest runs with '%s'", what,
                label, guest);
    return TRUE;
}

#define BUSY                                                                   \
    (1u << CKPTD_GUEST_STOPPING | 1u << CKPTD_GUEST_ENDING |                   \
     1u << CKPTD_GUEST_ROLLING_BACK | 1u << CKPTD_GUEST_ARRIVING |             \
     1u << CKPTD_GUEST_LEAVING | 1u << CKPTD_GUEST_MOVED)

static gboolean may_roll_back(CkptdGuest *g, const struct ckptd_label *label,
                              GError **error)
{
    struct ckptd_manifest m = g->final.manifest;

    if (BUSY & (1u << g->state)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_BUSY, "%s is %s",
                    g->spec->name, ckptd_guest_state_name(g));
        return FALSE;
    }
    if (g->session) {
        g_autofree struct ckptd_session_stats *stats =
            g_new0(struct ckptd_session_stats, 1);

        ckptd_session_stats(g->session, stats);
        m = stats->manifest;
    }
    return !differs("QEMU", label->manifest.qemu, m.qemu, error) &&
           !differs("machine", label->manifest.machine, m.machine, error) &&
           !differs("CPU", label->manifest.cpu, m.cpu, error) &&
           !differs("accelerator", label->manifest.accel, m.accel, error);
}

/* Where somebody else starts QEMU, it must be able to come to us. */
static gboolean may_call(CkptdGuest *g, GError **error)
{
    return !ckptd_spec_is_external(g->spec) || g->engine_socket ||
           ckptd_guest_external_open(g, error);
}

/*
 * QEMU is dead: have the store exchanged while the next one boots; or, where
 * somebody else starts that, before it is let in (CKPTD_SESSION_ROLLED_BACK).
 */
static void step_back(CkptdGuest *g)
{
    ckptd_session_roll_back(g->session, g->back_to, g->final.generation);
    g->fruitless = 0;
    g->floor_epoch = 0;
    g->has_exit_status = FALSE;
    g->ending = FALSE;
    g_clear_pointer(&g->panic, g_free);
    if (!ckptd_spec_is_external(g->spec)) {
        ckptd_guest_set_state(g, CKPTD_GUEST_STARTING);
        ckptd_guest_launch(g);
    }
}

/**
 * ckptd_guest_rolled_back() - QEMU has died for a rollback
 * @g: rolling back
 */
void ckptd_guest_rolled_back(CkptdGuest *g)
{
    /* Its connections are given up, so is what it had accepted of them. */
    ckptd_guest_net_down(g, TRUE);
    step_back(g);
}

/**
 * ckptd_guest_roll_back() - step back to a label, and go on from there
 * @g: any
 * @label: its name
 * @done: told when the guest runs from there, or, where somebody else starts
 * its QEMU, will when that is done; or that it does not
 * @opaque: for it
 */
void ckptd_guest_roll_back(CkptdGuest *g, const char *label,
                           CkptdGuestDone done, gpointer opaque)
{
    struct ckptd_waiter waiter = { done, opaque };
    g_autoptr(GError) error = NULL;
    struct ckptd_label found;
    gboolean down = ckptd_guest_is_down(g);
    g_autofree char *dir = NULL;

    if (!ckptd_guest_label(g, label, &found, &dir, &error) ||
        ckptd_guest_travel_holds(g, &error) ||
        !may_roll_back(g, &found, &error) || !may_call(g, &error) ||
        (!g->session && !ckptd_guest_open_session(g, &error))) {
        done(0, error, opaque);
        return;
    }
    g_array_append_val(g->start_waiters, waiter);
    g_free(g->back_to);
    g->back_to = g_steal_pointer(&dir);
    ckptd_guest_set_reason(g, g_strdup_printf("rolled back to %s", label));
    g_clear_handle_id(&g->timer, g_source_remove);
    if (!down || ckptd_spec_is_external(g->spec)) {
        ckptd_guest_set_state(g, CKPTD_GUEST_ROLLING_BACK);
    }
    if (down) {
        step_back(g);
    } else if (ckptd_guest_between(g)) {
        ckptd_guest_rolled_back(g);
    } else {
        ckptd_process_kill(&g->qemu, SIGKILL);
    }
}

/**
 * ckptd_guest_line_began() - it goes on, maybe in another line than before
 * @g: with a session
 *
 * The program's end, if it had ended, was in what is given up; life.conf must
 * say so before an epoch of that number comes again.
 */
void ckptd_guest_line_began(CkptdGuest *g)
{
    guint64 ended_epoch = ckptd_session_ended_epoch(g->session);

    g_clear_pointer(&g->back_to, g_free);
    if (ended_epoch != g->ended_epoch) {
        g->ended_epoch = ended_epoch;
        g->saved_up = FALSE; /* write it durably */
    }
}
