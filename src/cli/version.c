#include <stdio.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/preload.h"
#include "shearpin/segment.h"

int version_main(struct cli *cli)
{
    struct json json = {0};
    char library[PRELOAD_SIZE];
    bool found = preload_find(library, sizeof library);
    if (cli->json) {
        json_open(&json, NULL, '{');
        json_word(&json, "version", SP_VERSION);
        json_count(&json, "layout", SP_LAYOUT);
        if (found)
            json_word(&json, "library", library);
        else
            json_null(&json, "library");
        json_close(&json, '}');
        json_end();
        return CLI_OK;
    }
    printf("shearpin %s\n", SP_VERSION);
    if (cli->verbose)
        printf("segment layout %u\nlibrary %s\n", SP_LAYOUT, found ? library : "not found");
    return CLI_OK;
}
