#include <bsd/stdlib.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/group.h"
#include "cli/metric.h"
#include "cli/say.h"

/* docs/metrics.md holds what this prints. */
static void metrics_list(void)
{
    printf("| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n");
    for (size_t i = 0; i < metric_total; i++) {
        const struct metric *m = &metric_table[i];
        printf("| `shearpin_%s` | %s | %s | %s |\n", m->name, metric_type_words[m->type], m->labels,
               m->help);
    }
}

static int metrics_write(FILE *file, struct group *group)
{
    for (size_t i = 0; i < group->count; i++)
        look_mark(&group->seats[i]->mark, &group->seats[i]->segment);
    return metric_group(file, group) ? CLI_OK : CLI_SYSTEM;
}

static int metrics_failed(const char *what, const char *path)
{
    int code = errno;
    say_error("%s %s: %s", what, path, strerror(code));
    return code == EACCES || code == EPERM || code == EROFS ? CLI_DENIED : CLI_SYSTEM;
}

/* Who reads the file meanwhile sees the old one or the new one. The name of the draft ends in what
 * node_exporter does not collect. */
static int metrics_textfile(const char *path, struct group *group)
{
    char draft[4096];
    if (snprintf(draft, sizeof draft, "%s.XXXXXX", path) >= (int)sizeof draft) {
        errno = ENAMETOOLONG;
        return metrics_failed("cannot write", path);
    }
    int fd = mkstemp(draft);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!file)
        return metrics_failed("cannot write beside", path);
    int status = metrics_write(file, group);
    bool written = fchmod(fd, 0644) == 0 && fflush(file) == 0 && !ferror(file);
    written = fclose(file) == 0 && written;
    if (status == CLI_OK && (!written || rename(draft, path) != 0))
        status = metrics_failed("cannot write", path);
    if (status != CLI_OK)
        unlink(draft);
    return status;
}

int metrics_main(struct cli *cli)
{
    struct group group = {0};
    if (cli->list) {
        metrics_list();
        return CLI_OK;
    }
    int status = group_attach(cli, &group);
    if (status == CLI_OK)
        status =
            cli->textfile ? metrics_textfile(cli->textfile, &group) : metrics_write(stdout, &group);
    group_free(&group);
    return status;
}
