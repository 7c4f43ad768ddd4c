/* Any bytes as a compiled block: what sp_policy_valid lets through is safe to read. Input that is
 * no block is laid over a sound one, so that the fuzzer starts from inside the format. */
#include "base/addr.h"
#include "shearpin/policy.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char block_text[] = "segment fuzz\n"
                                 "defaults\n    mode observe\n"
                                 "destination a\n"
                                 "    match *.example.com:443 10.0.0.0/8 unix:/run/*.sock\n"
                                 "    breaker streak 5 rate 50% of 20 in 10s\n"
                                 "    fallback 192.168.1.2:443 when open\n"
                                 "    fallback dr.example.net:443\n"
                                 "    fallback respond answers/503.http when failed\n"
                                 "destination b\n    match [::1]:1-99 *:443\n    cap 5\n"
                                 "destination c\n    match *\n";

static void block_use(const struct sp_policy *policy)
{
    static const char *const names[] = {"api.example.com", "x"};
    struct sp_addr address;
    const struct sp_row *row;
    char value[128];
    size_t total = 0;

    for (int family = SP_FAMILY_NONE; family <= SP_FAMILY_IPV6; family++) {
        memset(&address, 0, sizeof address);
        address.family = (uint8_t)family;
        address.port = 443;
        strcpy(address.path, family == SP_FAMILY_UNIX ? "/run/x.sock" : "");
        sp_policy_match(policy, &address, names, 2, NULL);
    }
    for (size_t i = 0; (row = sp_policy_row(policy, i)) != NULL; i++)
        for (size_t key = 0; key < sp_key_total; key++)
            total += sp_key_format(&sp_keys[key], &row->guards, value, sizeof value);
    for (size_t i = 0; i < policy->match_count; i++)
        total += strlen(sp_policy_string(policy, sp_policy_match_at(policy, i)->source));
    for (size_t i = 0; i < policy->fallback_count; i++)
        total += strlen(sp_policy_string(policy, sp_policy_fallback(policy, i)->text)) +
                 strlen(sp_policy_fallback(policy, i)->address.path);
    for (size_t i = 0; i < policy->file_count; i++)
        total += strlen(sp_policy_file(policy, i));
    total += strlen(policy->segment) + strlen(sp_policy_string(policy, policy->path));
    __asm__ volatile("" : : "r"(total));
}

/* Exactly as large as the input, so that a byte too far is seen. */
static void block_try(const uint8_t *data, size_t size)
{
    void *copy = NULL;

    if (size == 0 || posix_memalign(&copy, 8, size) != 0)
        return;
    memcpy(copy, data, size);
    if (sp_policy_valid(copy, size))
        block_use(copy);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static _Alignas(8) unsigned char room[SP_POLICY_ROOM], sound[8192];
    static uint32_t sound_size;
    size_t at;

    if (sound_size == 0) {
        if (sp_policy_read_text("fuzz.conf", block_text, strlen(block_text), room, sizeof room,
                                NULL, NULL) != 0)
            abort();
        sound_size = ((struct sp_policy *)room)->size;
        memcpy(sound, room, sound_size);
    }
    block_try(data, size);
    if (size < 3)
        return 0;
    /* Two bytes say where the others go. */
    memcpy(room, sound, sound_size);
    at = (size_t)(data[0] | data[1] << 8) % sound_size;
    size = size - 2 < sound_size - at ? size - 2 : sound_size - at;
    memcpy(room + at, data + 2, size);
    block_try(room, sound_size);
    return 0;
}
