/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptctl-domxml.c - domxml: an external guest as a libvirt domain
 *
 * What libvirt has a word for is said in its words; the rest is QEMU's command
 * line. libvirt knows no ckpt-nic, but lets the properties of a device be
 * overridden, its driver too: so <interface> is an ordinary one, of whatever
 * type libvirt can make, and its netdev becomes that of our NIC.
 */
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ckptd/ckptctl.h"
#include "ckptd/ckptd-launch.h"

#define NETDEV_ID "n0"

static const char about_domxml[] =
    "\n"
    "Prints a domain for `virsh define` or `virsh create`, of a guest made by\n"
    "`ckptctl adopt`, or of a new one. NET is\n"
    "  network=NAME    libvirt's network of that name\n"
    "  bridge=BRIDGE   a TAP in that bridge, made by libvirt at each start\n"
    "  tap=IFNAME      a TAP that is there, and stays\n"
    "  netd=SOCKET     ckpt-netd --listen SOCKET\n"
    "  none\n"
    "A new guest is of qemu:///system for root and of qemu:///session for "
    "others,\nand ckptd has it started again after a crash; docs/libvirt.md.";

/*
 * Kinds of NET, and the <interface> that they are, if libvirt has one: its
 * type, and the element whose attribute has the name.
 */
static const struct net_kind {
    const char *prefix;
    const char *type;
    const char *element;
    const char *attribute;
} net_kinds[] = {
    { "network=", "network", "source", "network" },
    { "bridge=", "bridge", "source", "bridge" },
    { "tap=", "ethernet", "target managed='no'", "dev" },
    { "netd=", NULL, NULL, NULL },
};

/* How the domain is to be, beside what the guest is. */
struct domain_options {
    gboolean new;
    char *bundle;
    char *net;
};

static const struct net_kind *find_kind(const char *net, const char **ret_name)
{
    guint i;

    for (i = 0; i < G_N_ELEMENTS(net_kinds); i++) {
        const char *prefix = net_kinds[i].prefix;

        if (g_str_has_prefix(net, prefix) && net[strlen(prefix)]) {
            *ret_name = net + strlen(prefix);
            return &net_kinds[i];
        }
    }
    return NULL;
}

/* --- XML ------------------------------------------------------------------ */

