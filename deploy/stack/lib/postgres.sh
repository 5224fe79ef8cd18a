# shellcheck shell=bash
# PostgreSQL: a cluster of its own, as PostgreSQL wants it never run by root, with the databases okmany and ugyfelkapu.

POSTGRES_DATABASES=(okmany ugyfelkapu)
if ((EUID == 0)); then
  POSTGRES_USER=postgres
  POSTGRES_DIR=$STACK_SHARED/postgres
  AS_POSTGRES=(setpriv --reuid postgres --regid postgres --init-groups)
else
  POSTGRES_USER=$(id -un)
  POSTGRES_DIR=$CACHE/data/postgres
  AS_POSTGRES=(env)
fi

# The pinned release if it is there, else the newest.
postgres_bin() {
  local dir
  for dir in "/usr/lib/postgresql/$POSTGRES_MAJOR/bin" $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV); do
    if [[ -x $dir/initdb ]]; then printf '%s' "$dir"; return; fi
  done
  return 1
}

# sql DATABASE ARGUMENT...: psql as the superuser.
sql() {
  local database=$1
  shift
  PGPASSWORD=$STACK_POSTGRES_PASSWORD "$(postgres_bin)/psql" -X -q -v ON_ERROR_STOP=1 \
    -h 127.0.0.1 -p "$STACK_POSTGRES_PORT" -U postgres -d "$database" "$@"
}

postgres_where() {
  printf 'postgres://postgres:%s@127.0.0.1:%s/ databases: %s' \
    "$STACK_POSTGRES_PASSWORD" "$STACK_POSTGRES_PORT" "${POSTGRES_DATABASES[*]}"
}

postgres_launch() {
  local bin data=$POSTGRES_DIR/data
  bin=$(postgres_bin)
  need_free_port STACK_POSTGRES_PORT "$STACK_POSTGRES_PORT"
  own_dir "$POSTGRES_USER" "$POSTGRES_DIR"
  [[ -d $data ]] || postgres_init "$bin" "$data"
  write_as_postgres "$data/registry.conf" <"$STACK/../postgres/registry.conf"
  render "$STACK/conf/postgresql.conf" "PORT=$STACK_POSTGRES_PORT" | write_as_postgres "$data/stack.conf"
  wait_for_remains "$data/postmaster.pid"
  launch postgres "${AS_POSTGRES[@]}" "$bin/postgres" -D "$data"
}

# A server that was killed stays in the process table for a moment, and the new one refuses to start beside it.
wait_for_remains() {
  local pid
  read -r pid 2>/dev/null <"$1" || return 0
  for _ in {1..100}; do
    "${AS_POSTGRES[@]}" kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.1
  done
}

write_as_postgres() { (cd / && "${AS_POSTGRES[@]}" tee "$1" >/dev/null); }

# Made under another name, so that a start that was cut short leaves no half cluster behind.
postgres_init() {
  local bin=$1 data=$2 password=$POSTGRES_DIR/password
  rm -rf "$data.part"
  (umask 077 && printf '%s\n' "$STACK_POSTGRES_PASSWORD" >"$password" && chown "$POSTGRES_USER" "$password")
  (cd / && "${AS_POSTGRES[@]}" "$bin/initdb" -D "$data.part" -U postgres -A scram-sha-256 --pwfile="$password" \
    -E UTF8 --locale=C.UTF-8 --no-sync) >"$LOGS/initdb.log" 2>&1 9>&- || fail_with_log initdb "failed"
  rm -f "$password"
  write_as_postgres "$data.part/postgresql.conf" <<<$'include \'registry.conf\'\ninclude \'stack.conf\''
  mv "$data.part" "$data"
}

postgres_ready() { "$(postgres_bin)/pg_isready" -q -h 127.0.0.1 -p "$STACK_POSTGRES_PORT"; }

# The role that the connectors log in as, and a database for each registry; what is there already stays.
postgres_settle() {
  local database
  sql postgres -v "cdc_password=$STACK_CDC_PASSWORD" -f "$STACK/../postgres/role.sql"
  for database in "${POSTGRES_DATABASES[@]}"; do
    [[ $(sql postgres -At -c "SELECT 1 FROM pg_database WHERE datname = '$database'") == 1 ]] ||
      sql postgres -c "CREATE DATABASE $database"
  done
}

# SIGINT is PostgreSQL's fast shutdown: sessions are ended, a checkpoint is written.
postgres_halt() { end_process postgres INT 30; }

postgres_clean() { rm -rf "$POSTGRES_DIR"; }
