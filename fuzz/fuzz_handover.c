// SPDX-License-Identifier: MIT
/*
 * Fuzz target: the messages of a handover, as a successor receives them from an old program that may send anything,
 * and as an old program receives the answers of a successor that may answer anything.
 *
 * The input is a program that writes packets: right in every field, but for those that it changes, with descriptors
 * and files of memory that are sealed or not. Whatever comes of it, all descriptors that the call kept are in its
 * answer, and what it says it received is what was sent.
 */
#include "../test/raw.h"
#include "fuzz.h"
#include "handover.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ITEMS_MAX 40
#define STATE_MAX 1500

struct script {
    struct handover_head head;
    unsigned char data[3000];
    size_t len;
    int fds[64];
    unsigned nfds;
};

/* Items hold something else than what write_items() put there. */
static bool other_data;

/* A file of memory with so many bytes; sealed as a receiver wants it, or not quite. */
static int memory(struct bytes *in, size_t size)
{
    static char fill[4096];
    const int fd = memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(fd >= 0);
    memset(fill, 'm', sizeof fill);
    CHECK_INT(write(fd, fill, size), (long long)size);
    const unsigned how = take_byte(in);
    if (how > 0) {
        const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
        CHECK_INT(fcntl(fd, F_ADD_SEALS, how < 200 ? all : all & (int)how), 0);
    }
    return fd;
}

static void add_fds(struct script *s, unsigned n)
{
    for (unsigned i = 0; i < n && s->nfds < 64; i++) {
        s->fds[s->nfds++] = fcntl(0, F_DUPFD_CLOEXEC, 3);
    }
}

/* What is right where it stands, as far as this packet knows. */
static void write_start(struct script *s, struct bytes *in, unsigned *announced)
{
    const unsigned how = take_byte(in);
    *announced = take_number(in, ITEMS_MAX);
    s->head.count = *announced;
    s->head.state_len = take_number(in, STATE_MAX);
    if (how & 1) {
        s->head.value = 1;
        s->fds[s->nfds++] = memory(in, s->head.state_len);
    } else {
        s->len = s->head.state_len < 1024 ? s->head.state_len : 1024;
        memset(s->data, 's', s->len);
    }
}

static void write_items(struct script *s, struct bytes *in, unsigned announced, unsigned *sent)
{
    const unsigned left = announced - *sent, n = left > 0 ? 1 + take_number(in, left < 60 ? left : 60) : 0;
    s->head.count = n;
    s->head.value = *sent;
    for (unsigned i = 0; i < n; i++) {
        struct unx_handover_fd item = {.fd = -1, .kind = *sent + i};
        item.name[0] = (char)('a' + i % 26);
        memcpy(s->data + s->len, &item, sizeof item);
        s->len += sizeof item;
    }
    add_fds(s, n);
    *sent += n;
}

/* Some of it wrong. */
static void spoil(struct script *s, struct bytes *in)
{
    switch (take_number(in, 8)) {
    case 0:
        take_some(in, &s->head, take_number(in, sizeof s->head));
        break;
    case 1:
        s->head.count += take_byte(in) - 128;
        break;
    case 2:
        s->head.value ^= 1u << take_number(in, 32);
        break;
    case 3:
        s->head.state_len ^= UINT64_C(1) << take_number(in, 64);
        break;
    case 4:
        s->len = take_number(in, sizeof s->data);
        break;
    case 5:
        add_fds(s, take_byte(in) % 8);
        break;
    case 6:
        other_data = true;
        take_some(in, s->data + take_number(in, 1000), take_number(in, 2000));
        break;
    default:
        s->head.what = (uint16_t)take_byte(in);
        break;
    }
}

/* Sends the packets of a program, and closes what it lent. */
static void send_script(int sock, struct bytes *in)
{
    static struct script s;
    unsigned announced = 0, sent = 0;
    for (unsigned n = 0; in->n > 0 && n < 30; n++) {
        memset(&s, 0, sizeof s);
        const unsigned op = take_byte(in);
        s.head = (struct handover_head){
            .magic = HANDOVER_MAGIC, .version = HANDOVER_VERSION, .what = (uint16_t)(1 + op % 6)};
        if (s.head.what == HANDOVER_START) {
            write_start(&s, in, &announced);
        } else if (s.head.what == HANDOVER_ITEMS) {
            write_items(&s, in, announced, &sent);
        } else {
            s.head.count = s.head.what == HANDOVER_END ? announced : 0;
            s.head.value = s.head.what == HANDOVER_VERDICT && op & 64 ? take_byte(in) : 0;
        }
        if (op >= 192) {
            spoil(&s, in);
        }
        unsigned char packet[sizeof s.head + sizeof s.data];
        memcpy(packet, &s.head, sizeof s.head);
        memcpy(packet + sizeof s.head, s.data, s.len);
        const size_t len = op >= 250 ? take_number(in, 30) : sizeof s.head + s.len;
        raw_send(sock, packet, len, s.fds, s.nfds);
        for (unsigned i = 0; i < s.nfds; i++) {
            close(s.fds[i]);
        }
    }
}

static void check_nothing(const struct unx_handover *h)
{
    CHECK(h->fds_got == 0 && h->state_fd == -1);
    for (unsigned i = 0; i < h->nfds; i++) {
        CHECK_INT(h->fds[i].fd, -1);
    }
}

