/* Any text: it is refused with findings, or becomes a sound block that matches the same address
 * the same way twice. */
#include "base/addr.h"
#include "shearpin/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static _Alignas(8) unsigned char room[SP_POLICY_ROOM], again[SP_POLICY_ROOM];

static void fuzz_say(void *context, const struct sp_finding *finding)
{
    char text[2048];
    size_t length = sp_finding_format(finding, text, sizeof text);

    (void)context;
    if (length == 0 || text[length - 1] != '\n' || finding->length == 0 || finding->text == NULL)
        abort();
}

static void fuzz_match(const struct sp_policy *policy)
{
    static const char *const texts[] = {"10.20.0.1:5432",   "127.0.0.1:80", "[2001:db8::1]:443",
                                        "unix:/run/x.sock", "unix:@name",   "unix:"};
    static const char *const names[] = {"api.pay.example.com", "DB.internal.", ""};
    const struct sp_match *which;
    struct sp_addr address;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        sp_addr_parse(texts[i], strlen(texts[i]), &address);
        if (sp_policy_match(policy, &address, names, 3, &which) !=
            sp_policy_match(policy, &address, names, 3, NULL))
            abort();
    }
}

static void fuzz_guards(const struct sp_policy *policy)
{
    const struct sp_row *row;
    char value[128];

    for (size_t i = 0; (row = sp_policy_row(policy, i)) != NULL; i++)
        for (size_t key = 0; key < sp_key_total; key++)
            if (sp_key_format(&sp_keys[key], &row->guards, value, sizeof value) >= sizeof value)
                abort();
}

static void fuzz_override(const uint8_t *data, size_t size, const struct sp_policy *policy)
{
    struct sp_override overrides[SP_OVERRIDES_MAX];
    struct sp_guards guards;
    struct sp_error error;
    char text[512];
    int count;

    size = size < sizeof text - 1 ? size : sizeof text - 1;
    memcpy(text, data, size);
    text[size] = '\0';
    sp_guards_initial(&guards);
    count = sp_override_parse(text, policy, overrides, SP_OVERRIDES_MAX, &error);
    if (count > 0)
        sp_override_apply(overrides, (size_t)count, "payments", &guards);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct sp_policy *policy = (const void *)room, *second = (const void *)again;
    /* A name in a place where an include finds nothing. */
    const char *name = "/nonexistent/fuzz.conf";
    int errors =
        sp_policy_read_text(name, (const char *)data, size, room, sizeof room, fuzz_say, NULL);

    fuzz_override(data, size, errors == 0 ? policy : NULL);
    if (errors != 0)
        return 0;
    if (!sp_policy_valid(policy, sizeof room))
        abort();
    fuzz_match(policy);
    fuzz_guards(policy);
    if (sp_policy_read_text(name, (const char *)data, size, again, sizeof again, NULL, NULL) != 0 ||
        policy->size != second->size || memcmp(policy, second, policy->size) != 0)
        abort();
    return 0;
}
