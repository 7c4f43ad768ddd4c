/* Addresses from the kernel's structures, from text, and back. */
#include "base/addr.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

static struct sp_addr parsed(const char *text)
{
    struct sp_addr address;

    ck_assert_msg(sp_addr_parse(text, strlen(text), &address), "%s is an address", text);
    return address;
}

START_TEST(text_there_and_back)
{
    static const char *const same[] = {
        "10.4.0.7:5432",    "0.0.0.0:0",  "[::1]:80", "[2001:db8::1]:65535",
        "unix:/run/x.sock", "unix:@name", "unix:@",   "unix:relative.sock",
    };
    char text[SP_ADDR_TEXT_SIZE];
    struct sp_addr address = parsed(same[_i]), back;
    struct sockaddr_storage storage;
    socklen_t length;

    sp_addr_format(&address, text, sizeof text);
    ck_assert_str_eq(text, same[_i]);
    length = sp_addr_to_sockaddr(&address, &storage);
    ck_assert_uint_gt(length, 0);
    ck_assert(sp_addr_from_sockaddr((struct sockaddr *)&storage, length, &back));
    ck_assert(sp_addr_equal(&address, &back));
    ck_assert_uint_eq(sp_addr_hash(&address), sp_addr_hash(&back));
}
END_TEST

START_TEST(text_that_is_no_address)
{
    static const char *const bad[] = {
        "",           "localhost",      "localhost:80", "10.0.0.1:", "10.0.0.1:x",
        "10.0.0:80",  "[::1",           "[::1]80",      "[::1]:",    "[10.0.0.1]:80",
        "::1:70000x", "10.0.0.1:65536", "unix:",        "[]:80",     "10.0.0.1:80:80",
    };
    struct sp_addr address;

    ck_assert_msg(!sp_addr_parse(bad[_i], strlen(bad[_i]), &address), "%s", bad[_i]);
    ck_assert_int_eq(address.family, SP_FAMILY_NONE);
}
END_TEST

START_TEST(mapped_is_ipv4)
{
    struct sp_addr plain = parsed("1.2.3.4:80"), mapped = parsed("[::ffff:1.2.3.4]:80"), back;
    struct sockaddr_storage storage;

    ck_assert(sp_addr_equal(&plain, &mapped));
    ck_assert_uint_eq(sp_addr_to_family(&plain, AF_INET6, &storage), sizeof(struct sockaddr_in6));
    ck_assert(
        sp_addr_from_sockaddr((struct sockaddr *)&storage, sizeof(struct sockaddr_in6), &back));
    ck_assert(sp_addr_equal(&plain, &back));
    ck_assert_uint_eq(sp_addr_to_family(&plain, AF_UNIX, &storage), 0);
    plain = parsed("[::1]:80");
    ck_assert_uint_eq(sp_addr_to_family(&plain, AF_INET, &storage), 0);
}
END_TEST

START_TEST(short_and_foreign_sockaddrs)
{
    struct sockaddr_storage storage = {.ss_family = AF_INET};
    struct sp_addr address;

    ck_assert(!sp_addr_from_sockaddr(NULL, 16, &address));
    for (socklen_t i = 0; i < sizeof(struct sockaddr_in); i++)
        ck_assert(!sp_addr_from_sockaddr((struct sockaddr *)&storage, i, &address));
    storage.ss_family = AF_INET6;
    ck_assert(!sp_addr_from_sockaddr((struct sockaddr *)&storage, 16, &address));
    ck_assert(sp_addr_from_sockaddr((struct sockaddr *)&storage, 24, &address));
    storage.ss_family = AF_NETLINK;
    ck_assert(!sp_addr_from_sockaddr((struct sockaddr *)&storage, sizeof storage, &address));
    ck_assert_int_eq(address.family, SP_FAMILY_NONE);
    address.family = 77;
    ck_assert_uint_eq(sp_addr_to_sockaddr(&address, &storage), 0);
}
END_TEST

