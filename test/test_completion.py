#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Completion in bash and zsh, as somebody at a terminal sees it: what is typed, then the tab key; in fish, as it says itself
what that key would do. TAP.

    test_completion.py UNX FOLDER

UNX is the command, FOLDER has its completions. A shell that is not installed is skipped.
"""
import ctypes
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

WAIT = 80 if "HARNESS_SLOWER" in os.environ else 20
PR_SET_PDEATHSIG = 1


class Shell:
    """An interactive shell at a terminal of its own, in an empty folder, in which `unx` is the command."""

    def __init__(self, argv, place):
        self.seen = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            # A shell without a terminal may go on for ever, so it ends with us, whatever becomes of us.
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            os.chdir(place)
            os.environ.update(TERM="dumb", PS1="ready> ", ZDOTDIR=place, HOME=place, LC_ALL="C")
            os.execvp(argv[0], argv)

    def read_until(self, pattern):
        until = time.monotonic() + WAIT
        while not re.search(pattern, self.seen):
            if time.monotonic() > until or not select.select([self.fd], [], [], until - time.monotonic())[0]:
                raise TimeoutError(f"no {pattern!r} in {self.seen[-2000:]!r}")
            self.seen += os.read(self.fd, 4096).decode(errors="replace")

    def run(self, line):
        """A command, to its end."""
        self.seen = ""
        os.write(self.fd, f"{line}; echo en''d\n".encode())
        self.read_until(r"(?m)^end\r?$")

    def complete(self, typed, expect):
        """What is typed, the tab key, and what is at the terminal when `expect` is. Leaves an empty line."""
        self.seen = ""
        os.write(self.fd, typed.encode() + b"\t\t")
        try:
            self.read_until(expect)
        finally:
            os.write(self.fd, b"\x15")
            self.run(":")

    def end(self):
        # With all that it has started: a zsh that completes when its terminal goes away reads it for ever.
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.getsid(int(pid)) == self.pid:
                    os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        os.waitpid(self.pid, 0)
        os.close(self.fd)


class Fish:
    """Completes in an empty folder, in which `unx` is the command."""

    def __init__(self, argv, place):
        self.argv, self.place = argv, place

    def run(self, line):
        self.argv = self.argv + ["-C", line]

    def complete(self, typed, expect):
        """What is typed, and the line that the only word there is for it leads to."""
        try:
            words = subprocess.run(self.argv + ["-c", "complete -C $argv", typed], cwd=self.place, capture_output=True, text=True,
                                   timeout=WAIT, check=True, env=dict(os.environ, HOME=self.place))
        except subprocess.SubprocessError as e:
            raise TimeoutError(f"{e}") from e
        if words.stderr:
            raise TimeoutError(f"it complains: {words.stderr}")
        lines = [typed[:typed.rindex(" ") + 1] + word.split("\t")[0] + " " for word in words.stdout.splitlines()]
        if len(lines) != 1 or not re.search(expect, lines[0]):
            raise TimeoutError(f"no {expect!r} in {lines!r}")

    def end(self):
        pass


SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'PATH={bin}:$PATH; . {folder}/unx.bash'),
    "zsh": (["zsh", "-f", "-i"],
            "PATH={bin}:$PATH; fpath=({folder} $fpath); autoload -U compinit; compinit -u -d ./dump; unsetopt zle_bracketed_paste"),
    "fish": (["fish", "--no-config"], "set PATH {bin} $PATH; source {folder}/unx.fish"),
}
# What is typed before the tab key, and what stands there afterwards.
CASES = {
    "a verb": ("unx li", r"unx listen "),
    "the last verb": ("unx act", r"unx activate "),
    "an option": ("unx send --rep", r"--reply "),
    "an option of another verb": ("unx listen --onc", r"--once "),
    "a type": ("unx listen --type d", r"--type dgram "),
    "a backend": ("unx recv --engine ep", r"--engine epoll "),
    "an abstract name": ("unx send @{name}-w", r"send @{name}-whole "),
    "an abstract datagram socket": ("unx send --type dgram @{name}-d", r"dgram @{name}-datagrams "),
    "a socket file, and no other file": ("unx peer ./soc", r"\./socket-of-a-server "),
    "a folder on the way to a socket": ("unx peer ./fol", r"\./folder/"),
    "whom to allow": ("unx listen --allow sa", r"--allow same-user"),
    "an abstract name that has an @": ("unx send @{name}-a", r"send @{name}-a@b "),
    "a user behind others": ("unx listen --allow root,user:daemo", r"root,user:daemon"),
    "a group": ("unx listen --allow group:daemo", r"group:daemon"),
    "a file to lend": ("unx send --fd pl", r"--fd plain-file "),
    "a program": ("unx listen @x -- realpat", r"-- realpath "),
    "a socket file at home": ("unx peer ~/soc", r"~/socket-of-a-server "),
    "a command by its path": ("~/bin/unx send --rep", r"--reply "),
    "a file for a program": ("unx listen @x -- cat pl", r"cat plain-file "),
}


def listener(kind, address):
    s = socket.socket(socket.AF_UNIX, kind)
    s.bind(address)
    if kind != socket.SOCK_DGRAM:
        s.listen()
    return s


def run(shell, there, name):
    """(what, complaint or None) for each case."""
    for what, (typed, expect) in CASES.items():
        try:
            there.complete(typed.format(name=name), expect.format(name=name))
            yield f"{shell}: {what}", None
        except TimeoutError as e:
            yield f"{shell}: {what}", e


def main():
    unx, folder = (os.path.abspath(arg) for arg in sys.argv[1:3])
    try:
        for fd in os.openpty():
            os.close(fd)
    except OSError as e:
        print(f"1..0 # SKIP no terminal to type at: {e}")
        return 0
    name = f"unx-completion-{os.getpid()}"
    failed = count = 0
    with tempfile.TemporaryDirectory() as place:
        sockets = [listener(socket.SOCK_SEQPACKET, f"\0{name}-whole"), listener(socket.SOCK_DGRAM, f"\0{name}-datagrams"),
                   listener(socket.SOCK_SEQPACKET, f"\0{name}-a@b"),
                   listener(socket.SOCK_STREAM, f"{place}/socket-of-a-server")]
        for file in ("socket-that-is-none", "plain-file"):
            open(f"{place}/{file}", "w").close()
        os.mkdir(f"{place}/folder")
        os.symlink(os.path.dirname(unx), f"{place}/bin")
        for shell, (argv, setup) in SHELLS.items():
            why = not shutil.which(shell) and f"no {shell} here" or shell == "zsh" and os.environ.get("UNX_DISTURBED") == "pulses" and \
                "zsh that is stopped while it completes does not always come back to its terminal"
            if why:
                count += 1
                print(f"ok {count} - {shell} # SKIP {why}")
                continue
            there = (Fish if shell == "fish" else Shell)(argv, place)
            try:
                there.run(setup.format(bin=os.path.dirname(unx), folder=folder))
                for what, complaint in run(shell, there, name):
                    count += 1
                    failed |= complaint is not None
                    print(f"{'not ok' if complaint else 'ok'} {count} - {what}" + (f"\n# {complaint}" if complaint else ""))
            finally:
                there.end()
        for s in sockets:
            s.close()
    print(f"1..{count}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
