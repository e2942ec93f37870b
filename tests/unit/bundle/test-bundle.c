/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-bundle.c - what a guest boots with, and what a user may ask for
 *
 * The bundle is read back with the eyes of the guest's kernel: only by what
 * abi/guest-boot.h says.
 */
#include <arpa/inet.h>
#include <elf.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "ckptd/ckpt-bundle.h"
#include "ckptd/ckptd-error.h"
#include "ckptd/ckptd-guest-internal.h"
#include "ckptd/ckptd-launch.h"
#include "ckptd/ckptd-spec-net.h"
#include "ckptd/ckptd-spec.h"

struct fixture {
    char *dir;
    char *elf; /* smallest thing that counts as a static program */
};

static void write_elf(const char *path, guint16 machine, guint32 phdr_type)
{
    struct {
        Elf64_Ehdr ehdr;
        Elf64_Phdr phdr;
    } file = { 0 };

    memcpy(file.ehdr.e_ident, ELFMAG, SELFMAG);
    file.ehdr.e_ident[EI_CLASS] = ELFCLASS64;
    file.ehdr.e_type = ET_EXEC;
    file.ehdr.e_machine = machine;
    file.ehdr.e_phoff = sizeof(file.ehdr);
    file.ehdr.e_phentsize = sizeof(file.phdr);
    file.ehdr.e_phnum = 1;
    file.phdr.p_type = phdr_type;
    g_assert_true(g_file_set_contents(path, (char *)&file, sizeof(file), NULL));
}

static void set_up(struct fixture *f, gconstpointer opaque G_GNUC_UNUSED)
{
    f->dir = g_dir_make_tmp("ckpt-bundle-XXXXXX", NULL);
    f->elf = g_build_filename(f->dir, "program", NULL);
    write_elf(f->elf, EM_X86_64, PT_LOAD);
    g_setenv("SLUICE_QEMU", f->elf, TRUE);
    g_setenv("SLUICE_KERNEL", f->elf, TRUE);
    g_setenv("SLUICE_LIBRARY", f->elf, TRUE);
    g_setenv("SLUICE_NETD", f->elf, TRUE);
    g_setenv("SLUICE_QBOOT", f->elf, TRUE);
}

static void tear_down(struct fixture *f, gconstpointer opaque G_GNUC_UNUSED)
{
    g_assert_true(ckptd_guest_remove_tree(f->dir, NULL));
    g_free(f->dir);
    g_free(f->elf);
}

#define TEST(name)                                                             \
    static void name(struct fixture *f, gconstpointer opaque G_GNUC_UNUSED)

/* --- the bundle ----------------------------------------------------------- */

/* The only entry of a kind, found as the kernel finds it. */
static const void *entry(GBytes *bytes, guint32 type, guint32 process,
                         struct boot_entry *ret_entry)
{
    const guint8 *data = g_bytes_get_data(bytes, NULL);
    struct boot_bundle head;
    struct boot_entry e;
    const void *found = NULL;
    guint i;

    memcpy(&head, data, sizeof(head));
    g_assert_cmpuint(head.magic, ==, BOOT_BUNDLE_MAGIC);
    g_assert_cmpuint(head.version, ==, BOOT_BUNDLE_VERSION);
    g_assert_cmpuint(head.total_bytes, ==, g_bytes_get_size(bytes));
    for (i = 0; i < head.n_entries; i++) {
        memcpy(&e, data + head.entries_offset + i * sizeof(e), sizeof(e));
        g_assert_cmpuint(e.offset % BOOT_ALIGN, ==, 0);
        g_assert_cmpuint(e.offset + e.len_bytes, <=, head.total_bytes);
        if (e.type == type && e.process == process) {
            g_assert_null(found);
            found = data + e.offset;
            *ret_entry = e;
        }
    }
    return found;
}

