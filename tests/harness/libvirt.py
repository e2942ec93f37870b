# SPDX-License-Identifier: GPL-2.0-or-later
"""A libvirtd of one's own, and guests that are its domains.

Libvirtd is a real libvirtd (and virtlogd) in network and mount namespaces of
its own, with directories of its own in the places where it looks for them: /run,
/etc/libvirt, /var/lib/libvirt, /var/log/libvirt.  It runs without systemd and
D-Bus, as root (qemu:///system) or as another user (qemu:///session).  ckptd and
virsh of a test run in the same namespaces.  What was built is seen at
/run/build there, so that a user who may not look into the checkout can run it.
Nothing of all that is left after close().
"""

import contextlib
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree

from .by_hand import USER_NET, Netd, make_bundle
from .daemon import BUILD, Daemon, Guest, process_alive
from .hosts import Namespace
from .waiting import wait_for

INSIDE_BUILD = pathlib.Path("/run/build")
# What libvirt found out of our QEMU is kept from test to test: it takes seconds.
CACHE = BUILD / "libvirt-cache"
QEMU_USER = "libvirt-qemu"
DEV_WITHOUT_KVM = """
mount -t tmpfs -o mode=755 dev "$0"
for node in fd full net null ptmx random stderr stdin stdout tty urandom zero
do
    cp -a /dev/$node "$0"
done
for tree in pts shm
do
    mkdir "$0/$tree"
    mount --bind /dev/$tree "$0/$tree"
done
umount --recursive --lazy /dev
mount --move "$0" /dev
"""


def installed():
    """Whether this machine has a libvirtd with which all that can be tried."""
    return (os.geteuid() == 0 and shutil.which("libvirtd") is not None
            and shutil.which("virsh") is not None)


def as_user(name):
    """The words before a command line that @name is to run."""
    return ["setpriv", f"--reuid={name}",
            f"--regid={pwd.getpwnam(name).pw_gid}", "--clear-groups"]


class VirshError(Exception):
    """virsh said no; str() is what it said."""


