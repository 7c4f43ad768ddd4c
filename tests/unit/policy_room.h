/* Reading policies in tests: a room of its own, and all findings as one text. */
#ifndef TESTS_POLICY_ROOM_H
#define TESTS_POLICY_ROOM_H

#include "shearpin/policy.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static _Alignas(8) unsigned char room[SP_POLICY_ROOM];
static char said[64 << 10];
static size_t said_length;

static inline void room_say(void *context, const struct sp_finding *finding)
{
    (void)context;
    said_length += sp_finding_format(finding, said + said_length, sizeof said - said_length);
}

/* Dirty on purpose: whoever reloads brings a room that was used before. */
static inline void room_clear(void)
{
    memset(room, 0xa5, sizeof room);
    said_length = 0;
    said[0] = '\0';
}

static inline int room_read(const char *path)
{
    room_clear();
    return sp_policy_read(path, room, sizeof room, room_say, NULL);
}

static inline int room_read_bytes(const char *text, size_t length)
{
    room_clear();
    return sp_policy_read_text("test.conf", text, length, room, sizeof room, room_say, NULL);
}

static inline struct sp_policy *room_policy(const char *text)
{
    int errors = room_read_bytes(text, strlen(text));

    ck_assert_msg(errors == 0, "%s", said);
    ck_assert(sp_policy_valid((struct sp_policy *)room, sizeof room));
    return (struct sp_policy *)room;
}

static inline int room_row(const struct sp_policy *policy, const char *name)
{
    const struct sp_row *row;

    for (size_t i = 0; (row = sp_policy_row(policy, i)) != NULL; i++)
        if (strcmp(row->name, name) == 0)
            return (int)i;
    return -1;
}

static inline const struct sp_guards *room_guards(const struct sp_policy *policy, const char *name)
{
    int row = room_row(policy, name);

    ck_assert_int_ge(row, 0);
    return &sp_policy_row(policy, (size_t)row)->guards;
}

#endif
