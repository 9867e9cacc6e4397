// SPDX-License-Identifier: MIT
/*
 * All control messages, for programs that call recvmsg(2) themselves: the reader checks every length, and knows which
 * descriptors nobody has taken yet. Sends one message to itself and prints what came with it:
 *
 *     example_control
 *
 * Whatever a program does not know is shown with its level and type, and nothing that it leaves alone is leaked:
 * unx_control_reader_close() closes every descriptor that was not taken.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <unx/control.h>
#include <unx/unx.h>

static int fail(const char *what, int error)
{
    fprintf(stderr, "control: %s: %s\n", what, unx_explain(error));
    return 1;
}

/* Two descriptors, which the writer owns from the moment they are added, and our own credentials. */
static int send_one(int sock)
{
    char buf[UNX_CONTROL_ROOM];
    struct unx_control_writer w;
    struct unx_cred self;
    int r = unx_control_writer_init(&w, buf, sizeof buf);
    for (int i = 0; r >= 0 && i < 2; i++) {
        const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        r = fd < 0 ? -errno : unx_control_add_fds(&w, &fd, 1, UNX_GIVE);
        if (r < 0 && fd >= 0)
            close(fd); /* it did not change hands */
    }
    if (r >= 0 && (r = unx_cred_real(&self)) >= 0)
        r = unx_control_add_cred(&w, &self);
    const struct iovec data = {(void *)"hello", 5};
    struct unx_msg m = {.iov = &data, .niov = 1, .control = buf, .control_max = w.len};
    if (r >= 0)
        r = unx_send(sock, &m, 0);
    unx_control_writer_close(&w); /* sent or not: its descriptors are closed, the message has copies */
    return r;
}

static int print_items(struct unx_control_reader *reader)
{
    struct unx_control_item item;
    int r, taken = -1;
    while ((r = unx_control_next(reader, &item)) > 0) {
        struct unx_cred cred;
        const int nfds = unx_control_nfds(&item);
        printf("level %d type %d: %zu bytes", item.level, item.type, item.len);
        if (unx_control_cred(&item, &cred) >= 0)
            printf(", credentials of uid %ld", (long)cred.uid);
        if (nfds > 0)
            printf(", %d descriptors", nfds);
        printf("\n");
        if (nfds > 0 && taken < 0) {
            taken = unx_control_take(reader, &item, 0); /* ours from here on */
            printf("one taken: %s\n", taken < 0 ? unx_explain(taken) : "ok");
        }
    }
    if (taken >= 0)
        close(taken);
    return r;
}

static int receive_one(int sock)
{
    /* Room for everything that can come: then there is no MSG_CTRUNC, and nothing is lost. */
    char text[64], buf[UNX_CONTROL_ROOM];
    struct iovec room = {text, sizeof text};
    struct msghdr mh = {.msg_iov = &room, .msg_iovlen = 1, .msg_control = buf, .msg_controllen = sizeof buf};
    const ssize_t n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC);
    if (n < 0)
        return -errno;
    printf("%zd bytes of data, %zu of control data\n", n, (size_t)mh.msg_controllen);
    struct unx_control_reader reader;
    int r = unx_control_reader_init(&reader, buf, mh.msg_controllen);
    if (r >= 0) {
        r = print_items(&reader);
        printf("closed by the reader: %d\n", unx_control_reader_close(&reader));
    }
    return r;
}

int main(void)
{
    int fds[2];
    int r = unx_pair(SOCK_SEQPACKET, UNX_PASSFDS | UNX_PASSCRED, fds);
    if (r < 0)
        return fail("pair", r);
    if ((r = send_one(fds[0])) < 0)
        fail("send", r);
    else if ((r = receive_one(fds[1])) < 0)
        fail("receive", r);
    close(fds[0]);
    close(fds[1]);
    return r < 0;
}
