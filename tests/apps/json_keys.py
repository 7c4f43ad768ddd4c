"""json_keys.py MANUAL FILE...: compares the keys that stand in FILEs, called *.SECTION, a JSON value
a line, with those that the section of shearpin-json(7) names. Prints what differs."""
import json
import re
import sys

# a breaker that trips by slow calls needs a server, an old look-up a resolver that fails, a call
# that is only observed a policy of its own, an abort by a measure and a shift in steps their time
ELSEWHERE = {"destinations[].reason.slow", "age_s", "observed", "because.value", "because.limit", "step"}


def written(manual):
    sections, keys = {}, None
    for line in open(manual):
        heading, key = re.match(r"\.SH (.*)", line), re.match(r"\.B (\S+)$", line)
        if heading:
            keys = sections.setdefault(heading[1], set())
        elif key and keys is not None:
            keys.add(key[1])
    return sections


def printed(value, path=""):
    if isinstance(value, list):
        for item in value:
            yield from printed(item, path + "[]")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from printed(item, (path + "." if path else "") + key)
    if path and not isinstance(value, (list, dict)):
        yield path


def differences(names, keys):
    stars = {name[:-1] for name in names if name.endswith(".*")}
    parents = {key.rsplit(".", 1)[0].removesuffix("[]") for key in names | keys if "." in key}
    for key in sorted(keys - names):
        if not any(key.startswith(star) for star in stars):
            yield "not written down: " + key
    for name in sorted(names - keys - parents - ELSEWHERE):
        if not name.endswith(".*"):
            yield "not printed: " + name
    for star in sorted(stars):
        if not any(key.startswith(star) for key in keys):
            yield "not printed: " + star + "*"


sections = written(sys.argv[1])
for file in sys.argv[2:]:
    section = file.rsplit(".", 1)[1]
    keys = {key for line in open(file) if line.strip() for key in printed(json.loads(line))}
    for difference in differences(sections.get(section, set()), keys):
        print(section, difference)