START_TEST(unix_edges)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sp_addr address;

    /* Unnamed. */
    ck_assert(sp_addr_from_sockaddr((struct sockaddr *)&un, sizeof(sa_family_t), &address));
    ck_assert_str_eq(address.path, "");
    ck_assert_int_eq(address.abstract, 0);
    /* A name of the whole size, padded with NULs, as careless programs pass it. */
    memcpy(un.sun_path, "\0name", 5);
    ck_assert(sp_addr_from_sockaddr((struct sockaddr *)&un, sizeof un, &address));
    ck_assert_int_eq(address.abstract, 1);
    ck_assert_str_eq(address.path, "name");
    memcpy(un.sun_path, "\0a\0b", 4);
    ck_assert(sp_addr_from_sockaddr((struct sockaddr *)&un, 2 + 4, &address));
    ck_assert_str_eq(address.path, "a@b");
    /* The longest abstract name fits; a path without its NUL does not. */
    memset(un.sun_path + 1, 'x', sizeof un.sun_path - 1);
    ck_assert(sp_addr_from_sockaddr((struct sockaddr *)&un, sizeof un, &address));
    ck_assert_uint_eq(strlen(address.path), sizeof un.sun_path - 1);
    un.sun_path[0] = 'x';
    ck_assert(!sp_addr_from_sockaddr((struct sockaddr *)&un, sizeof un, &address));
    ck_assert_int_eq(address.family, SP_FAMILY_NONE);
}
END_TEST

START_TEST(networks)
{
    static const struct {
        const char *address, *net;
        unsigned prefix;
        bool inside;
    } cases[] = {
        {"10.20.3.4:1", "10.20.0.0:0", 16, true},
        {"10.21.3.4:1", "10.20.0.0:0", 16, false},
        {"10.21.3.4:1", "10.20.0.0:0", 15, true},
        {"10.21.3.4:1", "0.0.0.0:0", 0, true},
        {"10.20.3.4:1", "10.20.3.4:0", 32, true},
        {"10.20.3.5:1", "10.20.3.4:0", 32, false},
        {"[2001:db8:20::9]:1", "[2001:db8:20::]:0", 48, true},
        {"[2001:db8:21::9]:1", "[2001:db8:20::]:0", 47, true},
        {"[2001:db8:21::9]:1", "[2001:db8:20::]:0", 48, false},
        {"[::1]:1", "[::1]:0", 128, true},
        {"[::1]:1", "0.0.0.0:0", 0, false},
        {"10.0.0.1:1", "10.0.0.1:0", 33, false},
        {"unix:/x", "0.0.0.0:0", 0, false},
    };
    struct sp_addr address = parsed(cases[_i].address), net = parsed(cases[_i].net);

    ck_assert_int_eq(sp_addr_in(&address, net.family, net.ip, cases[_i].prefix), cases[_i].inside);
}
END_TEST

START_TEST(masks)
{
    struct sp_addr net = parsed("10.20.255.255:0");

    ck_assert(sp_addr_mask(net.ip, 17));
    ck_assert_uint_eq(net.ip[2], 0x80);
    ck_assert_uint_eq(net.ip[3], 0);
    ck_assert(!sp_addr_mask(net.ip, 17));
    ck_assert(sp_addr_mask(net.ip, 0));
    ck_assert(!sp_addr_mask(net.ip, 128));
}
END_TEST

Suite *suite_addr(void)
{
    Suite *suite = suite_create("addr");
    TCase *tests = tcase_create("addr");

    tcase_add_loop_test(tests, text_there_and_back, 0, 8);
    tcase_add_loop_test(tests, text_that_is_no_address, 0, 15);
    tcase_add_test(tests, mapped_is_ipv4);
    tcase_add_test(tests, short_and_foreign_sockaddrs);
    tcase_add_test(tests, unix_edges);
    tcase_add_loop_test(tests, networks, 0, 13);
    tcase_add_test(tests, masks);
    suite_add_tcase(suite, tests);
    return suite;
}
