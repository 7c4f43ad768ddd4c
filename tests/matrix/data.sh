# data.sh - databases and caches, their clients and the servers themselves
# shellcheck shell=bash disable=SC2154,SC2317

redis_row() {
    redis-cli -p "$redis" FLUSHALL
    seq 500 | sed 's/.*/SET k& v&/' | "${G[@]}" redis-cli -p "$redis" | sort | uniq -c &&
        "${G[@]}" redis-cli -s "$work/redis.sock" GET k7 &&
        "${G[@]}" redis-cli -p "$redis" --raw EVAL 'return redis.call("DBSIZE")' 0 &&
        "${G[@]}" redis-benchmark -p "$redis" -q -n 2000 -P 8 -c 20 -t get,set | grep -c 'requests per second'
}
row redis-cli redis-tools 'redis-cli redis-benchmark' redis_row seen 'TCP and a unix socket, 500 commands piped, redis-benchmark'

replica_row() {
    local own
    own=$(free_ports 1)
    redis-cli -p "$redis" SET before 1
    serve "${G[@]}" "${redis_start[@]}" --dir "$PWD" \
        --port "$own" --replicaof 127.0.0.1 "$redis"
    until_true eval "redis-cli -p $own GET before | grep -q 1"
    redis-cli -p "$redis" SET after 2
    until_true eval "redis-cli -p $own GET after | grep -q 2"
    redis-cli -p "$own" INFO replication | tr -d '\r' | grep -E '^(role|master_link_status)'
}
row redis-server redis-tools redis-cli replica_row seen 'a replica: server to its clients, client of its master'

postgres=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
# A server of nobody's for the row; $own is its port.
postgres_start() {
    own=$(free_ports 1)
    if [ ! -d "$work/pg" ]; then
        install -d -m 700 -o nobody "$work/pg"
        "${nobody[@]}" "$postgres/initdb" -D "$work/pg" -A trust -N -U nobody >/dev/null 2>&1
    fi
    chown nobody .
    serve "${nobody[@]}" "$@" "$postgres/postgres" -D "$work/pg" -p "$own" -k "$PWD" -h 127.0.0.1 -F
    until_true "$postgres/pg_isready" -q -h 127.0.0.1 -p "$own"
}
psql_row() {
    local own
    postgres_start env
    for host in 127.0.0.1 "$PWD"; do
        "${G[@]}" "$postgres/psql" -XAtq -U nobody -h "$host" -p "$own" postgres -c 'select sum(n) from generate_series(1, 100000) n' \
            -c 'select repeat(md5(n::text), 100) from generate_series(1, 300) n' | sum
    done
    "${G[@]}" "$postgres/psql" -XAtq -U nobody -h 127.0.0.1 -p "$own" postgres -c 'create temp table t (a int)' \
        -c "copy t from program 'seq 5000'" -c 'select count(*) from t'
}
row psql 'postgresql-client-[0-9]*' "$postgres/psql $postgres/postgres root" psql_row seen 'TCP and a unix socket, large results, COPY'

postgres_row() {
    local own
    postgres_start "${G[@]}"
    "${G[@]}" "$postgres/pgbench" -q -i -s 1 -U nobody -h 127.0.0.1 -p "$own" postgres >/dev/null 2>&1
    "${G[@]}" "$postgres/pgbench" -c 4 -j 2 -t 50 -U nobody -h 127.0.0.1 -p "$own" postgres 2>/dev/null |
        grep -E 'actually processed|failed'
    "${G[@]}" "$postgres/pg_dump" -U nobody -h 127.0.0.1 -p "$own" -t pgbench_branches --schema-only postgres | grep -c TABLE
}
row 'postgres, pgbench, pg_dump' 'postgresql-[0-9][0-9]' "$postgres/postgres $postgres/pgbench root" postgres_row seen \
    'the server, its workers and its clients guarded at once'

mariadb_row() {
    local own
    own=$(free_ports 1)
    if [ ! -d "$work/maria" ]; then
        install -d -m 700 -o nobody "$work/maria"
        "${nobody[@]}" mariadb-install-db --no-defaults --datadir="$work/maria" --auth-root-authentication-method=normal \
            --skip-test-db --skip-name-resolve >/dev/null 2>&1
    fi
    chown nobody .
    serve "${nobody[@]}" "${G[@]}" mariadbd --no-defaults --datadir="$work/maria" --socket="$PWD/s" --port="$own" \
        --bind-address=127.0.0.1 --skip-name-resolve --pid-file="$PWD/pid" --innodb-fast-shutdown=2
    until_true mariadb -u root -h 127.0.0.1 -P "$own" -e 'select 1'
    for how in "-h 127.0.0.1 -P $own" "-S $PWD/s"; do
        # shellcheck disable=SC2086
        "${G[@]}" mariadb -N -u root $how -e 'select sum(seq) from seq_1_to_100000; select repeat(md5(seq), 50) from seq_1_to_300' | sum
    done
}
row 'mariadb, mariadbd' mariadb-client 'mariadb mariadbd mariadb-install-db root' mariadb_row seen \
    'TCP and a unix socket, the server guarded too'

memcached_row() {
    local own
    own=$(free_ports 1)
    serve "${G[@]}" memcached -u nobody -l 127.0.0.1 -p "$own" -t 4
    until_true listening "$own"
    cat >ask.py <<EOF
import socket
s = socket.create_connection(("127.0.0.1", $own))
f = s.makefile("rwb")
for i in range(200):
    f.write(b"set k%d 0 0 %d\r\n%s\r\nget k%d\r\n" % (i, i, b"x" * i, i))
    f.flush()
    print(f.readline(), f.readline(), len(f.readline()), f.readline())
EOF
    "${G[@]}" "$python" ask.py | sum
}
row memcached memcached "memcached $python" memcached_row seen 'a threaded server, guarded; its client by stdio on a socket'

sqlite_row() { "${G[@]}" sqlite3 x.db 'create table t(a); insert into t select value from generate_series(1,1000); select sum(a) from t;'; }
row sqlite3 sqlite3 sqlite3 sqlite_row unseen 'a database in a file, with its locks'