/* Its arguments are escaped, the format is XML. */
static void add(GString *xml, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void add(GString *xml, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_markup_vprintf_escaped(format, args);
    va_end(args);
    g_string_append(xml, text);
}

static void add_arguments(GString *xml, const char *option, const char *value)
{
    add(xml, "    <qemu:arg value='%s'/>\n    <qemu:arg value='%s'/>\n", option,
        value);
}

static const char *text_of(GVariant *guest, const char *key)
{
    const char *value = "";

    g_variant_lookup(guest, key, "&s", &value);
    return value;
}

static void add_machine(GString *xml, GVariant *guest, const char *kernel,
                        const char *qboot, const char *bundle)
{
    gboolean kvm = g_str_equal(text_of(guest, "accel"), "kvm");
    guint memory_mib = 0;

    g_variant_lookup(guest, "memory_mib", "u", &memory_mib);
    add(xml,
        "<domain type='%s' "
        "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n"
        "  <name>%s</name>\n"
        "  <uuid>%s</uuid>\n"
        "  <memory unit='MiB'>%u</memory>\n"
        "  <vcpu>1</vcpu>\n",
        kvm ? "kvm" : "qemu", text_of(guest, "name"), text_of(guest, "uuid"),
        memory_mib);
    add(xml,
        "  <os>\n"
        "    <type arch='x86_64' machine='microvm'>hvm</type>\n"
        "    <loader type='rom'>%s</loader>\n"
        "    <kernel>%s</kernel>\n"
        "    <initrd>%s</initrd>\n"
        "  </os>\n",
        qboot, kernel, bundle);
    /* Without <acpi/> libvirt 9 says -no-acpi, which QEMU 10 has no more. */
    add(xml,
        "  <features>\n"
        "    <acpi/>\n"
        "  </features>\n"
        "  <cpu mode='%s'/>\n"
        "  <on_poweroff>destroy</on_poweroff>\n"
        "  <on_reboot>restart</on_reboot>\n"
        "  <on_crash>destroy</on_crash>\n",
        kvm ? "host-passthrough" : "maximum");
}

/* <driver name='qemu'/>: vhost would take the frames past the gate. */
static void add_devices(GString *xml, GVariant *guest, const char *emulator,
                        const struct net_kind *kind, const char *net_name)
{
    add(xml, "  <devices>\n    <emulator>%s</emulator>\n", emulator);
    if (kind && kind->type) {
        add(xml,
            "    <interface type='%s'>\n"
            "      <mac address='%s'/>\n",
            kind->type, text_of(guest, "mac"));
        g_string_append_printf(xml, "      <%s %s=", kind->element,
                               kind->attribute);
        add(xml,
            "'%s'/>\n"
            "      <model type='virtio'/>\n"
            "      <driver name='qemu'/>\n"
            "      <address type='virtio-mmio'/>\n"
            "    </interface>\n",
            net_name);
    }
    add(xml, "    <controller type='usb' model='none'/>\n"
             "    <memballoon model='none'/>\n"
             "    <audio id='1' type='none'/>\n"
             "  </devices>\n");
}

static void add_qemu(GString *xml, GVariant *guest, const struct net_kind *kind,
                     const char *net_name)
{
    g_autofree char *engine = ckptctl_engine_option(guest);
    g_autofree char *nic = NULL, *netdev = NULL;

    add(xml, "  <qemu:commandline>\n");
    add_arguments(xml, "-machine", CKPTD_LAUNCH_MACHINE_OPTIONS);
    add_arguments(xml, "-global", "apic-common.vapic=off");
    add_arguments(xml, "-object", engine);
    if (kind && !kind->type) {
        g_auto(GStrv) parts = g_strsplit(net_name, ",", -1);
        g_autofree char *path = g_strjoinv(",,", parts);

        netdev = g_strdup_printf("stream,id=" NETDEV_ID ",server=off,"
                                 "addr.type=unix,addr.path=%s",
                                 path);
        add_arguments(xml, "-netdev", netdev);
    }
    if (!kind || !kind->type) {
        nic = ckptctl_nic_option(guest, kind ? NETDEV_ID : NULL);
        add_arguments(xml, "-device", nic);
    }
    add(xml, "  </qemu:commandline>\n");
    if (kind && kind->type) {
        add(xml, "  <qemu:override>\n"
                 "    <qemu:device alias='net0'>\n"
                 "      <qemu:frontend>\n"
                 "        <qemu:property name='driver' type='string' "
                 "value='ckpt-nic'/>\n"
                 "      </qemu:frontend>\n"
                 "    </qemu:device>\n"
                 "  </qemu:override>\n");
    }
    add(xml, "</domain>\n");
}

/* --- the verb ------------------------------------------------------------- */

static int fail_usage(const char *what)
{
    fprintf(stderr, "ckptctl: %s; see ckptctl domxml --help\n", what);
    return CKPTCTL_USAGE;
}

static int check_options(const struct domain_options *opt, int argc)
{
    const char *name;

    if (opt->new == (argc > 1)) {
        return fail_usage("either NAME or --new is needed");
    }
    if (!opt->bundle) {
        return fail_usage("--bundle is needed: what the guest boots with, as "
                          "ckpt-bundle makes it");
    }
    if (opt->net && !g_str_equal(opt->net, "none") &&
        !find_kind(opt->net, &name)) {
        return fail_usage("--net is network=NAME, bridge=BRIDGE, tap=IFNAME, "
                          "netd=SOCKET or none");
    }
    if (!g_utf8_validate(opt->bundle, -1, NULL) ||
        (opt->net && !g_utf8_validate(opt->net, -1, NULL))) {
        return fail_usage("XML can hold names in UTF-8 only");
    }
    if (access(opt->bundle, R_OK) < 0) {
        perror(opt->bundle);
        return CKPTCTL_FAILED;
    }
    return -1;
}

/* libvirt runs QEMU as a user of its own where it can. */
static void choose_libvirt(struct ckptctl_adopt *adopt)
{
    static const char *const users[] = { "libvirt-qemu", "qemu" };
    gboolean root = geteuid() == 0;
    guint i;

    if (!adopt->libvirt) {
        adopt->libvirt = g_strdup(root ? "qemu:///system" : "qemu:///session");
    }
    for (i = 0; root && !adopt->owner && i < G_N_ELEMENTS(users); i++) {
        if (getpwnam(users[i])) {
            adopt->owner = g_strdup(users[i]);
        }
    }
}

static GVariant *get_guest(struct ckptctl *ctl, struct ckptctl_adopt *adopt,
                           const char *name, GError **error)
{
    g_autoptr(GVariant) guest = NULL;

    if (!name) {
        choose_libvirt(adopt);
        return ckptctl_adopt_call(ctl, adopt, error);
    }
    guest = ckptctl_status_of(ctl, name, error);
    if (guest && !g_str_equal(text_of(guest, "launch"), "external")) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                    "ckptd itself starts %s; a guest for libvirt is made by "
                    "`ckptctl domxml --new`",
                    name);
        return NULL;
    }
    return g_steal_pointer(&guest);
}