TEST(whole_bundle)
{
    const char *const argv[] = { "prog", "", "two words", NULL };
    const char *const env[] = { "A=1", "B=", NULL };
    g_autoptr(CkptBundle) bundle = ckpt_bundle_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = NULL;
    struct boot_entry e;
    struct boot_net net;
    const void *data;

    g_assert_true(ckpt_bundle_parse_net(
        "10.0.2.15/24,gateway=10.0.2.2,dns=10.0.2.3,mac=52:54:00:1:2:3,"
        "mtu=1400,hostname=me",
        &net, &error));
    g_assert_true(ckpt_bundle_add_library(bundle, f->elf, &error));
    g_assert_true(ckpt_bundle_add_program(bundle, 0, f->elf, "prog", &error));
    g_assert_true(ckpt_bundle_add_strings(bundle, BOOT_ARGV, 0, argv, &error));
    g_assert_true(ckpt_bundle_add_strings(bundle, BOOT_ENVP, 0, env, &error));
    g_assert_true(ckpt_bundle_add_net(bundle, 0, &net, &error));
    g_assert_true(
        ckpt_bundle_add_file(bundle, BOOT_SHARED, f->elf, "/etc/x", &error));
    bytes = ckpt_bundle_build(bundle, &error);
    g_assert_no_error(error);
    data = entry(bytes, BOOT_ARGV, 0, &e);
    g_assert_cmpmem(data, e.len_bytes, "prog\0\0two words", 16);
    data = entry(bytes, BOOT_NET, 0, &e);
    memcpy(&net, data, sizeof(net));
    g_assert_cmpuint(ntohl(net.address), ==, 0x0a00020f);
    g_assert_cmpuint(ntohl(net.netmask), ==, 0xffffff00);
    g_assert_cmpuint(net.mac[5], ==, 3);
    g_assert_cmpuint(net.mtu, ==, 1400);
    g_assert_nonnull(entry(bytes, BOOT_FILE, BOOT_SHARED, &e));
    g_assert_cmpstr(e.name, ==, "/etc/x");
    g_assert_nonnull(entry(bytes, BOOT_LIBRARY, BOOT_SHARED, &e));
    g_assert_cmpuint(e.len_bytes, ==, sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr));
}

