#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The built command unx while its system calls fail by turns, by the fault injection of strace(1).

usage: tool.py PATH-TO-UNX [--each N] [--quick] [--only SCENARIO [CALL:N:ERROR]] [--jobs N]

Each scenario runs once as it is, and the calls that it makes are counted, from the first one of main() on; then once for
each of them and each error. What must hold: it ends in time, not by a signal; it says on standard error what is wrong and
its exit status is not 0, or it has done its work all the same; no file is left, and a program that it starts has no
descriptor that it should not have. EINTR alone must never be noticed, nor a write that takes a part (SHORT: strace says
that one byte was written, which it was not, so all but that one has to come). What is right all the same is in RIGHT.
--each N takes N of the errors of each call, in turn; --every N every Nth failure of all. Exits with 77 where strace
cannot be used."""
import argparse
import concurrent.futures
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time

SOCKET = "EACCES EAFNOSUPPORT EMFILE ENFILE ENOBUFS ENOMEM"
POLL = "EINTR EINVAL ENOMEM"
OPTION = "EBADF EINVAL ENOPROTOOPT"
SEND = "EAGAIN ECONNRESET EINTR EMSGSIZE ENOBUFS ENOMEM EPERM EPIPE ETOOMANYREFS"
RECV = "EAGAIN ECONNRESET EINTR EINVAL ENOMEM"
SHORT = "SHORT"
# The manual page of each call lists these; those that come of a wrong descriptor number are in the torture of the library.
ERRORS = {
    "socket": SOCKET, "socketpair": SOCKET, "bind": "EACCES EADDRINUSE EINVAL ELOOP ENOENT ENOMEM EROFS",
    "listen": "EADDRINUSE EOPNOTSUPP", "connect": "EACCES EAGAIN ECONNREFUSED EINTR EPERM EPROTOTYPE ETIMEDOUT",
    "accept4": "EAGAIN ECONNABORTED EINTR EMFILE ENFILE ENOBUFS ENOMEM EPERM", "sendmsg": SEND, "sendto": SEND,
    "sendmmsg": SEND, "recvmsg": RECV, "recvfrom": RECV, "recvmmsg": RECV, "getsockopt": OPTION, "setsockopt": OPTION,
    "getsockname": "EINVAL ENOBUFS", "getpeername": "ENOBUFS ENOTCONN", "shutdown": "EINVAL ENOTCONN", "poll": POLL, "ppoll": POLL,
    "epoll_create1": "EMFILE ENFILE ENOMEM", "epoll_ctl": "ENOMEM ENOSPC", "epoll_pwait": "EINTR EINVAL",
    "epoll_pwait2": "EINTR EINVAL ENOSYS", "eventfd2": "EMFILE ENFILE ENODEV ENOMEM", "timerfd_create": "EMFILE ENFILE ENOMEM",
    "timerfd_settime": "EINVAL", "io_uring_setup": "EMFILE ENFILE ENOMEM EPERM ENOSYS",
    "io_uring_enter": "EAGAIN EBUSY EINTR", "io_uring_register": "EINVAL ENOMEM", "flock": "EINTR ENOLCK EAGAIN",
    "renameat2": "EACCES EINVAL ENOSPC EROFS ENOSYS", "linkat": "EACCES EPERM", "fchmod": "EIO EPERM EROFS",
    "pipe": "EMFILE ENFILE", "pipe2": "EMFILE ENFILE", "openat": "EACCES EINTR ELOOP EMFILE ENFILE ENOMEM",
    "unlinkat": "EACCES EIO ENOENT EROFS", "fcntl": "EMFILE EINVAL", "ioctl": "EINVAL EIO ENOTTY",
    "newfstatat": "EACCES EIO ENOENT ENOMEM", "fstat": "EIO ENOMEM", "fstatfs": "EINTR EIO ENOSYS",
    "readlink": "EACCES EIO ENOENT ENOMEM", "pidfd_open": "EMFILE ENFILE ENODEV ENOMEM ENOSYS EPERM ESRCH",
    "memfd_create": "EINVAL EMFILE ENFILE ENOMEM ENOSYS EPERM", "read": "EINTR EIO", "write": "EINTR EIO ENOSPC EPIPE",
    "close": "EINTR EIO ENOSPC", "fchmodat2": "EINVAL EIO ENOSYS EPERM EROFS", "fchownat": "EINVAL EIO EPERM EROFS",
    "dup2": "EBUSY EINTR EMFILE",
}
# What is right all the same: regular expressions for SCENARIO CALL:ERROR, for what there is to say against it, and for
# what the command has to say itself; and the reason.
RIGHT = [
    (r".* (unlinkat|newfstatat):\w+", r"^left \['s'\]$", r"the socket file stays",
     "what cannot be removed stays, and so does what could be another's for all that can be learned"),
    (r".* (unlinkat|newfstatat):ENOENT", r"^left \['s'\]$", r"",
     "somebody else has removed it, as far as can be learned"),
    (r".* write:EPIPE", r"^exit status 0 without a word", r"^$",
     "who reads standard output has gone, which is an end and no failure"),
    (r"(send|activate)-\w+ openat:EINTR", r"^EINTR is noticed", r"(lent|/dev/null): Interrupted system call",
     "opening such a file does not wait, so no signal interrupts it"),
]
DATA = "hello"


class Scenario:
    """under: what runs under strace; with_: a command beside it that serves it, or is served by it."""

    def __init__(self, name, under, beside, serves):
        self.name, self.under, self.beside, self.serves = name, under, beside, serves


def scenarios():
    found = []
    for kind in ("seqpacket", "stream", "dgram"):
        talk = ["--type", kind, "--timeout", "1500"]
        server = ["listen", "./s", "--type", kind, "--echo", "--quiet"]
        found += [Scenario(f"send-{kind}", ["send", "./s", *talk, "--reply", "--fd", "lent", "--data", DATA], server, False)]
        if kind != "dgram":
            found += [Scenario(f"connect-{kind}", ["connect", "./s", *talk], server, False),
                      Scenario(f"peer-{kind}", ["peer", "./s", *talk], server, False)]
        client = ["send", "./s", *talk, "--reply", "--data", DATA]
        for engine in ("io_uring", "epoll", "poll"):
            found += [Scenario(f"listen-{kind}-{engine}",
                               ["listen", "./s", "--type", kind, "--once", "--echo", "--quiet", "--engine", engine, "--timeout", "1500"],
                               client, True)]
        found += [Scenario(f"recv-{kind}", ["recv", "./s", *talk], ["send", "./s", "--type", kind, "--data", DATA], True),
                  Scenario(f"activate-{kind}", ["activate", "./s", *talk, "--", "ls", "/proc/self/fd"],
                           ["send", "./s", "--type", kind, "--data", DATA], True)]
    return found


def wait_for(path, process):
    end = time.monotonic() + 5
    while not path.exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)


def run(unx, scenario, inject):
    """What there is to say against this run, what was done, and the calls that were seen."""
    top = pathlib.Path(tempfile.mkdtemp(prefix="unx-torture-"))
    try:
        (top / "lent").write_text("lent")
        (top / "in").write_text(DATA)
        before = sorted(os.listdir(top)) + ["calls", "err"]
        if scenario.name.startswith("activate"):
            before.append("s")  # the program has it
        # What another program does that was started is not looked at.
        trace = ["strace", "-qq", "-f", "-b", "execve", "-o", "calls", "-e", "trace=" + ",".join("?" + c for c in ERRORS)]
        if inject:
            call, n, error = inject
            trace += ["-e", f"inject={call}:" + ("retval=1" if error == SHORT else f"error={error}") + f":when={n}"]
        beside = None
        if not scenario.serves:
            beside = subprocess.Popen([unx, *scenario.beside], cwd=top, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
            wait_for(top / "s", beside)
            before.append("s")
        with open(top / "err", "wb") as err, open(top / "in", "rb") as given:
            process = subprocess.Popen([*trace, unx, *scenario.under], cwd=top, stdin=given, stdout=subprocess.PIPE, stderr=err,
                                       env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
        got = b""
        if scenario.serves:
            wait_for(top / "s", process)
            if process.poll() is None:
                got = subprocess.run([unx, *scenario.beside], cwd=top, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                     stderr=subprocess.DEVNULL, check=False, timeout=20).stdout
        against = []
        try:
            said = process.communicate(timeout=10)[0]
        except subprocess.TimeoutExpired:
            process.terminate()
            said = process.communicate()[0]
            against.append("it does not end")
        if beside:
            left = sorted(set(os.listdir(top)) - set(before))
            beside.terminate()
            beside.wait()
        else:
            left = sorted(set(os.listdir(top)) - set(before))
        told = (top / "err").read_text(errors="replace").strip()
        traced = top / "calls"
        calls = re.findall(r"^(\d+) +(\w+)\((.*)", traced.read_text(errors="replace") if traced.exists() else "", re.M)
        if not traced.exists():
            against.append("it was not traced")
        # ls(1) has three, the socket, and the directory that it lists.
        more = sorted(set(re.findall(rb"^\d+$", said, re.M)) - {b"%d" % fd for fd in range(5)})
        if scenario.name.startswith("activate") and more:
            against.append(f"the program has descriptors {more}")
        status = process.returncode
        if status < 0 or status >= 128:
            against.append(f"it was killed: {status}")
        if "ERROR: AddressSanitizer" in told or "runtime error" in told:
            against.append("a sanitizer says: " + told[:300])
        if left:
            against.append(f"left {left}")
        if status != 0 and not told:
            against.append(f"exit status {status}, and not a word")
        # A client that has ended by now is known less well, which is a matter of time.
        done = re.sub(rb"pid \d+", b"", re.sub(rb"^  (peer|sender): .*\n", b"", said, flags=re.M)) + got
        return against, (status, done), calls, told
    finally:
        shutil.rmtree(top, ignore_errors=True)


def errors_of(call, args):
    """What is asked of a descriptor that is open, and whether it is closed by execve(2), cannot fail."""
    return [] if call == "fcntl" and re.match(r"\d+, F_[GS]ET(FD|FL)\b", args) else ERRORS[call].split()


def failures(calls):
    """(call, number, error...) of all that can be made to fail: strace numbers the calls of each process for itself."""
    main, loader, seen = calls[0][0], {}, {}
    first = next((i for i, (_, call, args) in enumerate(calls) if call == "fcntl" and args.startswith("0, F_GETFD")), 0)
    for _, call, _ in calls[:first]:
        loader[call] = loader.get(call, 0) + 1
    found = {}
    for pid, call, args in calls:
        seen[pid, call] = number = seen.get((pid, call), 0) + 1
        if number > loader.get(call, 0):
            short = call == "write" and args.startswith("1, ") and not args.endswith(" = 1") and pid == main
            found[call, number] = found.get((call, number)) or ([SHORT] if short else []) + errors_of(call, args)
    return sorted((call, number, errors) for (call, number), errors in found.items() if errors)


def judge(unx, scenario, inject, clean):
    against, result, _, told = run(unx, scenario, inject)
    if inject[2] == SHORT:
        # All that is missing is the byte that was not written.
        parts = [clean[1][:i] + clean[1][i + 1:] for i in range(len(clean[1]))]
        return scenario, inject, against + ([] if result[1] in parts and result[0] == clean[0] else
                                            [f"exit status {result[0]}, and {result[1]!r} of {clean[1]!r}"]), told
    # What could not be learned is said to be unknown.
    if result[0] == 0 and result != clean and not told and b"unknown" not in result[1] and b"pidfd no" not in result[1]:
        against.append(f"exit status 0 without a word, and {result[1]!r} instead of {clean[1]!r}")
    if inject[2] == "EINTR" and result != clean:
        against.append(f"EINTR is noticed: exit status {result[0]}, {result[1]!r}")
    return scenario, inject, against, told


def unexcused(unx, scenario, inject, clean):
    """What is against a failure and is not right all the same; and what the command said."""
    _, _, against, told = judge(unx, scenario, inject, clean)
    name = f"{scenario.name} {inject[0]}:{inject[2]}"
    allowed = [rule for rule in RIGHT if re.fullmatch(rule[0], name) and re.search(rule[2], told)]
    return [what for what in against if not any(re.search(rule[1], what) for rule in allowed)], told


def confirmed(unx, scenario, inject, clean):
    """A fault has to come in two of up to three runs: who waits on a busy machine is late for many reasons."""
    against, told = unexcused(unx, scenario, inject, clean)
    again = any(unexcused(unx, scenario, inject, clean)[0] for _ in range(2)) if against else False
    return scenario, inject, against if again else [], told


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("unx")
    parser.add_argument("--each", type=int, default=0)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+")
    options = parser.parse_args()
    unx = os.path.abspath(options.unx)
    # Without /proc the command goes through all descriptors that there may be, and strace(1) with it.
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    if subprocess.run(["strace", "-qq", "-e", "inject=getppid:error=EPERM", "true"], stdin=subprocess.DEVNULL,
                      capture_output=True, check=False).returncode != 0 if shutil.which("strace") else True:
        print("strace(1) is not there, or may not trace")
        return 77
    work, clean, faults, injected = [], {}, 0, 0
    for s in scenarios():
        if options.quick and s.name not in ("send-seqpacket", "listen-seqpacket-epoll", "recv-dgram"):
            continue
        if options.only and s.name != options.only[0]:
            continue
        for _ in range(3):
            against, clean[s.name], calls, told = run(unx, s, None)
            if clean[s.name][0] == 0 and not against:
                break
        else:
            print(f"{s.name}: fails as it is: {clean[s.name]} {against} {told}")
            faults += 1
            continue
        for call, n, errors in failures(calls):
            turn = [errors[(n + i) % len(errors)] for i in range(min(options.each or len(errors), len(errors)))]
            work += [(s, (call, n, e)) for e in turn]
    work = work[::options.every]
    if options.only and len(options.only) > 1:
        call, n, error = options.only[1].split(":")
        work = [(s, (call, int(n), error)) for s in scenarios() if s.name == options.only[0]]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for s, inject, against, told in pool.map(lambda w: confirmed(unx, *w, clean[w[0].name]), work):
            injected += 1
            if against:
                faults += 1
                print(f"FAULT {s.name} {inject[0]}:{inject[1]}:{inject[2]}: {'; '.join(against)}\n  it said: {told[:300]}\n"
                      f"  repeat: {os.path.relpath(__file__)} {options.unx} --only {s.name} {inject[0]}:{inject[1]}:{inject[2]}",
                      flush=True)
    print(f"{injected} failures injected into the command in {len(clean)} scenarios; {faults} faults")
    return 1 if faults or not injected else 0


sys.exit(main())
