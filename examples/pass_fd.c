// SPDX-License-Identifier: MIT
/*
 * Passing an open file to another process, which looks at what it got before it uses it.
 *
 *     example_pass_fd take @files &                 waits for one file, prints it, and ends
 *     example_pass_fd give @files /etc/hostname     opens the file and gives it away
 *     example_pass_fd give @files - <> notes.txt    gives its own standard input (here: writable, so it is refused)
 *
 * A descriptor is whatever the sender chose: a pipe that never ends, a directory, a file that the receiver would
 * change. So take() asks for UNX_PASSFDS (without it descriptors are refused), and check() asks what it is and how it
 * is open. Sender and receiver share the file offset: pread(2) leaves it alone.
 * Never switch O_NONBLOCK on a received descriptor.
 */
#define _GNU_SOURCE 1 /* O_PATH */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <unx/policy.h>
#include <unx/unx.h>

/* An abstract name has no permissions: who may talk to us is looked at here, for every connection.
 * See allow.c for more. */
static const struct unx_policy same_user = {.admit = UNX_ADMIT_SAME_USER};

static int fail(const char *what, int error)
{
    fprintf(stderr, "pass_fd: %s: %s\n", what, unx_explain(error));
    return 1;
}

static int give(const struct unx_addr *a, const char *path)
{
    const int file =
        strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) : fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    if (file < 0)
        return fail(path, -errno);
    const int fd = unx_connect(SOCK_SEQPACKET, 0, NULL, a, 2000);
    int r = fd;
    if (fd >= 0) {
        r = unx_send_fd(fd, path, strlen(path), file);
        close(fd); /* the message and its descriptor are delivered all the same */
    }
    close(file); /* sending lends it: our copy stays ours */
    return r < 0 ? fail(fd < 0 ? "connect" : "send", r) : 0;
}

/* NULL: a regular file, open for reading and nothing else. */
static const char *check(int file)
{
    struct stat st;
    const int mode = fcntl(file, F_GETFL);
    if (mode < 0 || fstat(file, &st) < 0)
        return "not usable";
    if (!S_ISREG(st.st_mode))
        return "not a regular file";
    if (mode & O_PATH)
        return "not open for reading";
    if ((mode & O_ACCMODE) != O_RDONLY)
        return "writable";
    return NULL;
}

static int print(int file)
{
    char buf[4096];
    ssize_t n;
    for (off_t at = 0; (n = pread(file, buf, sizeof buf, at)) > 0; at += n)
        fwrite(buf, 1, (size_t)n, stdout);
    if (n < 0)
        return fail("read", -errno);
    return fflush(stdout) ? 1 : 0;
}

static int take(const struct unx_addr *a)
{
    const int listener = unx_listen(SOCK_SEQPACKET, UNX_PASSFDS, a, -1, UNX_MODE_UMASK);
    if (listener < 0)
        return fail("listen", listener);
    printf("listening\n");
    fflush(stdout);
    int fd;
    while ((fd = unx_accept(listener, 0, NULL)) >= 0 && unx_policy_check(&same_user, fd, NULL, NULL) < 0)
        close(fd);
    close(listener);
    if (fd < 0)
        return fail("accept", fd);
    unx_set_timeout(fd, UNX_RECV, 5000); /* a peer that sends nothing does not hold us up for ever */
    char name[256];
    size_t len;
    const int file = unx_recv_fd(fd, name, sizeof name, &len);
    close(fd);
    if (file < 0)
        return fail("receive", file);
    printf("got %zu bytes of name and a descriptor\n", len);
    const char *wrong = check(file);
    const int status = wrong ? 1 : print(file);
    if (wrong)
        fprintf(stderr, "pass_fd: descriptor refused: %s\n", wrong);
    close(file);
    return status;
}

int main(int argc, char **argv)
{
    const int taking = argc == 3 && !strcmp(argv[1], "take");
    if (!taking && !(argc == 4 && !strcmp(argv[1], "give"))) {
        fprintf(stderr, "usage: pass_fd take ADDR | pass_fd give ADDR FILE|-\n");
        return 2;
    }
    struct unx_addr a;
    const int r = unx_addr_parse(&a, argv[2]);
    if (r < 0)
        return fail(argv[2], r);
    return taking ? take(&a) : give(&a, argv[3]);
}
