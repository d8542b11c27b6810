#!/bin/sh
# Keeps a PostgreSQL for tests: keep.sh BIN FOLDER OPTION... It listens on a socket in the folder, does what it reads (start, stop,
# crash) and answers each with a line. When nobody can tell it anything more, it ends, and server and folder are gone.
set -u
trap '' INT TERM
bin=$1 folder=$2
shift 2

start() {
    "$bin/postgres" -D "$folder/data" -k "$folder" -c listen_addresses= "$@" >>"$folder/log" 2>&1 </dev/null &
    server=$!
    until "$bin/pg_isready" -q -h "$folder" -d postgres; do
        kill -0 "$server" || exit 1
        sleep 0.05
    done
}

halt() {
    kill -s "$1" "$server" 2>>"$folder/log"
    wait "$server"
}

"$bin/initdb" -D "$folder/data" -U sceau -A trust -E UTF8 --locale=C --no-sync >"$folder/log" 2>&1 || exit
start "$@"
echo ready
while read -r word; do
    case $word in
        start) start "$@" ;;
        stop) halt INT ;;
        crash) halt QUIT ;;
    esac
    echo ready
done
halt QUIT
rm -rf -- "$folder"
