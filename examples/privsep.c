// SPDX-License-Identifier: MIT
/*
 * Privilege separation: the parent keeps its rights, the child that does the work has none and asks for what it needs.
 *
 *     sudo example_privsep /etc/shadow -- /etc/shadow /etc/gshadow
 *
 * Files before "--" may be opened, files after it are asked for. The child becomes nobody (without root that step is
 * left out, and said), shows that it cannot open the file itself, and asks the parent over a pair of sockets; the
 * answer is an open descriptor. The parent trusts no byte: it looks who sent each request,
 * and opens only what is on its list.
 */
#define _GNU_SOURCE 1 /* setresuid(2) */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <unx/unx.h>

#define NOBODY 65534

static int fail(const char *what, int error)
{
    fprintf(stderr, "privsep: %s: %s\n", what, unx_explain(error));
    return 1;
}

/* ---- The child ---- */

static int drop_rights(void)
{
    if (geteuid() != 0) {
        printf("child: not root, so there are no rights to drop\n");
        return 0;
    }
    /* Groups first: once the user is changed, nobody may change them. */
    if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
        return -errno;
    printf("child: now uid %ld gid %ld\n", (long)getuid(), (long)getgid());
    return 0;
}

static int want(int parent, const char *path)
{
    const int own = open(path, O_RDONLY | O_CLOEXEC);
    printf("child: %s: opened by myself: %s\n", path, own < 0 ? strerror(errno) : "yes");
    if (own >= 0)
        close(own);
    char text[256];
    int file;
    const struct iovec data = {(void *)path, strlen(path)}, room = {text, sizeof text};
    struct unx_msg req = {.iov = &data, .niov = 1}, rep = {.iov = &room, .niov = 1, .fds = &file, .nfds = 1};
    const int r = unx_call(parent, &req, &rep, 5000);
    if (r < 0)
        return fail("call", r);
    printf("child: %s: the parent says: %.*s\n", path, (int)rep.len, text);
    if (rep.fds_got == 0)
        return 0;
    printf("child: %s: read %zd bytes\n", path, pread(file, text, sizeof text, 0));
    close(file);
    return 0;
}

static int child_main(int parent, char **wanted)
{
    const int r = drop_rights();
    if (r < 0)
        return fail("dropping rights", r); /* never go on with rights that were to go */
    int status = 0;
    for (; *wanted; wanted++)
        status |= want(parent, *wanted);
    close(parent);
    return fflush(stdout) ? 1 : status;
}

/* ---- The parent ---- */

/* The list's own string, never the child's. */
static const char *lookup(char **allowed, const char *path, size_t len)
{
    while (*allowed && (strlen(*allowed) != len || memcmp(*allowed, path, len)))
        allowed++;
    return *allowed;
}

static int answer(int sock, const char *path)
{
    /* The list names files, not links to them; and opening a pipe must not hold the parent up. */
    int file = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY) : -1;
    const char *text = !path ? "not on the list" : file < 0 ? strerror(errno) : "here it is";
    const struct iovec data = {(void *)text, strlen(text)};
    struct unx_msg rep = {.iov = &data, .niov = 1, .fds = &file, .nfds = file >= 0};
    const int r = unx_send(sock, &rep, UNX_DONTWAIT); /* a child that does not read costs us no time */
    if (file >= 0)
        close(file);
    return r;
}

static int parent_main(int sock, pid_t child, char **allowed)
{
    char path[4096];
    struct unx_cred sender;
    const struct iovec room = {path, sizeof path};
    struct unx_msg req = {.iov = &room, .niov = 1, .cred = &sender};
    int r, status = 1;
    while ((r = unx_recv(sock, &req, 0)) > 0) {
        const int ours = (sender.known & UNX_KNOWN_PID) && sender.pid == child;
        if ((r = answer(sock, ours ? lookup(allowed, path, req.len) : NULL)) < 0)
            break;
    }
    if (r < 0)
        fail("child", r); /* also when it sends too much, or descriptors: no more of it */
    close(sock);
    return waitpid(child, &status, 0) < 0 || status != 0 || r < 0;
}

int main(int argc, char **argv)
{
    char **allowed = argv + 1, **wanted = allowed;
    while (*wanted && strcmp(*wanted, "--"))
        wanted++;
    if (argc < 2 || !*wanted) {
        fprintf(stderr, "usage: privsep ALLOWED-FILE... -- WANTED-FILE...\n");
        return 2;
    }
    *wanted++ = NULL;
    int fds[2], r = unx_pair(SOCK_SEQPACKET, 0, fds);
    if (r < 0)
        return fail("pair", r);
    /* Each end accepts what it needs and no more: the child descriptors, the parent the sender's identity. */
    if ((r = unx_adopt(fds[0], SOCK_SEQPACKET, UNX_PASSCRED)) < 0 || (r = unx_adopt(fds[1], 0, UNX_PASSFDS)) < 0)
        return fail("options", r);
    fflush(stdout);
    const pid_t child = fork();
    if (child < 0)
        return fail("fork", -errno);
    close(fds[child != 0]);
    if (child == 0)
        _exit(child_main(fds[1], wanted));
    return parent_main(fds[0], child, allowed);
}
