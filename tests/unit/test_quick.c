/* The short way of a healthy exchange against the long one: under thousands of random guards,
 * breakers and outcomes, two copies of one destination go either way, and every byte of them is
 * compared. */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "shearpin/quick.h"

#define ROUNDS 20000

/* A destination, and the arm that a connection of it may stand on. */
static struct twin {
    struct sp_dest dest;
    struct sp_arm arm;
} * twins;
static bool armed;
static uint64_t seed;

static uint64_t any(uint64_t below)
{
    return sp_random_next(&seed) % below;
}

/* Every key of the language: what a new one does is compared from its first day on. */
static void some_guards(struct sp_guards *guards)
{
    sp_guards_initial(guards);
    for (uint64_t i = any(6); i > 0; i--) {
        const struct sp_key *key = &sp_keys[any(sp_key_total)];
        uint64_t span = key->high - key->low;
        uint64_t value = key->low + (span < UINT64_MAX ? any(span + 1) : 0);
        struct sp_override one = {.destination = "*", .key = (uint16_t)(key - sp_keys)};
        if (key->words[0][0] || key->type == SP_KEY_FLAG)
            value = any(2);
        if (key->type == SP_KEY_OUTCOMES)
            value = any(1u << SP_OUTCOME_COUNT);
        if (key->type == SP_KEY_MODE)
            value = any(3) | any(2) * any(SP_SHARE_ALL) << 8;
        one.value = any(2) ? value : 0;
        sp_override_apply_any(&one, 1, "db", guards);
    }
    if (any(2))
        guards->breaker.rate_window = guards->breaker.rate_window % (100 * SP_SECOND) + SP_MS;
    if (any(4))
        guards->breaker.streak = 5;
    guards->split = any(2) ? 2 : 0;
    armed = guards->split && any(4);
}

static void some_breaker(struct sp_cell *cell)
{
    struct sp_breaker b = {.state = (uint8_t)(any(4) ? 0 : any(4)),
                           .hold = (uint8_t)(any(8) ? 0 : any(4)),
                           .backoff = (uint8_t)any(16),
                           .streak = (uint16_t)(any(2) ? 0 : any(1024)),
                           .epoch = (uint16_t)any(1u << 14),
                           .until = (uint32_t)sp_random_next(&seed)};
    atomic_store(&cell->word, sp_breaker_pack(b));
}

static void same_twins(void)
{
    memcpy(&twins[1], &twins[0], sizeof *twins);
}

static void is_same(const char *what)
{
    ck_assert_msg(memcmp(&twins[0], &twins[1], sizeof *twins) == 0, "%s, seed %llu", what,
                  (unsigned long long)seed);
}

static struct sp_arm *arm_of(struct twin *twin)
{
    return armed ? &twin->arm : NULL;
}

static struct sp_call call_of(struct twin *twin, const struct sp_guards *guards)
{
    struct sp_call call = fx.call;
    call.dest = &twin->dest;
    call.arm = arm_of(twin);
    call.endpoint = call.arm ? &call.arm->endpoint : NULL;
    call.guards = guards;
    return call;
}

static void begin_is_same(const struct sp_guards *guards)
{
    struct sp_admission admission;
    struct sp_permit permit;
    struct sp_call call = call_of(&twins[0], guards);
    bool off = atomic_load(&twins[1].dest.odd); /* asked by sp_here_call on the long way */
    uint64_t word;
    if (!sp_quick_guards(guards) ||
        !sp_quick_admit(&twins[1].dest, arm_of(&twins[1]), call.now, &permit, &word))
        return;
    ck_assert(!off);
    ck_assert_int_eq(sp_order_admit(&call, false, NULL, &admission), SP_PASS);
    ck_assert_mem_eq(&permit, &admission.permit, sizeof permit);
    for (int cap = 0; cap < SP_CAP_COUNT; cap++)
        ck_assert_uint_eq(admission.places[cap], SP_NO_LEASE);
    is_same("an exchange begins");
    ck_assert_int_eq(sp_order_first(&call, NULL, &admission), SP_PASS);
    for (int cap = 0; cap < SP_CAP_COUNT; cap++)
        ck_assert_uint_eq(admission.places[cap], SP_NO_LEASE);
    is_same("the first exchange of a connection begins");
}

