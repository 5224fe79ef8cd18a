# shellcheck shell=bash
# Kafka Connect, one distributed worker with the Debezium connector for PostgreSQL.

connect_where() { printf 'http://127.0.0.1:%s' "$STACK_CONNECT_PORT"; }

connect_launch() {
  local conf=$CACHE/run/connect.properties name
  local -a databases=()
  need_free_port STACK_CONNECT_PORT "$STACK_CONNECT_PORT"
  render "$STACK/conf/connect.properties" "PORT=$STACK_CONNECT_PORT" "KAFKA=$(kafka_where)" \
    "PLUGINS=$CONNECT_PLUGINS" "EXACTLY_ONCE=$STACK_EXACTLY_ONCE" >"$conf"
  for name in OKMANY UGYFELKAPU; do
    databases+=("${name}_DB_HOST=127.0.0.1" "${name}_DB_PORT=$STACK_POSTGRES_PORT" "${name}_DB_PASSWORD=$STACK_CDC_PASSWORD")
  done
  java_command log4j2 "$CONNECT_HEAP" "$BRIEF_JVM" org.apache.kafka.connect.cli.ConnectDistributed "$conf"
  launch connect env "${databases[@]}" "${JAVA[@]}"
}

# Answers 404 for about a second before it is ready, and refuses connections before that.
connect_ready() { [[ $(connect_get /connectors -o /dev/null -w '%{http_code}') == 200 ]]; }

connect_get() {
  local path=$1
  shift
  curl -sS --max-time 10 "$@" "$(connect_where)$path" 2>/dev/null || true
}

connect_settle() { :; }

connect_halt() { end_process connect TERM 20; }

# Its data are topics of the broker.
connect_clean() { :; }
