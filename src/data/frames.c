// SPDX-License-Identifier: MIT
/*
 * What was read and not yet received: bytes, the descriptors that came with them, and whose they are.
 *
 * Promises: no system call but close(2); what a peer sends can neither make it allocate nor keep more than the
 * buffer holds; a descriptor belongs to the frame that says so, or everything is closed.
 *
 * The kernel never reads on behind bytes that came with descriptors, but it reads up to them: the end of one frame,
 * frames without any, and then the begin of one that has some. So a read brings at most one batch of descriptors, and
 * it belongs to a frame that begins in it; to which one, the heads say. It is read only while the first frame is
 * incomplete, so there are never more than two batches: the first frame's, and one of a frame behind it. That is
 * true also of systems whose kernel stops in front of such bytes.
 */
#include "frames.h"
#include "sys.h"

#include <errno.h>
#include <string.h>

#define CUT 0x80000000u /* of a batch: some are missing */

static size_t have(const struct unx_frames *f)
{
    return f->end - f->start;
}

static int *slot(const struct unx_frames *f, unsigned i)
{
    return f->fds + ((f->first + i) & 1) * f->nfds;
}

struct iovec frames_room(struct unx_frames *f, int **fds)
{
    if (f->start > 0) {
        memmove(f->bytes, f->bytes + f->start, have(f));
        f->end -= f->start;
        f->start = 0;
    }
    *fds = slot(f, f->batches);
    return (struct iovec){f->bytes + f->end, f->max - f->end};
}

static bool same_cred(const struct unx_cred *a, const struct unx_cred *b)
{
    return a->known == b->known && a->pid == b->pid && a->uid == b->uid && a->gid == b->gid;
}

void frames_took(struct unx_frames *f, const struct frames_read *r)
{
    if (have(f) == 0) {
        f->cred[0] = *r->cred;
    } else if (!same_cred(&f->cred[0], r->cred)) {
        f->cred[0] = (struct unx_cred){.uid = (uid_t)-1, .gid = (gid_t)-1};
    }
    f->cred[1] = *r->cred;
    f->end += r->len;
    if (r->nfds > 0 || r->cut) {
        f->batch[(f->first + f->batches++) & 1] = r->nfds | (r->cut ? CUT : 0);
    }
    const size_t unwanted = f->skip < have(f) ? f->skip : have(f);
    f->start += unwanted;
    f->skip -= unwanted;
    if (f->start == f->end) {
        f->start = f->end = 0;
    }
}

/* Are the descriptors here those that the frames speak of? */
static bool fds_are_right(const struct unx_frames *f, const struct frame *first)
{
    const unsigned own = first->nfds > 0 ? 1 : 0;
    if (f->batches < own) {
        return false;
    }
    if (own > 0) {
        const unsigned batch = f->batch[f->first], n = batch & ~CUT;
        if (batch & CUT ? n >= first->nfds : n != first->nfds) {
            return false;
        }
    }
    /* Another batch belongs to a frame behind it, of which at least one byte is here then. */
    return f->batches == own || (f->batches == own + 1 && have(f) > FRAME_HEAD + first->len);
}

int frames_first(struct unx_frames *f, struct frame *first)
{
    if (f->error != 0) {
        return f->error;
    }
    int r = frame_read(f->bytes + f->start, have(f), first);
    if (r == 1 && !fds_are_right(f, first)) {
        r = -EPROTO;
    }
    if (r == 0 && f->batches > (have(f) > 0 ? 1 : 0)) {
        r = -EPROTO;
    }
    if (r < 0) {
        frames_forget(f);
        f->error = r;
    }
    return r;
}

bool frames_whole(const struct unx_frames *f, const struct frame *first)
{
    return have(f) == f->max || have(f) >= FRAME_HEAD + first->len;
}

size_t frames_data(const struct unx_frames *f, const struct frame *first, const unsigned char **p)
{
    const size_t n = have(f) - FRAME_HEAD;
    *p = f->bytes + f->start + FRAME_HEAD;
    return n < first->len ? n : first->len;
}

unsigned frames_fds(const struct unx_frames *f, const struct frame *first, int **fds, bool *cut)
{
    const unsigned batch = first->nfds > 0 ? f->batch[f->first] : 0;
    *fds = slot(f, 0);
    *cut = (batch & CUT) != 0;
    return batch & ~CUT;
}

void frames_drop(struct unx_frames *f, const struct frame *first)
{
    const size_t all = FRAME_HEAD + first->len, here = have(f) < all ? have(f) : all;
    f->start += here;
    f->skip = all - here;
    f->cred[0] = f->cred[1];
    if (first->nfds > 0) {
        f->batches--;
        f->first ^= 1;
    }
    if (f->start == f->end) {
        f->start = f->end = 0;
    }
}

unsigned frames_forget(struct unx_frames *f)
{
    unsigned closed = 0;
    for (unsigned i = 0; i < f->batches; i++) {
        const unsigned n = f->batch[(f->first + i) & 1] & ~CUT;
        for (unsigned k = 0; k < n; k++) {
            sys_discard(slot(f, i)[k]);
        }
        closed += n;
    }
    f->batches = 0;
    f->start = f->end = f->skip = 0;
    return closed;
}

bool frames_inside(const struct unx_frames *f)
{
    return have(f) > 0 || f->skip > 0;
}
