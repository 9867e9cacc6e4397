// SPDX-License-Identifier: MIT
/* No descriptor left: packets over a stream. The descriptors of several packets may be here before they are asked
 * for. */
#include "no_descriptor.h"

#include <string.h>
#include <unx/frames.h>

static unsigned char buf[2][UNX_FRAMES_ROOM(64, 4)];

/* Two packets, with two descriptors and with none: the second one is there whatever becomes of the first. */
static int receives(void)
{
    struct unx_frames out, in;
    const int lent[2] = {w.s[0], w.s[1]};
    int s[2], fds[2];
    char text[8];
    raw_unlimit();
    CHECK_INT(unx_pair(SOCK_STREAM, UNX_PASSFDS, s), 0);
    CHECK_INT(unx_frames_init(&out, UNX_SEND, buf[0], sizeof buf[0], 0), 0);
    CHECK_INT(unx_frames_init(&in, UNX_RECV, buf[1], sizeof buf[1], 2), 0);
    const struct iovec first = {(char *)"with", 4}, second = {(char *)"none", 4}, room = {text, sizeof text};
    struct unx_msg m = message(&first, 1);
    m.fds = (int *)lent;
    m.nfds = 2;
    CHECK_INT(unx_frames_send(&out, s[0], &m, 0), 1);
    m = message(&second, 1);
    CHECK_INT(unx_frames_send(&out, s[0], &m, 0), 1);
    m = message(&room, 1);
    m.fds = fds;
    m.nfds = 2;
    raw_limit(w.allowed);
    const int r = QUIET(unx_frames_recv(&in, s[1], &m, 0));
    raw_unlimit();
    if (r == 1) {
        CHECK_MEM(text, m.len, "with", 4);
        CHECK(raw_same_file(keep(fds[0]), lent[0]) && raw_same_file(keep(fds[1]), lent[1]));
    } else {
        CHECK(fds[0] == -1 && fds[1] == -1 && m.fds_got == 0);
        CHECK(unx_one_message(r));
    }
    CHECK_INT(unx_frames_recv(&in, s[1], &m, UNX_DONTWAIT), 1);
    CHECK_MEM(text, m.len, "none", 4);
    CHECK_INT(m.fds_got, 0);
    CHECK_INT(unx_frames_close(&in), 0);
    CHECK_INT(unx_frames_close(&out), 0);
    close_pair(s);
    return r;
}

const struct attempt frames_attempts[] = {
    {"unx_frames_recv", receives, 2},
    {NULL, NULL, 0},
};
