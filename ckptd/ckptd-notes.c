/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-notes.c - what a session tells, on its way to the main thread
 *
 * A session's thread does what its QEMU makes it do, and a QEMU may have been
 * taken over. The main thread is everybody's: so only WAITING_MAX notes of a
 * guest wait for it, and a QEMU that causes more than CREDIT_MAX of them causes
 * no more than one each CREDIT_US from then on. A session that has a note too
 * many waits; that is no harm but to its own guest.
 */
#include "ckptd/ckptd-notes.h"

#include "ckptd/ckptd-guest-internal.h"

#define WAITING_MAX 16u
#define CREDIT_MAX  64u
#define CREDIT_US   (50 * G_TIME_SPAN_MILLISECOND)

struct note {
    struct ckptd_notes *notes;
    CkptdGuest *guest; /* a reference */
    guint serial;
    struct ckptd_session_event event;
    char *text;
};

static void note_free(gpointer data)
{
    struct note *note = data;

    ckptd_guest_unref(note->guest);
    g_free(note->text);
    g_free(note);
}

static gboolean deliver(gpointer data)
{
    struct note *note = data;
    struct ckptd_notes *notes = note->notes;

    g_mutex_lock(&notes->lock);
    notes->waiting--;
    g_cond_broadcast(&notes->changed);
    g_mutex_unlock(&notes->lock);
    if (note->serial == notes->serial) {
        ckptd_guest_on_event(note->guest, &note->event);
    }
    return G_SOURCE_REMOVE;
}

/* Or is it QEMU that decides how often this is told? */
static gboolean is_asked_for(enum ckptd_session_event_type type)
{
    switch (type) {
    case CKPTD_SESSION_WELCOMED:
    case CKPTD_SESSION_EXIT:
    case CKPTD_SESSION_ENDING:
    case CKPTD_SESSION_RESET:
    case CKPTD_SESSION_PANIC:
    case CKPTD_SESSION_BYE:
    case CKPTD_SESSION_BAD_PEER:
    case CKPTD_SESSION_FAILED:
    case CKPTD_SESSION_ARRIVING:
    case CKPTD_SESSION_ARRIVED:
    case CKPTD_SESSION_MOVE:
        return FALSE;
    case CKPTD_SESSION_WAITING: /* the disk does, and not often */
    case CKPTD_SESSION_GOES_ON:
    case CKPTD_SESSION_COMMITTED:
    case CKPTD_SESSION_DRAINED:
    case CKPTD_SESSION_NAMED:
    case CKPTD_SESSION_FROZEN:
    case CKPTD_SESSION_AGREED:
    case CKPTD_SESSION_ROLLED_BACK:
        return TRUE;
    }
    g_assert_not_reached();
}

static void earn_locked(struct ckptd_notes *notes)
{
    gint64 now_us = g_get_monotonic_time();
    gint64 earned = (now_us - notes->credit_us) / CREDIT_US;

    if (notes->credit + earned >= CREDIT_MAX) {
        notes->credit = CREDIT_MAX;
        notes->credit_us = now_us;
    } else {
        notes->credit += earned;
        notes->credit_us += earned * CREDIT_US;
    }
}

/* Return: FALSE when nobody wants to hear it; else @ret_serial is set. */
static gboolean wait_for_turn(struct ckptd_notes *notes, gboolean asked_for,
                              guint *ret_serial)
{
    gboolean wanted;

    g_mutex_lock(&notes->lock);
    earn_locked(notes);
    while (!notes->closed && !asked_for && !notes->credit) {
        g_cond_wait_until(&notes->changed, &notes->lock,
                          notes->credit_us + CREDIT_US);
        earn_locked(notes);
    }
    while (!notes->closed && notes->waiting >= WAITING_MAX) {
        g_cond_wait(&notes->changed, &notes->lock);
    }
    wanted = !notes->closed;
    *ret_serial = notes->serial;
    notes->credit -= wanted && !asked_for && notes->credit;
    notes->waiting += wanted;
    g_mutex_unlock(&notes->lock);
    return wanted;
}

/**
 * ckptd_notes_take() - a session has something to tell
 * @event:  copied
 * @opaque: what ckptd_notes_open() returned
 *
 * Heard by ckptd_guest_on_event() in the main thread, in the order told, unless
 * the guest has another session by then.
 *
 * Context: the session's threads, not under its lock; waits for its turn.
 */
void ckptd_notes_take(const struct ckptd_session_event *event, gpointer opaque)
{
    struct ckptd_notes *notes = opaque;
    struct note *note;
    GSource *source;
    guint serial;

    if (!wait_for_turn(notes, is_asked_for(event->type), &serial)) {
        return;
    }
    note = g_new0(struct note, 1);
    note->notes = notes;
    note->guest = ckptd_guest_ref(notes->guest);
    note->serial = serial;
    note->event = *event;
    note->text = g_strdup(event->text);
    note->event.text = note->text;
    source = g_idle_source_new();
    g_source_set_priority(source, G_PRIORITY_HIGH);
    g_source_set_callback(source, deliver, note, note_free);
    g_source_attach(source, NULL);
    g_source_unref(source);
}

/**
 * ckptd_notes_init() - no notes
 * @notes: of a new guest
 */
void ckptd_notes_init(struct ckptd_notes *notes)
{
    g_mutex_init(&notes->lock);
    g_cond_init(&notes->changed);
}

/**
 * ckptd_notes_clear() - there will be no notes
 * @notes: of a guest that goes, without a session
 */
void ckptd_notes_clear(struct ckptd_notes *notes)
{
    g_mutex_clear(&notes->lock);
    g_cond_clear(&notes->changed);
}

/**
 * ckptd_notes_open() - a session begins
 * @notes: closed
 * @guest: whose
 *
 * Return: the opaque of ckptd_notes_take().
 * Context: main thread, before the session's begins.
 */
gpointer ckptd_notes_open(struct ckptd_notes *notes, CkptdGuest *guest)
{
    notes->guest = guest;
    notes->closed = FALSE;
    notes->credit = CREDIT_MAX;
    notes->credit_us = g_get_monotonic_time();
    return notes;
}

/**
 * ckptd_notes_close() - nobody wants to hear any more
 * @notes: open or closed; who waits for his turn waits no longer
 *
 * Context: main thread, before the session is freed.
 */
void ckptd_notes_close(struct ckptd_notes *notes)
{
    g_mutex_lock(&notes->lock);
    notes->serial++;
    notes->closed = TRUE;
    g_cond_broadcast(&notes->changed);
    g_mutex_unlock(&notes->lock);
}
