/* answers_talk.c - one connection: the request is heard out, answered, and the end awaited. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/answers.h"

#define TALK_ASK   (30 * SP_SECOND) /* for the whole request */
#define TALK_REST  (2 * SP_SECOND)  /* after the answer, until the peer closes */
#define TALK_READS 16               /* in a row, while others wait */
#define TALK_ROOM  2048u            /* what is added to a file's own size before it is measured */

bool answers_full(const struct answers *a)
{
    for (size_t i = 0; i < ANSWERS_TALKS; i++) {
        if (a->talks[i].fd < 0)
            return false;
    }
    return true;
}

static void talk_end(struct answers_talk *talk)
{
    close(talk->fd);
    free(talk->out);
    *talk = (struct answers_talk){.fd = -1};
}

/* Seconds to the next probe; where nobody knows, a second. */
static void talk_values(struct answers *a, uint32_t dest, struct sp_reply_values *values)
{
    struct sp_breaker_view view;
    struct sp_guards guards;
    struct sp_call call;
    sp_segment_guards(&a->segment, dest, &guards);
    where_call(&call, &a->segment, dest, &guards);
    sp_breaker_look(&call, &view);
    values->retry_after = (view.until + SP_SECOND - 1) / SP_SECOND;
    if (values->retry_after == 0)
        values->retry_after = 1;
    values->state = sp_state_words[view.state];
    values->time = sp_wall() / SP_SECOND;
}

static void talk_answer(struct answers *a, struct answers_talk *talk, uint64_t now)
{
    const struct answers_place *place = &a->places[talk->dest];
    struct sp_reply_values values;
    talk->answered = true;
    talk->until = now + TALK_ASK;
    if (!place->file) /* a reload has taken it away meanwhile */
        return;
    talk_values(a, talk->dest, &values);
    for (size_t room = place->size + TALK_ROOM; !talk->out; room = talk->length) {
        talk->out = malloc(room);
        if (!talk->out) {
            talk->length = 0;
            return;
        }
        talk->length =
            sp_reply_fill(place->file, place->size, &values, talk->request.head, talk->out, room);
        if (talk->length > room) {
            free(talk->out);
            talk->out = NULL;
        }
    }
}

/* What has come. True: it is time to answer. What comes after that is read and forgotten. */
static bool talk_read(struct answers_talk *talk)
{
    char bytes[16384];
    bool whole = false;
    for (int i = 0; i < TALK_READS && !talk->ended && !whole; i++) {
        ssize_t got = recv(talk->fd, bytes, sizeof bytes, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        talk->ended = got <= 0;
        talk->lost = talk->lost || got < 0;
        if (!talk->answered)
            whole = got > 0 ? sp_request_feed(&talk->request, bytes, (size_t)got)
                            : talk->request.total > 0;
    }
    return whole && !talk->lost;
}

static void talk_write(struct answers_talk *talk, uint64_t now)
{
    ssize_t sent = 1;
    while (talk->sent < talk->length && sent > 0) {
        sent = send(talk->fd, talk->out + talk->sent, talk->length - talk->sent, MSG_NOSIGNAL);
        talk->sent += sent > 0 ? (size_t)sent : 0;
        talk->lost = sent < 0 && errno != EAGAIN && errno != EINTR;
    }
    if (talk->sent < talk->length || talk->until <= now + TALK_REST)
        return;
    /* closed at once, with bytes unread, the kernel would take back what was sent */
    shutdown(talk->fd, SHUT_WR);
    talk->until = now + TALK_REST;
}

void answers_step(struct answers *a, struct answers_talk *talk, bool readable, uint64_t now)
{
    if (readable && talk_read(talk) && !talk->answered)
        talk_answer(a, talk, now);
    if (talk->answered && !talk->lost)
        talk_write(talk, now);
    bool heard = talk->ended && talk->sent == talk->length;
    if (heard || talk->lost || now >= talk->until)
        talk_end(talk);
}

void answers_accept(struct answers *a, int listener, uint32_t dest)
{
    struct sp_guards guards;
    uint64_t now = sp_now();
    for (size_t i = 0; i < ANSWERS_TALKS; i++) {
        struct answers_talk *talk = &a->talks[i];
        if (talk->fd >= 0)
            continue;
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        *talk = (struct answers_talk){.fd = fd, .dest = dest, .until = now + TALK_ASK};
        sp_segment_guards(&a->segment, dest, &guards);
        if (guards.exchange == SP_EXCHANGE_GREETING) /* here the server speaks first */
            talk_answer(a, talk, now);
        answers_step(a, talk, true, now);
    }
}