static void take_over(struct unx_handover *h, const unsigned char *state)
{
    CHECK_INT(h->fds_got, h->fds_full);
    CHECK(h->fds_got <= h->nfds);
    const struct file_id lent = file_of(0);
    for (unsigned i = 0; i < h->nfds; i++) {
        CHECK((h->fds[i].fd >= 0) == (i < h->fds_got));
        if (i < h->fds_got) {
            CHECK(memchr(h->fds[i].name, '\0', sizeof h->fds[i].name) != NULL);
            CHECK(other_data || (h->fds[i].kind == i && h->fds[i].name[1] == '\0' && h->fds[i].name[0] >= 'a'));
            CHECK(raw_cloexec(h->fds[i].fd));
            CHECK(file_same(file_of(h->fds[i].fd), lent));
            close(h->fds[i].fd);
        }
    }
    if (h->state_fd >= 0) {
        char byte;
        CHECK(h->state_len > h->state_max);
        CHECK_INT(pread(h->state_fd, &byte, 1, (off_t)h->state_len - 1), 1);
        CHECK_INT(pread(h->state_fd, &byte, 1, (off_t)h->state_len), 0);
        CHECK(write(h->state_fd, "x", 1) < 0);
        close(h->state_fd);
    } else {
        CHECK(h->state_len <= h->state_max);
        CHECK(h->state_len == 0 || state[0] != 0x5a);
    }
}

static void successor(int old, int sock, struct bytes *how, struct bytes *in)
{
    struct unx_handover_fd fds[ITEMS_MAX];
    const unsigned state_max = take_number(how, 2000), nfds = take_number(how, ITEMS_MAX + 1);
    unsigned char *state = malloc(state_max);
    struct unx_handover h = {.fds = fds, .nfds = nfds, .state = state_max > 0 ? state : NULL, .state_max = state_max};
    memset(state, 0x5a, state_max);
    memset(fds, take_byte(how) & 1 ? 0x5a : 0, sizeof fds);
    send_script(old, in);
    if (take_byte(how) & 1) {
        shutdown(old, SHUT_WR);
    }
    const int r = unx_handover_receive(sock, &h, 0, 0);
    CHECK(r <= 0);
    CHECK(r == 0 || r == -EAGAIN || r == -EPROTO || r == -ECONNRESET || r == -ENOBUFS || r == -ECANCELED);
    if (r == 0) {
        take_over(&h, state);
        const int confirmed = unx_handover_confirm(sock, take_byte(how));
        CHECK(confirmed == 0);
    } else {
        check_nothing(&h);
    }
    free(state);
}

static void old_program(int sock, int successor_end, struct bytes *how, struct bytes *in)
{
    struct unx_handover_fd fds[ITEMS_MAX];
    static char state[3000];
    const unsigned nfds = take_number(how, ITEMS_MAX + 1), state_len = take_number(how, sizeof state);
    struct unx_handover h = {.fds = fds, .nfds = nfds, .state = state, .state_max = state_len};
    for (unsigned i = 0; i < nfds; i++) {
        fds[i] = (struct unx_handover_fd){.fd = 0, .kind = i, .name = "x"};
    }
    send_script(successor_end, in);
    const unsigned last = take_byte(how);
    if (last & 1) {
        shutdown(successor_end, SHUT_WR);
    }
    const int r = unx_handover_send(sock, &h, 0, 0);
    CHECK(r == 0 || r == -EAGAIN || r == -EPROTO || r == -ECONNRESET || r == -ECANCELED || r == -EPIPE);
    CHECK((r == -ECANCELED) == (h.reason != 0));
    CHECK(h.fds_got == 0 && h.state_fd == -1);
    /* Whoever is told that it was handed over, has said so, and all of it is there to be received. */
    if (r == 0) {
        struct raw_got got;
        char room[4096];
        unsigned came = 0;
        for (raw_recv(successor_end, room, sizeof room, MSG_DONTWAIT, &got); got.result > 0;
             raw_recv(successor_end, room, sizeof room, MSG_DONTWAIT, &got)) {
            came += got.nfds;
            raw_close_fds(&got);
        }
        CHECK_INT(came, nfds + (state_len > HANDOVER_SHORT));
    }
}

/* The socket that the environment names: this number, or any text. */
static void inherited(int sock, struct bytes *how, struct bytes *in)
{
    char number[16];
    const bool right = take_byte(how) & 1;
    const unsigned flags = take_byte(how) & 1 ? UNX_UNSET : 0;
    char *text = take_text(in, '\n', 30);
    snprintf(number, sizeof number, "%d", sock);
    setenv(UNX_HANDOVER_ENV, right ? number : text, 1);
    const int r = unx_handover_inherit(flags);
    char again[16];
    snprintf(again, sizeof again, "%d", atoi(text));
    CHECK(right ? r == sock : r < 0 || strcmp(again, text) == 0);
    CHECK(strcmp(again, text) == 0 || right || r == -EINVAL);
    CHECK_INT(getenv(UNX_HANDOVER_ENV) == NULL, r >= 0 && flags != 0);
    unsetenv(UNX_HANDOVER_ENV);
    CHECK_INT(unx_handover_inherit(0), -ENOENT);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {data, size};
    struct bytes how = {data, size < 8 ? size : 8};
    int pair[2];
    in.p += how.n;
    in.n -= how.n;
    other_data = false;
    fds_before();
    CHECK_INT(unx_pair(SOCK_SEQPACKET, UNX_PASSFDS | UNX_PASSCRED, pair), 0);
    const unsigned side = take_number(&how, 16);
    if (side == 15) {
        inherited(pair[0], &how, &in);
    } else if (side % 3 > 0) {
        successor(pair[0], pair[1], &how, &in);
    } else {
        old_program(pair[0], pair[1], &how, &in);
    }
    close(pair[0]);
    close(pair[1]);
    fds_after();
    return 0;
}