static int print_domain(struct ckptctl *ctl, struct ckptctl_adopt *adopt,
                        const struct domain_options *opt, const char *name)
{
    g_autofree char *bundle = g_canonicalize_filename(opt->bundle, NULL);
    g_autofree char *emulator = NULL, *qboot = NULL, *kernel = NULL;
    g_autoptr(GString) xml = g_string_new(NULL);
    g_autoptr(GVariant) guest = NULL;
    const struct net_kind *kind;
    const char *net_name = NULL;
    GError *error = NULL;

    if (!(emulator = ckptd_paths_find("qemu", &error)) ||
        !(qboot = ckptd_paths_find("qboot", &error)) ||
        !(kernel = ckptd_paths_find("kernel", &error)) ||
        !(guest = get_guest(ctl, adopt, name, &error))) {
        return ckptctl_fail(error);
    }
    kind = opt->net ? find_kind(opt->net, &net_name) : NULL;
    add_machine(xml, guest, kernel, qboot, bundle);
    add_devices(xml, guest, emulator, kind, net_name);
    add_qemu(xml, guest, kind, net_name);
    fputs(xml->str, stdout);
    return CKPTCTL_OK;
}

/**
 * ckptctl_domxml() - print a libvirt domain for an external guest
 * @ctl: this invocation
 * @verb: its table entry
 * @argc: of the verb
 * @argv: of the verb
 *
 * Return: an exit status.
 */
int ckptctl_domxml(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                   int argc, char **argv)
{
    struct ckptctl_adopt adopt = CKPTCTL_ADOPT_INIT;
    struct domain_options opt = { 0 };
    const GOptionEntry more[] = {
        { "new", 0, 0, G_OPTION_ARG_NONE, &opt.new,
          "Make the guest, as `ckptctl adopt` does", NULL },
        { "bundle", 'b', 0, G_OPTION_ARG_FILENAME, &opt.bundle,
          "What it boots with (ckpt-bundle)", "FILE" },
        { "net", 0, 0, G_OPTION_ARG_STRING, &opt.net,
          "What its NIC is plugged into (none)", "NET" },
        { 0 },
    };
    int status = ckptctl_adopt_parse(ctl, verb, &adopt, more, about_domxml, 1,
                                     &argc, &argv);

    if (status < 0) {
        status = check_options(&opt, argc);
    }
    if (status < 0 && (status = ckptctl_connect(ctl)) == CKPTCTL_OK) {
        status = print_domain(ctl, &adopt, &opt, argc > 1 ? argv[1] : NULL);
    }
    ckptctl_adopt_clear(&adopt);
    g_free(opt.bundle);
    g_free(opt.net);
    return status;
}
