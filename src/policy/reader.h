/*
 * reader.h - the state of one reading: what src/policy's files hand to each other.
 *
 * The room that the caller brings is used twice: the compiled block grows from its start, `struct
 * reader` stands behind the largest block that there can be.
 */
#ifndef POLICY_READER_H
#define POLICY_READER_H

#include "policy/keys.h"
#include "policy/scan.h"
#include "shearpin/policy.h"
#include "shearpin/split.h"

#include <sys/types.h>

#define READER_MATCHES_MAX    8192
#define READER_FALLBACKS_MAX  1024
#define READER_ARMS_MAX       1024
#define READER_STRINGS_MAX    (512 << 10)
#define READER_CONDITIONS_MAX 1024
#define READER_FILES_MAX      256
#define READER_DEPTH_MAX      8
#define READER_TEXT_MAX       (1 << 20)
#define READER_LINES_MAX      65535
#define READER_SHOWN_MAX      100 /* mistakes that are told one by one */

/* Places in the tables of rows that are no destinations. */
#define READER_DEFAULTS SP_POLICY_ROWS_MAX
#define READER_REFUSED  (SP_POLICY_ROWS_MAX + 1) /* takes the words of a section that has no row */
#define READER_ROWS     (SP_POLICY_ROWS_MAX + 2)
#define READER_NOWHERE  UINT16_MAX

/* Where something was written. */
struct reader_place {
    uint16_t file;
    uint16_t line; /* 0: nowhere */
    uint16_t column;
};

enum reader_section { SECTION_NONE, SECTION_ROW, SECTION_EXPERIMENT, SECTION_SKIPPED };
#define READER_EXPERIMENT_WORDS 8

struct reader {
    /* reporting */
    sp_finding_fn *say;
    void *context;
    int errors;
    int shown;
    char cure[200];

    /* the line being read */
    const char *name; /* of its file */
    uint16_t file;
    enum reader_section section;
    size_t row;        /* with SECTION_ROW */
    size_t experiment; /* with SECTION_EXPERIMENT */
    size_t repeat;     /* of a directive that may stand on several lines: which this one is */

    /* what was read so far */
    struct reader_place syntax, segment;
    char segment_name[SP_NAME_SIZE];
    char segment_group[32];
    size_t row_count;

    /* from here on nothing is cleared before it is used */
    struct scan_line line;
    struct sp_row rows[READER_ROWS];
    struct reader_place opened[READER_ROWS]; /* by the newest file that has the section */
    bool broken[READER_ROWS];                /* a mistake stands in it: warn of nothing more */
    struct reader_place set[READER_ROWS][KEY_COUNT];
    size_t match_count;
    struct sp_match matches[READER_MATCHES_MAX];
    uint16_t match_row[READER_MATCHES_MAX];
    uint16_t match_column[READER_MATCHES_MAX];
    size_t fallback_count;
    struct sp_fallback fallbacks[READER_FALLBACKS_MAX];
    uint16_t fallback_row[READER_FALLBACKS_MAX];
    size_t arm_count;
    struct sp_arm_policy arms[READER_ARMS_MAX];
    uint16_t arm_row[READER_ARMS_MAX];
    struct reader_place sticky[READER_ROWS]; /* `split sticky process` */
    bool slo_own[READER_ROWS]; /* it says `slo` itself: those of defaults are not its */
    size_t condition_count;
    struct sp_condition conditions[READER_CONDITIONS_MAX];
    uint16_t condition_row[READER_CONDITIONS_MAX];
    size_t experiment_count;
    struct sp_experiment experiments[SP_EXPERIMENTS_MAX];
    struct reader_place experiment_opened[SP_EXPERIMENTS_MAX];
    struct reader_place experiment_set[SP_EXPERIMENTS_MAX][READER_EXPERIMENT_WORDS];
    struct reader_place experiment_target[SP_EXPERIMENTS_MAX][SP_EXPERIMENT_TARGETS];
    struct reader_place experiment_watched[SP_EXPERIMENTS_MAX][SP_EXPERIMENT_CONDITIONS];
    uint32_t strings_size;
    char strings[READER_STRINGS_MAX];