class Libvirtd:
    """libvirtd for qemu:///system; of @user (a name), for qemu:///session."""

    def __init__(self, user=None, namespace=None):
        self.user = user
        self.uri = "qemu:///session" if user else "qemu:///system"
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sluice-"))
        self.directory.chmod(0o755)
        self.namespace = namespace or Namespace()
        self.environment = {**os.environ, "LC_ALL": "C",
                            "LIBVIRT_DEFAULT_URI": self.uri}
        self.processes = []
        self.process = self.logger = None
        self.daemons = []
        with self._closing_on_error():
            self._mount()
            self.start()

    @contextlib.contextmanager
    def _closing_on_error(self):
        try:
            yield
        except BaseException:
            self.close()
            raise

    # Directories -------------------------------------------------------------

    def _bind(self, source, target):
        self.namespace.run(["mount", "--bind", source, target])

    def _mount(self):
        self._hide_cgroups()
        self._hide_false_kvm()
        for place in ("etc/libvirt", "var/lib/libvirt", "var/log/libvirt"):
            own = self.directory / place
            shutil.copytree(f"/{place}", own, symlinks=True)
            self._copy_owners(f"/{place}", own)
            self._bind(own, f"/{place}")
        # The networks of a distribution want dnsmasq, and names of interfaces.
        networks = self.directory / "etc/libvirt/qemu/networks"
        shutil.rmtree(networks, ignore_errors=True)
        CACHE.mkdir(mode=0o711, exist_ok=True)
        self._bind(CACHE, "/var/cache/libvirt")
        run = self.directory / "run"
        (run / "build").mkdir(parents=True)
        self._bind(run, "/run")
        self._bind(BUILD, INSIDE_BUILD)
        if self.user:
            self._make_home(run)

    def _hide_cgroups(self):
        """They have no namespace here: what libvirtd made there would stay.
        Below the namespace's own /sys they are out of reach as well, but not
        out of the table of mounts."""
        self.namespace.run(["umount", "/sys"])
        if os.path.ismount("/sys/fs/cgroup"):
            self.namespace.run(["umount", "--recursive", "/sys/fs/cgroup"])
        self.namespace.run(["mount", "-t", "sysfs", "sysfs", "/sys"])

    def _hide_false_kvm(self):
        """A /dev/kvm without a processor for it is not used (ckptd-spec.c).
        libvirt would, to find out what QEMU can, and where it is not every
        user's, find out again at every start.  So there is none in our /dev."""
        flags = pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii")
        if os.path.exists("/dev/kvm") and not re.search(
                r"^flags\s*:.*\b(vmx|svm)\b", flags, re.MULTILINE):
            own = self.directory / "dev"
            own.mkdir()
            self.namespace.run(["sh", "-ec", DEV_WITHOUT_KVM, own])

    @staticmethod
    def _copy_owners(source, copy):
        for path in [pathlib.Path(source), *pathlib.Path(source).rglob("*")]:
            status = path.lstat()
            os.chown(copy / path.relative_to(source), status.st_uid,
                     status.st_gid, follow_symlinks=False)

    def _make_home(self, run):
        entry = pwd.getpwnam(self.user)
        for variable, path in (("HOME", self.directory / "home"),
                               ("XDG_RUNTIME_DIR", run / "user")):
            path.mkdir(mode=0o700)
            os.chown(path, entry.pw_uid, entry.pw_gid)
            self.environment[variable] = (
                f"/run/{path.name}" if path.parent == run else str(path))
        for variable in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME",
                         "XDG_STATE_HOME", "XDG_DATA_HOME"):
            self.environment.pop(variable, None)

    # Processes ---------------------------------------------------------------

    def command(self, argv):
        """@argv as a command line that runs inside, as the user."""
        words = as_user(self.user) if self.user else []
        return self.namespace.command([*words, *map(str, argv)])

    def netd_command(self):
        """ckpt-netd as the user that QEMU runs as.  It sees the files that are
        inside, and the network outside, where a test's clients are."""
        return ["nsenter", f"--mount={self.namespace.path('mnt')}", "--",
                *as_user(self.user or QEMU_USER),
                INSIDE_BUILD / "ckptd/ckpt-netd"]

    def popen(self, argv, log):
        """A process inside that close() ends."""
        with open(self.directory / log, "ab") as out:
            process = subprocess.Popen(
                self.command(argv), env=self.environment,
                stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True)
        self.processes.append(process)
        return process

    def socket(self):
        """Where it listens, as seen from outside."""
        run = self.directory / "run"
        return (run / "user/libvirt/libvirt-sock" if self.user
                else run / "libvirt/libvirt-sock")

    def start(self):
        """Start it, and virtlogd; until it listens."""
        if not self.logger or self.logger.poll() is not None:
            self.logger = self.popen(["virtlogd"], "virtlogd.log")
        self.process = self.popen(["libvirtd", "--timeout", "0"],
                                  "libvirtd.log")
        wait_for(self._listens, 60, "libvirtd listens")

    def _listens(self):
        if self.process.poll() is not None:
            raise VirshError(self.log())
        return self.try_virsh("uri").returncode == 0

    def log(self):
        """What libvirtd has said."""
        path = self.directory / "libvirtd.log"
        return path.read_text(encoding="utf-8", errors="replace")

    def kill(self):
        """SIGKILL to libvirtd alone; its domains run on."""
        self.process.kill()
        self.process.wait()

    def boot(self):
        """As when the host has booted: with nothing of the last time in /run,
        libvirtd starts what is to start by itself."""
        for process in (self.process, self.logger):
            process.terminate()
            process.wait(20)
        shutil.rmtree(self.socket().parent)
        self.start()

    def try_virsh(self, *arguments, timeout_s=120):
        return subprocess.run(
            self.command(["virsh", "-q", "-c", self.uri, *arguments]),
            env=self.environment, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=timeout_s, check=False)

    def virsh(self, *arguments, timeout_s=120):
        """Standard output of virsh; VirshError when it fails."""
        done = self.try_virsh(*arguments, timeout_s=timeout_s)
        if done.returncode:
            raise VirshError(f"virsh {' '.join(map(str, arguments))}: "
                             f"{done.stderr}{done.stdout}")
        return done.stdout.strip()

    def daemon(self):
        """A Daemon whose ckptd, ckptctl and helpers run inside; close() ends
        it."""
        daemon = LibvirtDaemon(self)
        self.daemons.append(daemon)
        return daemon

    # The end -----------------------------------------------------------------

    def _qemu_pids(self):
        run = self.directory / "run"
        for path in [*run.glob("libvirt/qemu/*.pid"),
                     *run.glob("user/libvirt/qemu/run/*.pid")]:
            with contextlib.suppress(OSError, ValueError):
                yield int(path.read_text(encoding="ascii"))

    def close(self):
        """End domains and daemons; take away all that was made."""
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
            stack.callback(self.namespace.close)
            stack.callback(self._end_processes)
            for daemon in self.daemons:
                stack.callback(daemon.close)

    def _end_processes(self):
        pids = list(self._qemu_pids())
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pid in pids:
            if process_alive(pid):
                os.kill(pid, signal.SIGKILL)
                wait_for(lambda p=pid: not process_alive(p), 20, "QEMU ends")


