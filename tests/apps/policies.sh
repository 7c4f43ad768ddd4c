#!/bin/bash
# Every example in policies/ is free of mistakes, and guards a real conversation: its sections are
# reopened by a file that names an address of this machine.
. "$(dirname "$0")/lib.sh"
start_dependency

for file in policies/*.conf; do
    name=$(basename "$file" .conf)
    said=$("$shearpin" check "$file" 2>&1)
    is "$name: check says yes" "$? $said" "0 $said"

    while read -r destination; do
        run_options=(-s "$name-$destination")
        cat >"$work/$name-$destination.conf" <<END
destination $destination
    match 127.0.0.1:$port
    mode  enforce
include $root/$file
END
        if grep -q '^ *split' "$file"; then # of its arms none is here
            printf 'destination %s\n    split off\n    split 127.0.0.1:%s share 100%% as blue\n' \
                "$destination" "$port" >"$work/$name-$destination.arms"
            echo "include $work/$name-$destination.arms" >>"$work/$name-$destination.conf"
        fi
        like "$name: $destination guards" "$(curl_says "$name-$destination" "$url")" '^HTTP 200'
        is "$name: $destination counts" \
            "$(field "$name-$destination" "$destination" 'd["name"], d["state"]')" \
            "('$destination', 'closed')"
    done < <(awk '$1 == "destination" { print $2 }' "$file")
done