/* As src/conn/quick.h puts the parts together. The permit was given while the breaker stood as
 * `word`. */
static bool quick_settle(const struct sp_call *call, struct sp_dest *dest, struct sp_arm *arm,
                         uint64_t word, const struct sp_permit *permit, uint64_t duration)
{
    uint64_t packed;
    memcpy(&packed, permit, sizeof packed);
    if (!sp_quick_holds(sp_quick_cell(dest, arm), sp_quick_content(word, packed, arm != NULL)))
        return false;
    if (sp_quick_tells(call->guards) || arm)
        sp_quick_tell(call->segment, dest, arm, call->guards, duration, call->now);
    sp_quick_note(sp_segment_shard(call->segment, dest), duration, call->now);
    return true;
}

/* How it may have stood then: as now, or with another streak, or not at all like that. */
static uint64_t some_word(uint64_t now)
{
    return any(8) == 0 ? sp_random_next(&seed)
           : any(2)    ? now
                       : (now & ~SP_QUICK_STREAK) | (sp_random_next(&seed) & SP_QUICK_STREAK);
}

static bool end_is_same(const struct sp_guards *guards)
{
    struct sp_call call = call_of(&twins[0], guards);
    uint64_t duration = sp_random_next(&seed) >> (24 + any(40));
    uint64_t word = atomic_load(&sp_quick_cell(call.dest, call.arm)->word);
    uint16_t epoch = sp_breaker_unpack(word).epoch;
    struct sp_permit permit = {.kind =
                                   (uint8_t)(any(4) ? SP_PERMIT_CALL : any(SP_PERMIT_ASIDE + 1)),
                               .endpoint = any(8) ? call.arm != NULL : (uint8_t)any(2) & 1,
                               .side = any(8) ? 0 : (uint8_t)any(3) & 3,
                               .epoch = any(4) ? epoch : (uint16_t)any(1u << 14)};
    if (!sp_quick_guards(guards) ||
        !quick_settle(&call, &twins[1].dest, arm_of(&twins[1]), some_word(word), &permit, duration))
        return false;
    ck_assert(sp_order_settle(&call, &permit, false, SP_OUTCOME_OK, duration));
    is_same("an exchange ends");
    return true;
}

/* A connect is admitted, stands, and gives its place back. `places` are of both twins. */
static bool connect_is_same(const struct sp_guards *guards)
{
    struct sp_call call = call_of(&twins[0], guards);
    uint64_t duration = sp_random_next(&seed) >> (24 + any(40)), lease = sp_lease_word(0, 1, 7);
    struct sp_admission admission;
    struct sp_permit permit;
    uint32_t room, place = SP_NO_LEASE, near = (uint32_t)any(4);
    struct sp_dest *dest = &twins[1].dest;
    uint64_t word;
    sp_word *places = sp_lease_words(call.segment, dest, SP_CAP_CONNECTIONS, &room);
    uint32_t limit = guards->cap[SP_CAP_CONNECTIONS], count = limit < room ? limit : room;
    if (!sp_quick_connects(guards) || !sp_quick_admit(dest, NULL, call.now, &permit, &word))
        return false;
    if (count)
        place = sp_quick_take(call.segment, dest, places, count, near, lease);
    if (place != SP_NO_LEASE)
        ck_assert(sp_quick_give(dest, places, room, place, lease));
    ck_assert_int_eq(sp_order_admit(&call, true, NULL, &admission), SP_PASS);
    ck_assert_mem_eq(&permit, &admission.permit, sizeof permit);
    ck_assert_int_eq(admission.places[SP_CAP_CONNECTIONS] != SP_NO_LEASE, place != SP_NO_LEASE);
    ck_assert_uint_eq(admission.places[SP_CAP_CONNECTING], SP_NO_LEASE);
    is_same("a connect begins");
    ck_assert(!sp_order_settle(&call, &admission.permit, true, SP_OUTCOME_OK, duration));
    sp_cap_release(&call, &admission);
    sp_quick_connected(call.segment, dest, sp_segment_shard(call.segment, dest), guards, duration,
                       call.now);
    is_same("a connect stands");
    return true;
}

