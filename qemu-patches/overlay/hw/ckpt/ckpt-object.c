/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-object.c - "-object ckpt-engine": its properties, its one instance
 */
#include "qemu/osdep.h"
#include <sys/prctl.h>
#include "qemu/error-report.h"
#include "qemu/timer.h"
#include "monitor/monitor.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "qom/object_interfaces.h"
#include "ckpt-engine-internal.h"

#define RECONNECT_MS_DEFAULT    100

static CkptEngine *ckpt_engine;

/**
 * ckpt_engine_get: the engine of this QEMU
 *
 * Return: NULL when there is none; then no checkpoints are taken.
 */
CkptEngine *ckpt_engine_get(void)
{
    return ckpt_engine;
}

/*
 * Memory whose writes are tracked is mapped page by page in any case.  A huge
 * page that the first write to it has to clear is time without use then, most
 * of all in a QEMU that lays a checkpoint over the memory it has just filled:
 * 3 to 10 ms of a start.
 */
static void ckpt_engine_do_without_huge_pages(void)
{
    if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) < 0) {
        warn_report("ckpt-engine: huge pages stay on: %s", strerror(errno));
    }
}

static void ckpt_engine_complete(UserCreatable *uc, Error **errp)
{
    CkptEngine *e = CKPT_ENGINE(uc);

    if (ckpt_engine) {
        error_setg(errp, "there can be one ckpt-engine only");
        return;
    }
    if (e->path && !e->guest) {
        error_setg(errp, "ckpt-engine: path= needs guest=");
        return;
    }
    if (e->guest &&
        strlen(e->guest) >= sizeof(((struct ckpt_hello *)0)->name)) {
        error_setg(errp, "ckpt-engine: the guest's name is too long");
        return;
    }
    if (e->path && e->checkpoint) {
        ckpt_engine_do_without_huge_pages();
    }
    ckpt_output_init(e);
    ckpt_engine = e;
}

static bool ckpt_engine_can_be_deleted(UserCreatable *uc)
{
    return ckpt_engine != CKPT_ENGINE(uc);
}

/* What the engine is built on must not change under it. */
static bool ckpt_engine_settable(const CkptEngine *e, Error **errp)
{
    if (e == ckpt_engine) {
        error_setg(errp, "ckpt-engine: the property can be set at the start "
                   "only");
        return false;
    }
    return true;
}

static char *ckpt_engine_get_path(Object *obj, Error **errp)
{
    return g_strdup(CKPT_ENGINE(obj)->path);
}

static void ckpt_engine_set_path(Object *obj, const char *value, Error **errp)
{
    CkptEngine *e = CKPT_ENGINE(obj);

    if (ckpt_engine_settable(e, errp)) {
        g_free(e->path);
        e->path = g_strdup(value);
    }
}

static char *ckpt_engine_get_guest(Object *obj, Error **errp)
{
    return g_strdup(CKPT_ENGINE(obj)->guest);
}

static void ckpt_engine_set_guest(Object *obj, const char *value, Error **errp)
{
    CkptEngine *e = CKPT_ENGINE(obj);

    if (ckpt_engine_settable(e, errp)) {
        g_free(e->guest);
        e->guest = g_strdup(value);
    }
}

static bool ckpt_engine_get_checkpoint(Object *obj, Error **errp)
{
    return CKPT_ENGINE(obj)->checkpoint;
}

static void ckpt_engine_set_checkpoint(Object *obj, bool value, Error **errp)
{
    CkptEngine *e = CKPT_ENGINE(obj);

    if (ckpt_engine_settable(e, errp)) {
        e->checkpoint = value;
    }
}

static bool ckpt_engine_get_verify(Object *obj, Error **errp)
{
    return CKPT_ENGINE(obj)->verify;
}

static void ckpt_engine_set_verify(Object *obj, bool value, Error **errp)
{
    CkptEngine *e = CKPT_ENGINE(obj);

    if (ckpt_engine_settable(e, errp)) {
        e->verify = value;
    }
}

