/* names.c - which names an address was looked up by. A fixed table in which every entry is checked
 * by a sequence; the newest of a few places drives out the oldest. */
#include "conn/names.h"

#include <string.h>

#include "base/random.h"
#include "shearpin/conn.h"
#include "state/shared.h"

#define NAMES_ENTRIES 1024u
#define NAMES_WAYS    8u

struct name {
    sp_half sequence; /* odd while it is being written; one that fork caught so stays odd */
    sp_half family;
    sp_word ip[2];
    sp_word stamp;
    _Alignas(8) char text[SP_NAMES_TEXT];
};
_Static_assert(SP_NAMES_TEXT % 8 == 0, "copied word by word");

static struct name *names;
static sp_word names_stamp;
/* The look-up of this thread decides between names that share an address. */
_Thread_local uint64_t sp_names_last;
SP_HOT_DATA _Atomic uint64_t sp_names_changes;

size_t sp_names_size(void)
{
    return NAMES_ENTRIES * sizeof *names;
}

void sp_names_start(void *room)
{
    names = room;
}

static size_t names_home(const struct sp_addr *address)
{
    return (size_t)(sp_hash_ip(address->ip) % NAMES_ENTRIES);
}

static bool names_is(const struct name *entry, const struct sp_addr *address)
{
    uint64_t ip[2];
    memcpy(ip, address->ip, sizeof ip);
    return atomic_load_explicit(&entry->family, memory_order_acquire) == address->family &&
           atomic_load_explicit(&entry->ip[0], memory_order_acquire) == ip[0] &&
           atomic_load_explicit(&entry->ip[1], memory_order_acquire) == ip[1];
}

static void names_text(const struct name *entry, char text[SP_NAMES_TEXT])
{
    sp_shared_load(text, entry->text, SP_NAMES_TEXT);
    text[SP_NAMES_TEXT - 1] = 0;
}

static struct name *names_victim(const struct sp_addr *address, const char *text)
{
    _Alignas(8) char there[SP_NAMES_TEXT];
    struct name *victim = NULL;
    size_t home = names_home(address);
    for (size_t i = 0; i < NAMES_WAYS; i++) {
        struct name *e = &names[(home + i) % NAMES_ENTRIES];
        if (atomic_load(&e->sequence) & 1)
            continue;
        if (names_is(e, address)) {
            names_text(e, there);
            if (strcmp(there, text) == 0)
                return e;
        }
        if (!victim || e->stamp < victim->stamp)
            victim = e;
    }
    return victim;
}

/* Whoever reads an odd sequence, or another one afterwards, uses nothing of it. */
static void names_write(struct name *e, const char *text, size_t length,
                        const struct sp_addr *address)
{
    _Alignas(8) char whole[SP_NAMES_TEXT] = "";
    uint64_t ip[2];
    memcpy(whole, text, length);
    memcpy(ip, address->ip, sizeof ip);
    atomic_store_explicit(&e->family, address->family, memory_order_release);
    atomic_store_explicit(&e->ip[0], ip[0], memory_order_release);
    atomic_store_explicit(&e->ip[1], ip[1], memory_order_release);
    atomic_store_explicit(&e->stamp, atomic_fetch_add(&names_stamp, 1) + 1, memory_order_release);
    sp_shared_store(e->text, whole, sizeof whole);
}

void sp_names_learn(const char *text, const struct sp_addr *address)
{
    size_t length = strnlen(text, SP_NAMES_TEXT);
    if (!names || length == 0 || length >= SP_NAMES_TEXT)
        return;
    struct name *e = names_victim(address, text);
    uint32_t before = e ? atomic_load(&e->sequence) : 1;
    if ((before & 1) || !atomic_compare_exchange_strong(&e->sequence, &before, before | 1))
        return;
    names_write(e, text, length, address);
    sp_names_last = sp_hash(text, length);
    atomic_store_explicit(&e->sequence, before + 2, memory_order_release);
    sp_learnt_put(&sp_here.segment, address, text);
    sp_names_changed();
}

static bool names_read(const struct name *e, const struct sp_addr *address, char *text,
                       uint64_t *stamp)
{
    uint32_t before = atomic_load_explicit(&e->sequence, memory_order_acquire);
    if ((before & 1) || before == 0 || !names_is(e, address))
        return false;
    *stamp = atomic_load_explicit(&e->stamp, memory_order_acquire);
    names_text(e, text);
    if (atomic_load(&e->sequence) != before)
        return false;
    if (sp_hash(text, strlen(text)) == sp_names_last)
        *stamp = UINT64_MAX;
    return true;
}

/* What an earlier image of this process looked up, before it exec'd. */
static size_t names_inherited(const struct sp_addr *address, char (*out)[SP_NAMES_TEXT])
{
    char text[SP_NAMES_EACH][208];
    size_t count = sp_learnt_get(&sp_here.segment, address, text, SP_NAMES_EACH);
    for (size_t i = 0; i < count; i++)
        memcpy(out[i], text[i], sizeof text[i]);
    return count;
}

size_t sp_names_of(const struct sp_addr *address, char (*out)[SP_NAMES_TEXT])
{
    uint64_t stamps[SP_NAMES_EACH], stamp;
    _Alignas(8) char text[SP_NAMES_TEXT];
    size_t count = 0, home = names_home(address);
    bool any = atomic_load_explicit(&names_stamp, memory_order_relaxed) != 0;
    for (size_t i = 0; any && i < NAMES_WAYS; i++) {
        if (!names_read(&names[(home + i) % NAMES_ENTRIES], address, text, &stamp))
            continue;
        size_t at = 0;
        while (at < count && stamps[at] > stamp)
            at++;
        if (at == SP_NAMES_EACH)
            continue;
        size_t moved = count - at - (count == SP_NAMES_EACH);
        memmove(out[at + 1], out[at], moved * sizeof *out);
        memmove(stamps + at + 1, stamps + at, moved * sizeof *stamps);
        memcpy(out[at], text, sizeof text);
        stamps[at] = stamp;
        count += count < SP_NAMES_EACH;
    }
    return count ? count : names_inherited(address, out);
}