START_TEST(the_short_way_leaves_every_byte_as_the_long_one_does)
{
    unsigned quick = 0, connects = 0, arms = 0;
    static struct sp_segment segment;
    const char *text = "destination db\n    match 10.0.0.1:1\n    journal 64KiB\n    cap 4\n";
    ck_assert_int_eq(sp_segment_private(&segment, fixture_policy(text), NULL), 0);
    fx.call.segment = &segment;
    twins = aligned_alloc(SP_CACHELINE, 2 * sizeof *twins);
    ck_assert_ptr_nonnull(twins);
    seed = (uint64_t)_i + 1;
    memcpy(&twins[0].dest, fx.call.dest, sizeof twins->dest);
    memset(&twins[0].arm, 0, sizeof twins->arm);
    for (int i = 0; i < ROUNDS; i++) {
        struct sp_guards guards;
        some_guards(&guards);
        some_breaker(&twins[0].dest.cell);
        some_breaker(&twins[0].arm.endpoint.cell);
        atomic_store(&twins[0].dest.odd, any(16) == 0);
        fx.call.now += any(2) ? any(SP_MS) : any(20 * SP_SECOND);
        same_twins();
        begin_is_same(&guards);
        same_twins();
        uint64_t oldest, lines = sp_journal_count(&segment, &oldest);
        bool short_way = end_is_same(&guards);
        ck_assert(!short_way || sp_journal_count(&segment, &oldest) == lines);
        quick += short_way;
        arms += short_way && armed;
        same_twins();
        connects += connect_is_same(&guards);
    }
    ck_assert_uint_gt(quick, ROUNDS / 20);
    ck_assert_uint_gt(connects, ROUNDS / 20);
    ck_assert_uint_gt(arms, ROUNDS / 100);
    ck_assert_uint_eq(sp_event_last(&segment), 0);
    free(twins);
}
END_TEST

/* What two processes of different shards write in a healthy exchange shares no cache line. */
START_TEST(processes_share_no_line_on_a_healthy_exchange)
{
    struct sp_dest before, *dest = fx.call.dest;
    size_t lines = sizeof before / SP_CACHELINE;
    int owner[sizeof before / SP_CACHELINE];
    struct sp_permit permit;
    uint64_t word;
    fx.guards.breaker.rate = SP_SHARE_ALL / 2;
    fx.guards.breaker.rate_window = 10 * SP_SECOND;
    memset(owner, -1, sizeof owner);
    for (int shard = 0; shard < (int)SP_SHARDS; shard++) {
        fx.segment.self.shard = (uint32_t)shard;
        for (uint64_t duration = 1; duration < 2000 * SP_SECOND; duration *= 3) {
            memcpy(&before, dest, sizeof before);
            ck_assert(sp_quick_admit(dest, NULL, fx.call.now, &permit, &word));
            sp_count(&sp_segment_shard(&fx.segment, dest)->sent, 1);
            sp_count(&sp_segment_shard(&fx.segment, dest)->received, 1);
            fx.call.now += SP_SECOND;
            ck_assert(quick_settle(&fx.call, dest, NULL, word, &permit, duration));
            for (size_t line = 0; line < lines; line++) {
                const char *was = (const char *)&before + line * SP_CACHELINE;
                if (memcmp(was, (const char *)dest + line * SP_CACHELINE, SP_CACHELINE) == 0)
                    continue;
                ck_assert_msg(owner[line] < 0 || owner[line] == shard,
                              "line %zu is written by shards %d and %d", line, owner[line], shard);
                owner[line] = shard;
            }
        }
    }
}
END_TEST

Suite *suite_quick(void);
Suite *suite_quick(void)
{
    Suite *suite = suite_create("quick");
    TCase *tests = fixture_case(suite, "the short way");
    tcase_add_loop_test(tests, the_short_way_leaves_every_byte_as_the_long_one_does, 0, 4);
    tcase_add_test(tests, processes_share_no_line_on_a_healthy_exchange);
    return suite;
}