class LibvirtDaemon(Daemon):
    """ckptd beside a libvirtd, run by the user that libvirtd runs as."""

    def __init__(self, libvirtd):
        super().__init__(build=INSIDE_BUILD, host=libvirtd)
        self.libvirtd = libvirtd
        self.directory.chmod(0o755)
        self.environment = {**libvirtd.environment, **{
            name: value for name, value in self.environment.items()
            if name.startswith("SLUICE_")}}
        self.state.mkdir(mode=0o700)
        self.runtime.mkdir(mode=0o700)
        if libvirtd.user:
            entry = pwd.getpwnam(libvirtd.user)
            for path in (self.directory, self.state, self.runtime):
                os.chown(path, entry.pw_uid, entry.pw_gid)


class Domain(Guest):
    """A guest that is a domain of @daemon's libvirtd.

    @net: a NET of `ckptctl domxml`; with @ports ((host, guest) pairs) it is a
    ckpt-netd.  @adopt: more words for domxml.  Not started yet, and defined
    only by define().
    """

    def __init__(self, daemon, program, *arguments, name="guest", ports=(),
                 net="none", ip=USER_NET, adopt=("--verify",), memory_mib=64,
                 directory="domain"):
        super().__init__(daemon, name)
        self.libvirtd = daemon.libvirtd
        self.directory = daemon.directory / f"{directory}-{name}"
        self.directory.mkdir()
        self.directory.chmod(0o755)
        self.bundle = self.directory / "bundle"
        make_bundle(self.bundle, program, *arguments, net=ip)
        owner = self.libvirtd.user or QEMU_USER
        entry = pwd.getpwnam(owner)
        for path in (self.directory, self.bundle):
            os.chown(path, entry.pw_uid, entry.pw_gid)
        self.netd = None
        daemon.by_hand.append(self)     # closed even if the rest fails
        if ports:
            self.netd = Netd(self.directory, ports,
                             command=self.libvirtd.netd_command())
            net = f"netd={self.netd.socket}"
        self.xml = daemon.ctl(
            "domxml", "--new", "--name", name, "--memory", memory_mib,
            "--bundle", self.bundle, "--net", net, *adopt)
        self.xml_path = self.directory / "domain.xml"
        self.xml_path.write_text(self.xml, encoding="utf-8")
        self.xml_path.chmod(0o644)

    def virsh(self, verb, *arguments):
        """`virsh VERB DOMAIN ARGUMENTS`."""
        return self.libvirtd.virsh(verb, self.name, *arguments)

    def define(self):
        """A persistent domain, not started."""
        self.libvirtd.virsh("define", self.xml_path)
        return self

    def start(self):
        """`virsh start`; until ckptd says that it runs."""
        self.virsh("start")
        self.wait_state("running")
        return self

    def create(self):
        """A transient domain, running."""
        self.libvirtd.virsh("create", self.xml_path)
        self.wait_state("running")
        return self

    def state(self):
        """What libvirt says: "running", "shut off (crashed)", ...; None when
        it knows no such domain."""
        done = self.libvirtd.try_virsh("domstate", self.name, "--reason")
        if "failed to get domain" in done.stderr:
            return None
        return done.stdout.strip()

    def wait_domain(self, state, timeout_s=60):
        """Until libvirt says @state, but for the reason."""
        return wait_for(
            lambda: (self.state() or "none").startswith(state), timeout_s,
            f"{self.name}: libvirt says {state}")

    def is_persistent(self):
        return "Persistent:     yes" in self.virsh("dominfo")

    def crash(self, load=None):
        """SIGKILL to QEMU, and until the next one runs.  Return: status."""
        before = self.status()["recoveries"]
        self.kill_qemu(load)
        return self.wait_recovered(before + 1)

    def monitor(self, command):
        """A QMP command (a dictionary's text) through libvirt."""
        return self.virsh("qemu-monitor-command", command)

    def qmp(self, command, **arguments):
        """As Guest.qmp(), through libvirt."""
        order = {"execute": command, "arguments": arguments}
        return json.loads(self.monitor(json.dumps(order)))["return"]

    def netdev(self):
        """The <interface> of the domain as it runs now."""
        tree = ElementTree.fromstring(self.virsh("dumpxml"))
        return tree.find("./devices/interface")

    def close(self):
        """The daemon calls it."""
        self.libvirtd.try_virsh("destroy", self.name)
        if self.netd:
            self.netd.close()


__all__ = ["Domain", "Libvirtd", "VirshError", "installed"]