/* As much as the first stack takes, and one byte more. */
TEST(arguments_have_a_limit)
{
    g_autofree char *most = g_strnfill(BOOT_STRING_MAX - 1, 'x');
    g_autofree char *more = g_strnfill(BOOT_STRING_MAX, 'x');
    guint n = BOOT_STRINGS_MAX / (sizeof(guint64) + 2);
    const char *one[] = { most, NULL };
    const char *const env[] = { "A=1", NULL };
    g_autofree const char **many = g_new0(const char *, n + 1);
    g_autoptr(CkptBundle) bundle = ckpt_bundle_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = NULL;

    for (guint i = 0; i < n; i++) {
        many[i] = "y";
    }
    g_assert_true(ckpt_bundle_add_library(bundle, f->elf, &error));
    for (guint i = 0; i < 2; i++) {
        g_assert_true(ckpt_bundle_add_program(bundle, i, f->elf, "p", &error));
    }
    g_assert_true(ckpt_bundle_add_strings(bundle, BOOT_ARGV, 0, one, &error));
    one[0] = more;
    g_assert_false(ckpt_bundle_add_strings(bundle, BOOT_ARGV, 1, one, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID);
    g_clear_error(&error);
    g_assert_true(ckpt_bundle_add_strings(bundle, BOOT_ARGV, 1, many, &error));
    bytes = ckpt_bundle_build(bundle, &error);
    g_assert_no_error(error);
    g_assert_true(
        ckpt_bundle_add_strings(bundle, BOOT_ENVP, BOOT_SHARED, env, &error));
    g_assert_null(ckpt_bundle_build(bundle, &error));
    g_assert_nonnull(strstr(error->message, "argument list too long"));
}

TEST(incomplete_bundle)
{
    g_autoptr(CkptBundle) bundle = ckpt_bundle_new();
    g_autoptr(GError) error = NULL;

    g_assert_true(ckpt_bundle_add_library(bundle, f->elf, &error));
    g_assert_null(ckpt_bundle_build(bundle, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID);
    g_clear_error(&error);
    /* Process 1 without process 0. */
    g_assert_true(ckpt_bundle_add_program(bundle, 1, f->elf, "p", &error));
    g_assert_null(ckpt_bundle_build(bundle, &error));
    g_clear_error(&error);
    g_assert_false(ckpt_bundle_add_program(bundle, BOOT_MAX_PROCESSES, f->elf,
                                           "p", &error));
}

static void refuse_program(const char *path, const char *word)
{
    g_autoptr(CkptBundle) bundle = ckpt_bundle_new();
    g_autoptr(GError) error = NULL;

    g_assert_false(ckpt_bundle_add_program(bundle, 0, path, "p", &error));
    g_assert_nonnull(strstr(error->message, word));
}

TEST(wrong_programs)
{
    g_autofree char *path = g_build_filename(f->dir, "wrong", NULL);

    refuse_program(path, "No such file");
    g_file_set_contents(path, "#!/bin/sh\n", -1, NULL);
    refuse_program(path, "not an ELF");
    write_elf(path, EM_AARCH64, PT_LOAD);
    refuse_program(path, "x86-64");
    write_elf(path, EM_X86_64, PT_INTERP);
    refuse_program(path, "-static");
}

TEST(fuzzed_elf)
{
    g_autofree char *data = NULL;
    gsize len;
    guint i;

    g_assert_true(g_file_get_contents(f->elf, &data, &len, NULL));
    for (i = 0; i < 20000; i++) {
        g_autofree char *copy = g_memdup2(data, len);
        gsize cut = g_test_rand_int_range(0, len + 1);

        copy[g_test_rand_int_range(0, len)] = g_test_rand_int_range(0, 256);
        copy[g_test_rand_int_range(0, len)] = g_test_rand_int_range(0, 256);
        ckpt_bundle_check_elf(copy, cut, "fuzz", NULL);
    }
}

TEST(wrong_nets)
{
    static const char *const wrong[] = {
        "",
        "10.0.2.15",
        "10.0.2.15/0",
        "10.0.2.15/33",
        "300.0.0.1/8",
        "10.0.2.15/24,gateway",
        "10.0.2.15/24,gateway=x",
        "10.0.2.15/24,mac=1:2:3",
        "10.0.2.15/24,mac=1:2:3:4:5:6:7",
        "10.0.2.15/24,mtu=1",
        "10.0.2.15/24,what=ever",
        "10.0.2.15/24,mac=1:0:0:0:0:0",
        "10.0.2.15/24,gateway=10.0.3.1",
        "127.0.0.1/8",
        "224.0.0.1/24",
        "dhcp/24",
    };
    struct boot_net net;
    guint i;

    g_assert_nonnull(f);
    for (i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(ckpt_bundle_parse_net(wrong[i], &net, &error));
        g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID);
    }
}

/* --- the spec ------------------------------------------------------------- */

static struct ckptd_spec *spec_of(struct fixture *f, const char *options,
                                  GError **error)
{
    const char *argv[] = { f->elf, "--flag;with,odd\nsigns", "", NULL };
    g_autoptr(GVariant) parsed =
        g_variant_parse(G_VARIANT_TYPE_VARDICT, options, NULL, NULL, NULL);

    g_assert_nonnull(parsed);
    return ckptd_spec_new(parsed, argv, error);
}

TEST(spec_survives)
{
    g_autofree char *path = g_build_filename(f->dir, "guest.conf", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(CkptdSpec) a = spec_of(
        f,
        "{'name': <'redis-1'>, 'memory_mib': <uint32 64>, 'verify': <true>,"
        " 'env': <['A=b;c', 'D=']>, 'forwards': <['16379:6379',"
        " '0.0.0.0:80:8080']>, 'accel': <'tcg'>}",
        &error);
    g_autoptr(CkptdSpec) b = NULL;

    g_assert_no_error(error);
    g_assert_cmpstr(a->forwards[0], ==, "tcp:127.0.0.1:16379:6379");
    g_assert_cmpstr(a->forwards[1], ==, "tcp:0.0.0.0:80:8080");
    g_assert_true(ckptd_spec_save(a, path, &error));
    b = ckptd_spec_load(path, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(b->name, ==, "redis-1");
    g_assert_cmpuint(b->memory_mib, ==, 64);
    g_assert_true(b->verify && b->checkpoint);
    g_assert_true(g_strv_equal((const char *const *)a->argv,
                               (const char *const *)b->argv));
    g_assert_true(
        g_strv_equal((const char *const *)a->env, (const char *const *)b->env));
    g_assert_cmpstr(a->mac, ==, b->mac);
    g_assert_cmpstr(a->uuid, ==, b->uuid);
}

TEST(spec_refuses)
{
    static const char *const wrong[] = {
        "{'name': <'../../etc'>}",
        "{'name': <''>}",
        "{'name': <'-x'>}",
        "{'name': <'a'>, 'memory_mib': <uint32 1>}",
        "{'name': <'a'>, 'memory_mib': <'64'>}",
        "{'name': <'a'>, 'forwards': <['70000:1']>}",
        "{'name': <'a'>, 'forwards': <['x']>}",
        "{'name': <'a'>, 'net': <'none'>, 'forwards': <['1:1']>}",
        "{'name': <'a'>, 'net': <'bridge'>}",
        "{'name': <'a'>, 'accel': <'xen'>}",
        "{'name': <'a'>, 'env': <['novalue']>}",
        "{'name': <'a'>, 'files': <['relative:/a']>}",
        "{'name': <'a'>, 'net': <'tap,switch=br0'>}",
        "{'name': <'a'>, 'net': <'tap,ifname=longer-than-15-bytes'>}",
        "{'name': <'a'>, 'net': <'tap,bridge=a/b'>}",
        "{'name': <'a'>, 'net': <'user,bridge=br0'>}",
        "{'name': <'a'>, 'net': <'tap'>, 'forwards': <['1:1']>}",
        "{'name': <'a'>, 'net': <'tap'>, 'capture': <'/x'>}",
        "{'name': <'a'>, 'net': <'none'>, 'ips': <['10.0.0.1/8']>}",
        "{'name': <'a'>, 'ips': <['10.0.0.1']>}",
        "{'name': <'a'>, 'ips': <['10.0.2.1/24', '10.0.2.9/24']>}",
        "{'name': <'a'>, 'more': <['/p']>, 'ips': <['10.0.2.1/24', "
        "'10.0.2.1/24']>}",
        "{'name': <'a'>, 'more': <['/p']>, 'macs': <['02:00:00:00:00:01', "
        "'02:00:00:00:00:01']>}",
        "{'name': <'a'>, 'macs': <['03:00:00:00:00:01']>}",
        "{'name': <'a'>, 'more': <['relative']>}",
        "{'name': <'a'>, 'more': <['/p \\'open']>}",
        "{'name': <'a'>, 'net': <'tap'>, 'ips': <['10.0.0.2/24']>, "
        "'gateway': <'10.0.1.1'>}",
        "{'name': <'a'>, 'uuid': <'mine'>}",
        "{'name': <'a'>, 'checkpoint': <false>, 'verify': <true>}",
    };
    guint i;

    for (i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(CkptdSpec) spec = spec_of(f, wrong[i], &error);

        g_assert_null(spec);
        g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID);
    }
}

static const struct boot_net *net_of(GBytes *bundle, guint process)
{
    struct boot_entry e;

    return entry(bundle, BOOT_NET, process, &e);
}

/* Each program is a process with addresses of its own. */
TEST(several_programs)
{
    g_autofree char *options = g_strdup_printf(
        "{'name': <'a'>, 'accel': <'tcg'>, 'net': <'tap,bridge=br0,ifname=t0'>,"
        " 'ips': <['10.1.0.5/24', 'dhcp']>, 'gateway': <'10.1.0.1'>,"
        " 'macs': <['02:00:00:00:00:ff']>, 'more': <['%s \\'two words\\'', '%s']>}",
        f->elf, f->elf);
    g_autofree char *path = g_build_filename(f->dir, "bundle", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(CkptdSpec) spec = spec_of(f, options, &error);
    g_autofree char *data = NULL, *words = NULL;
    g_autoptr(GBytes) bytes = NULL;
    struct boot_entry e;
    gsize len;

    g_assert_no_error(error);
    g_assert_cmpstr(spec->net, ==, "tap");
    g_assert_cmpstr(spec->bridge, ==, "br0");
    g_assert_cmpstr(spec->ifname, ==, "t0");
    g_assert_true(ckptd_spec_make_bundle(spec, path, &error));
    g_assert_true(g_file_get_contents(path, &data, &len, NULL));
    bytes = g_bytes_new(data, len);
    g_assert_cmpuint(((struct boot_bundle *)data)->n_processes, ==, 3);
    words = g_strdup_printf("%s%ctwo words", f->elf, 0);
    g_assert_cmpmem(entry(bytes, BOOT_ARGV, 1, &e), e.len_bytes, words,
                    strlen(f->elf) + sizeof("two words") + 1);
    g_assert_cmpuint(ntohl(net_of(bytes, 0)->address), ==, 0x0a010005);
    g_assert_cmpuint(ntohl(net_of(bytes, 0)->gateway), ==, 0x0a010001);
    g_assert_cmpuint(net_of(bytes, 0)->flags, ==, 0);
    g_assert_cmpuint(net_of(bytes, 0)->mac[5], ==, 0xff);
    g_assert_cmpuint(net_of(bytes, 1)->flags, ==, BOOT_NET_DHCP);
    g_assert_cmpuint(net_of(bytes, 1)->address, ==, 0);
    g_assert_cmpstr(net_of(bytes, 1)->hostname, ==, "a-1");
    g_assert_cmpuint(net_of(bytes, 2)->mac[4], ==, 1);
    g_assert_cmpuint(net_of(bytes, 2)->mac[5], ==, 1);
    g_assert_cmpuint(net_of(bytes, 2)->flags, ==, BOOT_NET_DHCP);
}

static struct ckptd_spec *fork_of(const struct ckptd_spec *of,
                                  const char *options, GError **error)
{
    g_autoptr(GVariant) parsed =
        g_variant_parse(G_VARIANT_TYPE_VARDICT, options, NULL, NULL, NULL);

    g_assert_nonnull(parsed);
    return ckptd_spec_fork(of, "warm", "new", parsed, error);
}

/* A start from a label is somebody else on the network, and the same program:
 * nothing that others see is the other guest's, unless it is asked for. */
TEST(fork_is_another)
{
    g_autofree char *options = g_strdup_printf(
        "{'name': <'a'>, 'accel': <'tcg'>, 'more': <['%s']>,"
        " 'forwards': <['16379:6379', '0.0.0.0:80:10.0.2.16:8080/udp']>,"
        " 'macs': <['02:00:00:00:00:ff']>, 'capture': <'/c'>,"
        " 'memory_mib': <uint32 64>}",
        f->elf);
    g_autofree char *path = g_build_filename(f->dir, "bundle", NULL);
    g_autofree char *copy = g_build_filename(f->dir, "copy", NULL);
    g_autofree char *data = NULL, *old = NULL;
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(CkptdSpec) a = spec_of(f, options, &error);
    g_autoptr(CkptdSpec) b = NULL;
    gsize len, old_len;

    g_assert_no_error(error);
    b = fork_of(a, "{}", &error);
    g_assert_no_error(error);
    g_assert_cmpstr(b->name, ==, "new");
    g_assert_cmpstr(b->from, ==, "a@warm");
    g_assert_cmpstr(b->uuid, !=, a->uuid);
    g_assert_cmpstr(b->mac, !=, a->mac);
    g_assert_null(b->capture);
    g_assert_cmpuint(b->memory_mib, ==, 64);
    g_assert_cmpuint(g_strv_length(b->forwards), ==, 2);
    g_assert_true(g_str_has_prefix(b->forwards[0], "tcp:127.0.0.1:"));
    g_assert_true(g_str_has_suffix(b->forwards[0], ":6379"));
    g_assert_cmpstr(b->forwards[0], !=, a->forwards[0]);
    g_assert_true(g_str_has_prefix(b->forwards[1], "udp:0.0.0.0:"));
    g_assert_true(g_str_has_suffix(b->forwards[1], ":10.0.2.16:8080"));

    g_assert_true(ckptd_spec_make_bundle(a, path, &error));
    g_assert_true(ckptd_spec_copy_bundle(b, path, copy, &error));
    g_assert_no_error(error);
    g_assert_true(g_file_get_contents(copy, &data, &len, NULL));
    g_assert_true(g_file_get_contents(path, &old, &old_len, NULL));
    g_assert_cmpuint(len, ==, old_len);
    bytes = g_bytes_new(data, len);
    g_assert_cmpstr(net_of(bytes, 0)->hostname, ==, "new");
    g_assert_cmpstr(net_of(bytes, 1)->hostname, ==, "new-1");
    g_assert_cmpuint(net_of(bytes, 0)->mac[0], ==, 0x52);
    g_assert_cmpuint(ntohl(net_of(bytes, 1)->address), ==, 0x0a000210);
    old[0] = 0;
    g_assert_true(g_file_set_contents(path, old, old_len, NULL));
    g_assert_false(ckptd_spec_copy_bundle(b, path, copy, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED);
}

/* On a bridge it asks for an address of its own. */
TEST(fork_on_a_bridge)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CkptdSpec) a = spec_of(
        f,
        "{'name': <'a'>, 'accel': <'tcg'>, 'net': <'tap,bridge=br0,ifname=t0'>,"
        " 'ips': <['10.1.0.5/24']>, 'gateway': <'10.1.0.1'>}",
        &error);
    g_autoptr(CkptdSpec) b = NULL, c = NULL;
    struct boot_net net;

    g_assert_no_error(error);
    b = fork_of(a, "{}", &error);
    g_assert_no_error(error);
    g_assert_cmpstr(b->bridge, ==, "br0");
    g_assert_null(b->ifname);
    g_assert_true(ckptd_spec_net_address(b, 0, &net, &error));
    g_assert_cmpuint(net.flags, ==, BOOT_NET_DHCP);
    c = fork_of(a, "{'ips': <['10.1.0.6/24']>, 'hold_mib': <uint32 4>}",
                &error);
    g_assert_no_error(error);
    g_assert_true(ckptd_spec_net_address(c, 0, &net, &error));
    g_assert_cmpuint(ntohl(net.address), ==, 0x0a010006);
    g_assert_cmpuint(ntohl(net.gateway), ==, 0x0a010001);
    g_assert_cmpuint(c->hold_mib, ==, 4);
}

/* What the checkpoint fixes cannot be asked for. */
TEST(fork_refuses)
{
    static const char *const wrong[] = {
        "{'memory_mib': <uint32 64>}",
        "{'accel': <'kvm'>}",
        "{'env': <['A=b']>}",
        "{'uuid': <'11111111-2222-4333-8444-555555555555'>}",
        "{'name': <'b'>}",
        "{'net': <'none'>}",
        "{'net': <'tap,switch=br0'>}",
        "{'forwards': <['x']>}",
        "{'nonsense': <true>}",
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(CkptdSpec) a =
        spec_of(f, "{'name': <'a'>, 'accel': <'tcg'>}", &error);
    guint i;

    g_assert_no_error(error);
    for (i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(CkptdSpec) spec = fork_of(a, wrong[i], &error);

        g_assert_null(spec);
        g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID);
        g_clear_error(&error);
    }
}

TEST(directory_tree)
{
    g_autofree char *dir = g_build_filename(f->dir, "tree", NULL);
    g_autofree char *deep = g_build_filename(dir, "a", "b", NULL);
    g_autofree char *file = g_build_filename(deep, "file", NULL);
    g_autofree char *loop = g_build_filename(deep, "loop", NULL);
    g_autofree char *dead = g_build_filename(dir, "dead", NULL);
    g_autofree char *link = g_build_filename(dir, "link", NULL);
    g_autofree char *both = g_strconcat(dir, ":/usr/lib/x", NULL);
    char *dirs[] = { both, NULL };
    g_autoptr(CkptBundle) bundle = ckpt_bundle_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = NULL;
    struct boot_entry e[4];
    struct boot_bundle head;
    const char *data;

    g_assert_cmpint(g_mkdir_with_parents(deep, 0700), ==, 0);
    g_assert_true(g_file_set_contents(file, "text", -1, NULL));
    g_assert_cmpint(symlink("..", loop), ==, 0);
    g_assert_cmpint(symlink("nowhere", dead), ==, 0);
    g_assert_cmpint(symlink("a/b/file", link), ==, 0);
    g_assert_true(ckpt_bundle_add_library(bundle, f->elf, &error));
    g_assert_true(ckpt_bundle_add_program(bundle, 0, f->elf, "p", &error));
    g_assert_true(ckpt_bundle_add_paths(bundle, NULL, dirs, &error));
    bytes = ckpt_bundle_build(bundle, &error);
    g_assert_no_error(error);
    data = g_bytes_get_data(bytes, NULL);
    memcpy(&head, data, sizeof(head));
    /* Library, program, the file, and the link as a file. */
    g_assert_cmpuint(head.n_entries, ==, G_N_ELEMENTS(e));
    memcpy(e, data + head.entries_offset, sizeof(e));
    g_assert_cmpstr(e[2].name, ==, "/usr/lib/x/a/b/file");
    g_assert_cmpmem(data + e[2].offset, e[2].len_bytes, "text", 4);
    g_assert_cmpstr(e[3].name, ==, "/usr/lib/x/link");
    g_assert_cmpmem(data + e[3].offset, e[3].len_bytes, "text", 4);
    dirs[0] = file;
    g_assert_false(ckpt_bundle_add_paths(bundle, NULL, dirs, &error));
}

/* F1: one command line, so a recovery cannot differ from the first boot. */
TEST(same_command_line)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CkptdSpec) spec =
        spec_of(f, "{'name': <'a'>, 'accel': <'tcg'>}", &error);
    g_auto(GStrv) first = ckptd_launch_qemu_argv(spec, "/bundle", &error);
    g_auto(GStrv) second = ckptd_launch_qemu_argv(spec, "/bundle", &error);

    g_assert_no_error(error);
    g_assert_true(
        g_strv_equal((const char *const *)first, (const char *const *)second));
    g_assert_true(g_strv_contains((const char *const *)first, "-sandbox"));
    g_assert_true(g_strv_contains((const char *const *)first, "-no-reboot"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, func)                                                        \
    g_test_add(path, struct fixture, NULL, set_up, func, tear_down)
    ADD("/bundle/whole", whole_bundle);
    ADD("/bundle/incomplete", incomplete_bundle);
    ADD("/bundle/arguments-limit", arguments_have_a_limit);
    ADD("/bundle/wrong-programs", wrong_programs);
    ADD("/bundle/fuzzed-elf", fuzzed_elf);
    ADD("/bundle/wrong-nets", wrong_nets);
    ADD("/bundle/several-programs", several_programs);
    ADD("/bundle/directory-tree", directory_tree);
    ADD("/fork/is-another", fork_is_another);
    ADD("/fork/on-a-bridge", fork_on_a_bridge);
    ADD("/fork/refuses", fork_refuses);
    ADD("/spec/survives", spec_survives);
    ADD("/spec/refuses", spec_refuses);
    ADD("/launch/same-command-line", same_command_line);
    return g_test_run();
}
