# shellcheck shell=bash
# Apache Kafka (KRaft): one node, or a cluster of several; each is broker and controller in one process. Broker 1 is the
# process kafka, the others are kafka-2, kafka-3, each 10 ports above the one before.

# Any 16 bytes in base64 will do; a fixed one makes formatting repeatable.
KAFKA_CLUSTER_ID=bGVqYXJhdC1zdGFjay0wMQ

# How many brokers there are is remembered from start to stop, so that every other command knows it.
BROKERS_FILE=$RUN/brokers
BROKERS=1
if [[ -f $BROKERS_FILE ]]; then BROKERS=$(<"$BROKERS_FILE"); fi

# choose_brokers N|'': how many a start shall bring up: those that run, else one, if nothing is said.
choose_brokers() {
  [[ $1 =~ ^[1-9]?$ ]] || usage_error "--brokers wants a number from 1 to 9"
  if ! any_running kafka; then
    BROKERS=${1:-1}
  elif ((${1:-$BROKERS} != BROKERS)); then
    die "a cluster of $BROKERS runs; end it first with deploy/stack/stop kafka"
  fi
}

broker_name() { if (($1 == 1)); then printf kafka; else printf 'kafka-%d' "$1"; fi; }
broker_port() { printf '%d' $((STACK_KAFKA_PORT + 10 * ($1 - 1))); }
broker_sasl_port() { printf '%d' $((STACK_SASL_PORT + 10 * ($1 - 1))); }
broker_controller_port() { printf '%d' $((STACK_CONTROLLER_PORT + 10 * ($1 - 1))); }

# A cluster has data of its own: those of one broker alone stay what they are.
broker_data() { if ((BROKERS == 1)); then printf '%s/data/kafka' "$CACHE"; else printf '%s/data/kafka-of-%d/%d' "$CACHE" "$BROKERS" "$1"; fi; }

broker_numbers() { seq "$BROKERS"; }

# addresses PORT_FUNCTION: of all brokers, with commas.
addresses() {
  local n list=
  for n in $(broker_numbers); do list+=,127.0.0.1:$("$1" "$n"); done
  printf '%s' "${list#,}"
}

kafka_where() { addresses broker_port; }

kafka_processes() { for n in $(broker_numbers); do broker_name "$n"; echo; done; }

# A JVM that lives for seconds, or waits for others, gains nothing from the second compiler.
BRIEF_JVM=-XX:TieredStopAtLevel=1

# java_command LOGGING HEAP [-JVM OPTION]... CLASS ARGUMENT...: sets JAVA to the command that runs CLASS. The time zone
# is fixed because the dates of Debezium's snapshots depend on it.
java_command() {
  local logging=$1 heap=$2
  shift 2
  JAVA=(java "-Xms$heap" "-Xmx$heap" -XX:+UseSerialGC -Duser.timezone=UTC
    "-Dlog4j2.configurationFile=file:$STACK/conf/$logging.yaml" -cp "$KAFKA_LIB/*" "$@")
}

kafka_launch() {
  local n
  printf '%d\n' "$BROKERS" >"$BROKERS_FILE"
  for n in $(broker_numbers); do
    if ! is_running "$(broker_name "$n")"; then broker_launch "$n"; fi
  done
}

broker_launch() {
  local n=$1 name conf data replicas=$((BROKERS < 3 ? BROKERS : 3)) voters='' v
  name=$(broker_name "$n") data=$(broker_data "$n")
  conf=$RUN/$name.properties
  need_free_port STACK_KAFKA_PORT "$(broker_port "$n")"
  need_free_port STACK_SASL_PORT "$(broker_sasl_port "$n")"
  need_free_port STACK_CONTROLLER_PORT "$(broker_controller_port "$n")"
  for v in $(broker_numbers); do voters+=,$v@127.0.0.1:$(broker_controller_port "$v"); done
  {
    render "$STACK/conf/kafka.properties" "NODE=$n" "VOTERS=${voters#,}" "PORT=$(broker_port "$n")" \
      "SASL_PORT=$(broker_sasl_port "$n")" "CONTROLLER_PORT=$(broker_controller_port "$n")" "DATA=$data" \
      "REPLICAS=$replicas" "IN_SYNC=$((replicas / 2 + 1))"
    printf '%s\n' ${STACK_KAFKA_SETTINGS:-}
  } >"$conf"
  if [[ ! -f $data/meta.properties ]]; then
    java_command log4j2-tools 128m "$BRIEF_JVM" kafka.tools.StorageTool format -t "$KAFKA_CLUSTER_ID" -c "$conf"
    "${JAVA[@]}" >"$LOGS/kafka-format.log" 2>&1 9>&- || fail_with_log kafka-format "failed"
  fi
  # The brokers of a cluster share the machine with each other, and come and go.
  if ((BROKERS == 1)); then java_command log4j2 "$KAFKA_HEAP" kafka.Kafka "$conf"
  else java_command log4j2 "$KAFKA_HEAP" "$BRIEF_JVM" kafka.Kafka "$conf"; fi
  launch "$name" "${JAVA[@]}"
}

broker_ready() { grep -q 'Kafka Server started' "$LOGS/$(broker_name "$1").log"; }

kafka_ready() { broker_ready 1; }

kafka_settle() {
  local n
  for n in $(broker_numbers); do await "$(broker_name "$n")" 90 broker_ready "$n"; done
}

# All at once: the last brokers of a cluster could not tell a quorum that they leave.
kafka_halt() {
  local n
  for n in $(broker_numbers); do end_process "$(broker_name "$n")" TERM 30 & done
  wait
  rm -f "$BROKERS_FILE"
}

kafka_clean() { rm -rf "$CACHE/data/kafka" "$CACHE"/data/kafka-of-*; }
