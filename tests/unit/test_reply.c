/* Canned answers: what is filled in, what an HTTP answer gets, and when a request is whole. */
#include "reply/reply.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct sp_reply_values values = {.retry_after = 7, .state = "open", .time = 784111777};

static void fills(const char *file, bool bodiless, const char *expected)
{
    char out[2048];
    size_t length = sp_reply_fill(file, strlen(file), &values, bodiless, out, sizeof out);
    ck_assert_uint_lt(length, sizeof out);
    out[length] = 0;
    ck_assert_str_eq(out, expected);
    ck_assert_uint_eq(sp_reply_fill(file, strlen(file), &values, bodiless, out, 3), length);
}

START_TEST(words_are_filled_in)
{
    fills("-ERR %{state}, again in %{retry_after}s at %{time}, %{other} %{ 100%\r\n", false,
          "-ERR open, again in 7s at Sun, 06 Nov 1994 08:49:37 GMT, %{other} %{ 100%\r\n");
}
END_TEST

START_TEST(an_http_answer_gets_its_length_and_line_ends)
{
    fills("HTTP/1.1 503 Gone\ncontent-length: 99\nConnection: keep-alive\nRetry-After: "
          "%{retry_after}\n\nin %{retry_after}\n",
          false,
          "HTTP/1.1 503 Gone\r\nRetry-After: 7\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"
          "in 7\n");
    fills("HTTP/1.1 503 Gone\r\nA: b\r\n\r\nx\n", true,
          "HTTP/1.1 503 Gone\r\nA: b\r\nContent-Length: 2\r\nConnection: close\r\n\r\n");
    fills("HTTP/1.1 204 Nothing\n\nno\n", false,
          "HTTP/1.1 204 Nothing\r\nConnection: close\r\n\r\n");
    fills("HTTP/1.1 200 Head only", false,
          "HTTP/1.1 200 Head only\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}
END_TEST

static void faulty(const char *file, unsigned line, unsigned column, const char *text)
{
    struct sp_reply_fault fault;
    ck_assert(!sp_reply_check(file, strlen(file), &fault));
    ck_assert_uint_eq(fault.line, line);
    if (line)
        ck_assert_uint_eq(fault.column, column);
    ck_assert_msg(strstr(fault.text, text) != NULL, "%s", fault.text);
}

START_TEST(mistakes_in_a_file_are_found_where_they_stand)
{
    struct sp_reply_fault fault;
    char *large = calloc(1, SP_REPLY_MAX + 1);
    faulty("", 0, 0, "empty");
    faulty("one\ntwo %{retry}\n", 2, 5, "unknown word");
    faulty("%{state", 1, 1, "no '}' closes");
    faulty("HTTP/2 503\n\n", 1, 1, "HTTP/1.1 503");
    faulty("HTTP/1.1 5x3 Gone\n\n", 1, 1, "HTTP/1.1 503");
    faulty("HTTP/1.1 100 Continue\n\n", 1, 10, "1xx");
    faulty("HTTP/1.1 503 Gone\nA: b\n\tfolded\n\n", 3, 1, "no header");
    faulty("HTTP/1.1 503 Gone\nTransfer-Encoding: chunked\n\n", 2, 1, "Content-Length");
    ck_assert(!sp_reply_check(large, SP_REPLY_MAX + 1, &fault));
    ck_assert(sp_reply_check(large, SP_REPLY_MAX, &fault));
    ck_assert(sp_reply_check("HTTP/1.0 200 OK\n\n%{state}", 25, &fault));
    free(large);
}
END_TEST

/* The same at once and byte by byte: whole after `at` bytes, and not before. */
static struct sp_request whole_at(const char *request, size_t length, size_t at)
{
    struct sp_request r = {0}, all = {0};
    for (size_t i = 0; i < at; i++) {
        ck_assert_msg(!sp_request_feed(&r, "", 0), "whole after %zu of %zu", i, at);
        sp_request_feed(&r, request + i, 1);
    }
    ck_assert(sp_request_feed(&r, "", 0));
    ck_assert(sp_request_feed(&all, request, length));
    return r;
}
#define WHOLE(text) whole_at((text), strlen(text), strlen(text))

START_TEST(an_http_request_is_whole_with_its_body)
{
    WHOLE("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    WHOLE("GET / HTTP/1.0\n\n");
    WHOLE("POST / HTTP/1.1\r\ncontent-LENGTH:  5\r\n\r\nabcde");
    WHOLE("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n"
          "0123456789\r\n0\r\nTrailer: z\r\n\r\n");
    ck_assert(WHOLE("HEAD / HTTP/1.1\r\n\r\n").head);
    ck_assert(WHOLE("PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n").expects);
    WHOLE("GET /a/very/long/path/of/more/than/is/kept/of/a/line/as/it/is/read HTTP/1.1\r\n\r\n");
}
END_TEST

START_TEST(of_anything_else_the_first_bytes_are_enough)
{
    whole_at("*1\r\n$4\r\nPING\r\n", 14, 1);
    whole_at("\x16\x03\x01", 3, 1);
    whole_at("PING\r\n", 6, 5);
    whole_at("get x\r\n", 7, 1);
    whole_at("GET x\r\nmore", 11, 7);
    whole_at("\n", 1, 1);
}
END_TEST

START_TEST(no_request_is_waited_for_for_ever)
{
    struct sp_request r = {0};
    static char zeros[65536];
    unsigned fed = 0;
    sp_request_feed(&r, "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 57);
    while (!sp_request_feed(&r, zeros, sizeof zeros) && fed < 100)
        fed++;
    ck_assert_uint_le(fed, 17);
}
END_TEST

Suite *suite_reply(void);
Suite *suite_reply(void)
{
    Suite *suite = suite_create("reply");
    TCase *c = tcase_create("reply");
    suite_add_tcase(suite, c);
    tcase_add_test(c, words_are_filled_in);
    tcase_add_test(c, an_http_answer_gets_its_length_and_line_ends);
    tcase_add_test(c, mistakes_in_a_file_are_found_where_they_stand);
    tcase_add_test(c, an_http_request_is_whole_with_its_body);
    tcase_add_test(c, of_anything_else_the_first_bytes_are_enough);
    tcase_add_test(c, no_request_is_waited_for_for_ever);
    return suite;
}