    /* files */
    size_t file_count;
    uint32_t files[READER_FILES_MAX]; /* names, offsets in strings */
    struct {
        dev_t device;
        ino_t inode;
    } identity[READER_FILES_MAX];
    size_t pending_count;
    uint32_t pending[READER_FILES_MAX]; /* names of files to include when this one ends */
    char text[READER_TEXT_MAX];
};

/* --- report.c --- */

void report_at(struct reader *reader, const struct scan_word *word, const char *cure,
               const char *format, ...) __attribute__((format(printf, 4, 5)));
void report_error(struct reader *reader, struct reader_place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void report_file(struct reader *reader, const char *name, const char *cure, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void report_warning_at(struct reader *reader, const struct scan_word *word, const char *cure,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));
void report_warning(struct reader *reader, struct reader_place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "did you mean 'x'?" in the reader's room, NULL when nothing is near. */
const char *report_near(struct reader *reader, const char *best);
/* How a word is shown in a message: "%.*s" with SHOWN(word). */
#define SHOWN(word) (int)((word)->length < 64 ? (word)->length : 64), (word)->text

/* --- build.c --- */

/* Room for `length` characters and a NUL; 0, which is "", when there is none left. */
uint32_t build_string(struct reader *reader, const char *text, size_t length);
void build_clear(struct reader *reader, size_t row);
struct reader_place build_here(const struct reader *reader, const struct scan_word *word);
/* Puts the block at `room`; the defaults are applied here. */
struct sp_policy *build_block(struct reader *reader, void *room, uint32_t path);

/* --- the rest, one entry each --- */

void parse_line(struct reader *reader);   /* parse.c: a line cut into words */
void section_line(struct reader *reader); /* section.c: a line in column 1 */
/* Is it a name? They go into file names, shell words and addresses like payments.deadline.connect.
 */
bool section_name(struct reader *reader, const struct scan_word *word, const char *what,
                  size_t size);
void rule_words(struct reader *reader); /* rule.c: the words behind `match` */
/* peer.c: an address to connect to. `forms` says which there are, for who wrote none. */
struct reader_peer {
    uint8_t kind; /* SP_FALLBACK_ADDRESS or _NAME */
    uint16_t port;
    struct sp_addr address;
};
bool peer_read(struct reader *reader, const struct scan_word *word, const char *forms,
               struct reader_peer *peer);
/* Is it the kind of socket that the destination's programs have? */
bool peer_replaces(const struct sp_policy *policy, const struct sp_row *row, uint8_t kind,
                   const struct sp_addr *address);
void split_words(struct reader *reader); /* split.c: the words behind `split` */
void split_check(struct reader *reader, const struct sp_policy *policy, size_t row);
void fallback_words(struct reader *reader); /* fallback.c: the words behind `fallback` */
void fallback_check(struct reader *reader, const struct sp_policy *policy, size_t row);
void source_text(struct reader *reader, const char *text, size_t length); /* source.c */
void source_file(struct reader *reader, uint32_t name, unsigned depth);
const char *source_reason(int code); /* of an errno, or NULL */
void source_included(struct reader *reader, size_t first, unsigned depth);
void include_word(struct reader *reader, const struct scan_word *word); /* include.c */
void slo_line(struct reader *reader);                                   /* slo.c: behind `slo` */
/* The conditions of all rows into `out`; tells each row which are its. Returns how many. */
uint32_t slo_build(const struct reader *reader, struct sp_row *rows, struct sp_condition *out);
uint32_t slo_moment(const struct sp_condition *conditions, uint16_t count);
void check_block(struct reader *reader, const struct sp_policy *policy); /* check.c */

#endif