static void ckpt_engine_get_reconnect_ms(Object *obj, Visitor *v,
                                         const char *name, void *opaque,
                                         Error **errp)
{
    visit_type_uint32(v, name, &CKPT_ENGINE(obj)->reconnect_ms, errp);
}

static void ckpt_engine_set_reconnect_ms(Object *obj, Visitor *v,
                                         const char *name, void *opaque,
                                         Error **errp)
{
    visit_type_uint32(v, name, &CKPT_ENGINE(obj)->reconnect_ms, errp);
}

static void ckpt_engine_instance_init(Object *obj)
{
    CkptEngine *e = CKPT_ENGINE(obj);

    e->checkpoint = true;
    e->reconnect_ms = RECONNECT_MS_DEFAULT;
    e->client.fd = -1;
    e->hold_fd = -1;
    e->staging.fd = -1;
    e->made = ckpt_tsc_sample();
    g_queue_init(&e->mailbox);
    g_queue_init(&e->outputs_due);
    g_queue_init(&e->outputs_sent);
    ckpt_engine_init_timers(e);
}

/* An engine that was completed is never deleted: see can_be_deleted. */
static void ckpt_engine_finalize(Object *obj)
{
    CkptEngine *e = CKPT_ENGINE(obj);

    if (ckpt_engine == e) {
        ckpt_engine = NULL;
    }
    ckpt_client_close(e);
    timer_free(e->start_timer);
    timer_free(e->interval_timer);
    timer_free(e->mailbox_timer);
    g_free(e->path);
    g_free(e->guest);
}

/* What `-object ckpt-engine,help` says of the properties. */
static const char *const ckpt_engine_descriptions[][2] = {
    { "path", "ckptd's socket for this guest; without it no checkpoints are "
              "taken" },
    { "guest", "the guest's name at ckptd; needed with path" },
    { "checkpoint", "off: ckptd gets log and exit status only, frames pass at "
                    "once (default: on)" },
    { "verify", "prove each checkpoint against all of RAM, slow "
                "(default: off)" },
    { "reconnect-ms", "pause between two attempts to reach a ckptd that went "
                      "away (default: 100)" },
};

static void ckpt_engine_class_init(ObjectClass *klass, void *data)
{
    UserCreatableClass *ucc = USER_CREATABLE_CLASS(klass);
    size_t i;

    ucc->complete = ckpt_engine_complete;
    ucc->can_be_deleted = ckpt_engine_can_be_deleted;
    object_class_property_add_str(klass, "path", ckpt_engine_get_path,
                                  ckpt_engine_set_path);
    object_class_property_add_str(klass, "guest", ckpt_engine_get_guest,
                                  ckpt_engine_set_guest);
    object_class_property_add_bool(klass, "checkpoint",
                                   ckpt_engine_get_checkpoint,
                                   ckpt_engine_set_checkpoint);
    object_class_property_add_bool(klass, "verify", ckpt_engine_get_verify,
                                   ckpt_engine_set_verify);
    object_class_property_add(klass, "reconnect-ms", "uint32",
                              ckpt_engine_get_reconnect_ms,
                              ckpt_engine_set_reconnect_ms, NULL, NULL);
    for (i = 0; i < ARRAY_SIZE(ckpt_engine_descriptions); i++) {
        object_class_property_set_description(klass,
                                              ckpt_engine_descriptions[i][0],
                                              ckpt_engine_descriptions[i][1]);
    }
}

static const TypeInfo ckpt_engine_info = {
    .name = TYPE_CKPT_ENGINE,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(CkptEngine),
    .instance_init = ckpt_engine_instance_init,
    .instance_finalize = ckpt_engine_finalize,
    .class_init = ckpt_engine_class_init,
    .interfaces = (InterfaceInfo[]) {
        { TYPE_USER_CREATABLE },
        { }
    }
};

static void ckpt_engine_register_types(void)
{
    type_register_static(&ckpt_engine_info);
    monitor_register_hmp("ckpt", true, ckpt_hmp_info);
}

type_init(ckpt_engine_register_types)
