/* json.h - writes JSON in one line. A key of NULL stands in a list. */
#ifndef SHEARPIN_CLI_JSON_H
#define SHEARPIN_CLI_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json {
    FILE *out;  /* NULL: stdout */
    bool comma; /* something stands before in this object or list */
};

void json_open(struct json *json, const char *key, char bracket);
void json_close(struct json *json, char bracket);
/* At most `max` bytes; what is no UTF-8 becomes U+FFFD. */
void json_text(struct json *json, const char *key, const char *text, size_t max);
void json_word(struct json *json, const char *key, const char *word);
void json_count(struct json *json, const char *key, uint64_t n);
void json_number(struct json *json, const char *key, double n);    /* null when it is no number */
void json_time(struct json *json, const char *key, uint64_t wall); /* seconds, to the ms */
void json_bool(struct json *json, const char *key, bool yes);
void json_null(struct json *json, const char *key);
void json_end(void); /* the newline, on stdout */

#endif
